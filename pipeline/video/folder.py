"""Folders with one picture per frame."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BackdropError, unreadable

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm"})
SPARSE_16_BIT = 4096  # a 16-bit frame that is no brighter holds values of 10 or 12 bits
ENDS = {b"\xff\xd8": b"\xff\xd9", b"\x89P": b"IEND\xaeB`\x82"}  # first bytes: last bytes


def folder_images(folder: Path) -> list[Path]:
    """The pictures in a folder, sorted as people count: 2.png before 10.png."""
    images = [
        file
        for file in folder.iterdir()
        if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".")
    ]
    return sorted(images, key=lambda file: natural_key(file.name))


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sort key in which runs of digits compare as numbers."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts] + [(-2, name)]


def read_image(file: Path) -> NDArray[np.uint8]:
    """A picture as RGB uint8 (H, W, 3), upright (EXIF honoured).

    Raises:
        BackdropError: unreadable, cut short, or no picture; or values of 10 or 12 bits in 16, of
            which 8 bits would keep the highest 2 or 4.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise unreadable(file, error) from error
    whole = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_ANYDEPTH
    image = cv2.imdecode(np.frombuffer(data, np.uint8), whole) if data else None
    end = ENDS.get(data[:2])
    # OpenCV fills what is missing of a cut picture with grey and says nothing. A thumbnail inside
    # a JPEG has an end of its own, near the start.
    cut = end is not None and data.rfind(end) < len(data) // 2
    if image is None or cut:
        raise BackdropError(
            "is cut short" if cut else "is not a readable picture",
            where=str(file),
            remedy="copy or export this frame again",
        )
    return _in_8_bits(np.asarray(image), file)


def _in_8_bits(image: NDArray[np.generic], file: Path) -> NDArray[np.uint8]:
    if image.dtype == np.uint8:
        return np.asarray(image, np.uint8)
    brightest = float(np.max(np.asarray(image, np.float64)))
    if image.dtype != np.uint16 or 255 < brightest < SPARSE_16_BIT:
        raise BackdropError(
            f"has {8 * image.itemsize} bits a value, of which the largest is {brightest:g}",
            where=str(file),
            remedy="export the frames in 8 bits, with black at 0 and white at 255",
        )
    return np.asarray(np.asarray(image, np.uint16) >> 8, np.uint8)
