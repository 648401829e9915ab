"""Pictures at a readable size, with text on a strip below, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from pipeline.drawing.marks import Image

INK = (32, 34, 38)
PAPER = (255, 255, 255)
GAP = 6  # px between pictures


def resize(image: Image, width: int, *, smooth: bool = True) -> Image:
    """Resize to `width` px, keeping the aspect.

    Args:
        image: (H, W, 3) or (H, W) uint8.
        width: px.
        smooth: enlarged by cubic interpolation, made smaller by averaging areas; false: nearest
            neighbour, where pixels are to be seen as they are, or are numbers and no colours.
    """
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    smoothly = cv2.INTER_CUBIC if width >= image.shape[1] else cv2.INTER_AREA
    how = smoothly if smooth else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(image, (width, height), interpolation=how), dtype=np.uint8)


def resize_mask(mask: NDArray[np.bool_], height: int, width: int) -> NDArray[np.bool_]:
    """Resize a hard mask (H, W) to (height, width) with a smooth outline."""
    soft = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(soft >= 0.5)


def with_caption(image: Image, text: str) -> Image:
    """The picture with a strip of text below; the text shrinks until it fits the width.

    Args:
        image: (H, W, 3).
        text: one line.
    """
    width = image.shape[1]
    size = max(11, width // 20)
    while size > 8 and _font(size).getlength(text) > width - 8:
        size -= 1
    strip = Pillow.new("RGB", (width, size + 10), PAPER)
    ImageDraw.Draw(strip).text((4, 3), text, fill=INK, font=_font(size))
    return np.concatenate([image, np.asarray(strip, dtype=np.uint8)])


def side_by_side(images: Sequence[Image]) -> Image:
    """Pictures in a row on white, aligned at the top."""
    height = max(image.shape[0] for image in images)
    width = sum(image.shape[1] for image in images) + GAP * (len(images) - 1)
    row = np.full((height, width, 3), 255, dtype=np.uint8)
    left = 0
    for image in images:
        row[: image.shape[0], left : left + image.shape[1]] = image
        left += image.shape[1] + GAP
    return row


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans as matplotlib ships it: the same glyphs on every machine."""
    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", size)
