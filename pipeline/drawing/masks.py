"""Masks and flow as colour, `(H, W, 3)` uint8 RGB."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.drawing.colours import CYAN, GREY, INSTANCES, ORANGE, Colour
from pipeline.drawing.marks import Image
from pipeline.flow_image import encode_flow

TINT = 0.45  # how much of the tint covers the subject
DIM = 0.45  # brightness left of what is not the subject


def heat(mask: Image) -> Image:
    """A soft mask as heat: black at 0 over red and yellow to white at 255.

    Args:
        mask: (H, W) uint8.
    """
    bgr = cv2.applyColorMap(mask, cv2.COLORMAP_INFERNO)
    return np.ascontiguousarray(bgr[..., ::-1])


def overlay(image: Image, mask: NDArray[np.bool_], colour: Colour = ORANGE) -> Image:
    """A hard mask as a tint with its contour, over the dimmed frame.

    Args:
        image: (H, W, 3).
        mask: (H, W), true on the subject.
        colour: RGB of the tint and the contour.
    """
    grey = image.mean(axis=2, keepdims=True)
    outside = np.broadcast_to(DIM * grey, image.shape)
    return _tinted(outside, image, mask, colour)


def overlay_at_rest(drawn: Image, image: Image, part: NDArray[np.bool_]) -> Image:
    """A drawn mask whose part that never moves loses its colour.

    Args:
        drawn: (H, W, 3), what `overlay` or `overlay_instances` made of `image`.
        image: (H, W, 3), the frame.
        part: (H, W), true on that part.
    """
    return _tinted(drawn, image, part, GREY)


def overlay_instances(image: Image, labels: NDArray[np.uint8]) -> Image:
    """`overlay` with a colour per subject.

    Args:
        image: (H, W, 3).
        labels: (H, W), 0 background, 1..K the subjects.
    """
    drawn = overlay(image, labels == 1, INSTANCES[0])
    for number in range(2, int(labels.max()) + 1):
        colour = INSTANCES[(number - 1) % len(INSTANCES)]
        drawn = _tinted(drawn, image, labels == number, colour)
    return drawn


def _tinted(
    outside: NDArray[np.generic], image: Image, mask: NDArray[np.bool_], colour: Colour
) -> Image:
    inside = (1 - TINT) * image + TINT * np.asarray(colour)
    return outline(np.where(mask[..., None], inside, outside).astype(np.uint8), mask, colour)


def outline(image: Image, mask: NDArray[np.bool_], colour: Colour = ORANGE) -> Image:
    """The frame with the contour of a hard mask, and nothing else changed.

    Args:
        image: (H, W, 3).
        mask: (H, W), true on the subject.
        colour: RGB of the contour.
    """
    drawn = image.copy()
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    thickness = max(1, round(max(image.shape[:2]) / 160))
    cv2.drawContours(drawn, contours, -1, colour, thickness)
    return drawn


def ground_truth(image: Image, mask: NDArray[np.bool_]) -> Image:
    """The annotator's mask, `overlay` in another colour, so that the two are never confused."""
    return overlay(image, mask, CYAN)


def flow_colours(flow: NDArray[np.floating], scale_px: float) -> Image:
    """Flow in the encoding that the flow inpainter sees (`pipeline.flow_image`).

    Args:
        flow: (H, W, 2) px per pair.
        scale_px: the flow at 0.76 of full colour, px.
    """
    encoded = encode_flow(np.asarray(flow, dtype=np.float32), scale_px)
    return np.rint(np.asarray(encoded) * 255).astype(np.uint8)


def flow_key(size: int, scale_px: float) -> Image:
    """The colours of all directions, up to twice `scale_px` at the rim of a disc `size` px wide."""
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    direction = np.stack(np.meshgrid(axis, axis), axis=-1)
    length = np.linalg.norm(direction, axis=-1, keepdims=True)
    return flow_colours(np.where(length <= 1, 2 * scale_px * direction, 0), scale_px)
