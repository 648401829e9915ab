"""Frames of one video below each other, with what each method makes of them: to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.drawing.captions import GAP, resize, resize_mask, side_by_side, with_caption
from pipeline.drawing.colours import CYAN
from pipeline.drawing.masks import overlay

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
WIDTH = 240  # px of a picture


def spread(count: int, wanted: int) -> list[int]:
    """At most `wanted` frame numbers, evenly over a video of `count`.

    >>> spread(70, 4)
    [0, 23, 46, 69]
    """
    return sorted({round(place) for place in np.linspace(0, count - 1, min(wanted, count))})


def contact_sheet(
    images: Mapping[int, Image],
    outlines: Mapping[int, Mask],
    masks: Mapping[str, Mask],
) -> Image:
    """A row per frame: the image with an outline, then it under each mask.

    Args:
        images: (H, W, 3) RGB by frame number.
        outlines: (h, w) by frame number, at any size; drawn over the image.
        masks: (N, H, W) by caption.

    Returns:
        (h, w, 3) RGB.
    """
    return _below_each_other(
        [
            side_by_side(
                [
                    _outlined(image, outlines.get(number), f"frame {number}"),
                    *(_covered(image, mask[number], name) for name, mask in masks.items()),
                ]
            )
            for number, image in images.items()
        ]
    )


def _outlined(image: Image, outline: Mask | None, caption: str) -> Image:
    large = resize(image, WIDTH)
    if outline is not None:
        mask = resize_mask(outline, *large.shape[:2])
        contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(large, contours, -1, CYAN, 2)
    return with_caption(large, caption)


def _covered(image: Image, mask: Mask, caption: str) -> Image:
    large = resize(image, WIDTH)
    return with_caption(overlay(large, resize_mask(mask, *large.shape[:2])), caption)


def _below_each_other(rows: Sequence[Image]) -> Image:
    gap = np.full((GAP, rows[0].shape[1], 3), 255, np.uint8)
    return np.concatenate([part for row in rows for part in (row, gap)][:-1])
