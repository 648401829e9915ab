"""Folders with one picture per frame."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BackdropError, unreadable

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm"})
FOLDER_FPS = 24.0  # a folder of frames has no clock; DAVIS's sequences play at 24
EXPORT_AGAIN = "export the frames in 8 bits, with black at 0 and white at 255"
DARK = 2**14  # of 16 bits: 14 bits and fewer are stored so; a film may be dark, but not so dark
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
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
        BackdropError: as `read_images`, of this picture alone.
    """
    (image,) = read_images([file], file)
    return image


def read_images(files: Iterable[Path], where: Path) -> Iterator[NDArray[np.uint8]]:
    """Pictures of one kind, each as `read_image` gives it; of 16 bits a value the upper 8.

    Raises:
        BackdropError: unreadable, cut short, or no picture; or, after the last, which tells: values
            of fewer bits stored in 16, that would come out too dark. One alone may be a dark frame.
    """
    brightest = 0
    for file in files:
        image = _decode(file)
        if image.dtype == np.uint16:
            brightest = max(brightest, int(np.max(np.asarray(image, np.uint16))))
        yield _in_8_bits(image, file)
    if 0 < brightest < DARK:  # all black is told elsewhere
        raise BackdropError(
            f"is stored in 16 bits, but holds {brightest.bit_length()}-bit values "
            f"(the largest is {brightest})",
            where=str(where),
            remedy=EXPORT_AGAIN,
        )


def _decode(file: Path) -> NDArray[np.generic]:
    """RGB (H, W, 3) in the file's own depth."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise unreadable(file, error) from error
    # Not IMREAD_COLOR_RGB: OpenCV 4 then leaves a TIFF's 16-bit colours as the memory was before.
    whole = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
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
    if _holds_more(data, image.shape):
        raise BackdropError(
            "holds several pictures",
            where=str(file),
            remedy="export one file per frame into a folder, or a video",
        )
    return np.ascontiguousarray(image[..., ::-1])


def _holds_more(data: bytes, shape: tuple[int, ...]) -> bool:
    """Whether a second frame follows the one of this shape; a TIFF's thumbnail is none."""
    if data.startswith(b"\x89PNG"):
        return b"acTL" in data[: data.find(b"IDAT")]
    if data.startswith(b"RIFF") and data[12:16] == b"VP8X":
        return bool(data[20] & 2)  # WebP's flag of animation
    if not data.startswith(TIFF):
        return False
    buffer = np.frombuffer(data, np.uint8)
    _, pages = cv2.imdecodemulti(buffer, cv2.IMREAD_UNCHANGED, range=(1, 2))
    return any(page.shape[:2] == shape[:2] for page in pages)


def _in_8_bits(image: NDArray[np.generic], file: Path) -> NDArray[np.uint8]:
    if image.dtype == np.uint8:
        return np.asarray(image, np.uint8)
    if image.dtype != np.uint16:
        brightest = float(np.max(np.asarray(image, np.float64)))
        raise BackdropError(
            f"has {8 * image.itemsize} bits a value, of which the largest is {brightest:g}",
            where=str(file),
            remedy=EXPORT_AGAIN,
        )
    return np.asarray(np.asarray(image, np.uint16) >> 8, np.uint8)
