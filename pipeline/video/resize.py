"""From a decoded frame to the cached one: crop, then resize with the aspect kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BackdropError

TAKE_OUT = "take it out, or give a larger version"
MULTIPLE = 8  # sides suit networks that halve three times


@dataclass(frozen=True)
class Framing:
    """What is cut out of a frame, and the size it gets; all in px.

    `left, top, crop_width, crop_height` lie in the upright source frame.
    """

    left: int
    top: int
    crop_width: int
    crop_height: int
    width: int
    height: int

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """RGB uint8 (H, W, 3) of the source's size to (height, width, 3).

        Shrinking averages areas, so that fine texture does not flicker from frame to frame.
        """
        part = image[
            self.top : self.top + self.crop_height, self.left : self.left + self.crop_width
        ]
        shrinks = self.width <= self.crop_width and self.height <= self.crop_height
        how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        return cv2.resize(part, (self.width, self.height), interpolation=how).astype(np.uint8)


def too_small(width: int, height: int) -> str | None:
    """In words, where a frame has sides, px, that nothing can be found in; else None."""
    if min(width, height) >= MULTIPLE:
        return None
    return f"is {width}x{height} px, and {MULTIPLE} are the least"


def plan(
    source: Path,
    width: int,
    height: int,
    pixel_aspect: float,
    longest_side: int,
    crop: tuple[float, float, float, float] | None,
) -> Framing:
    """Crop to shares `(left, top, width, height)` of the frame; make `longest_side` px of the rest.

    Args:
        source: the video, for errors.
        width, height: px of the source, upright.
        pixel_aspect: width of its pixels over their height.
        longest_side: px; both sides become multiples of 8.

    Raises:
        BackdropError: the frame is too small, or what the crop leaves of it.
    """
    if told := too_small(width, height):
        raise BackdropError(told, where=str(source), remedy=TAKE_OUT)
    left, top, share_w, share_h = crop or (0.0, 0.0, 1.0, 1.0)
    x, y = round(left * width), round(top * height)
    crop_width = min(round(share_w * width), width - x)
    crop_height = min(round(share_h * height), height - y)
    if min(crop_width, crop_height) < MULTIPLE:
        raise BackdropError(
            f"leaves {max(crop_width, 0)}x{max(crop_height, 0)} px of the {width}x{height} px of "
            f"{source}",
            where="params.yaml: extract_frames.crop",
            remedy="crop is left, top, width, height as shares of the frame, e.g. [0.1, 0, 0.8, 1]",
        )
    scale = longest_side / max(crop_width * pixel_aspect, crop_height)
    return Framing(
        x,
        y,
        crop_width,
        crop_height,
        _to_multiple(crop_width * pixel_aspect * scale),
        _to_multiple(crop_height * scale),
    )


def _to_multiple(side: float) -> int:
    return max(MULTIPLE, round(side / MULTIPLE) * MULTIPLE)
