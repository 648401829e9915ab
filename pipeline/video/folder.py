"""Folders with one picture per frame."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BackdropError

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm"})
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
        BackdropError: unreadable, cut short, or no picture.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise BackdropError(f"cannot be read ({error.strerror})", where=str(file)) from error
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB) if data else None
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
    return image.astype(np.uint8, copy=False)
