"""Pictures as PNG files: written whole or not at all, the same bytes each time."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BackdropError
from pipeline.store.atomic import write_bytes


def write_png(path: Path, image: NDArray[np.uint8]) -> None:
    """Write a picture (H, W, 3) uint8 RGB, or (H, W) grey.

    Raises:
        BackdropError: another suffix than .png, a read-only folder, or a full disk.
    """
    if path.suffix.lower() != ".png":
        raise BackdropError(
            "is not a .png name", where=str(path), remedy="pictures are written as PNG"
        )
    write_bytes(path, encode(image, ".png"))


def encode(image: NDArray[np.uint8], suffix: str, quality: int = 88) -> bytes:
    """The bytes of a `.png` or `.jpg` file; `quality` is that of JPEG."""
    pixels = image[..., ::-1] if image.ndim == 3 else image
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix == ".jpg" else []
    _, data = cv2.imencode(suffix, np.ascontiguousarray(pixels), options)
    return data.tobytes()
