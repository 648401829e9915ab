"""Ground-truth masks are checked before anything is trained: their names, size and values."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BackdropError, unreadable
from pipeline.truth_files import TruthFiles

ALLOWED = (0, 255)


def check_masks(truth: TruthFiles, width: int, height: int) -> None:
    """Raise unless each mask belongs to a frame and holds the values 0 and 255 only.

    Args:
        truth: the masks of a video.
        width, height: px of the video, upright.

    Raises:
        BackdropError: as `TruthFiles.by_frame`; a mask that `read_mask` refuses, or whose values
            are others.
    """
    for file in truth.by_frame().values():
        _check_values(file, read_mask(file, (width, height)))


def read_mask(file: Path, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    """The values of a mask's picture (H, W), as they are in the file.

    Args:
        file: the picture.
        size: width and height in px of its video; None: any.

    Raises:
        BackdropError: unreadable, not a picture, of another size, coloured, transparent, or of
            other than 8 bits a value.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise unreadable(file, error) from error
    # Not `imread`: it crashes over a file name that is no UTF-8.
    mask = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if mask is None:
        raise BackdropError(
            "is not a readable picture", where=str(file), remedy="export this mask again"
        )
    height, width = mask.shape[:2]
    if size is not None and (width, height) != size:
        raise BackdropError(
            f"is {width}x{height}, but the video is {size[0]}x{size[1]}",
            where=str(file),
            remedy="export the masks at the video's own size",
        )
    if mask.dtype != np.uint8:
        raise BackdropError(
            f"has {8 * mask.itemsize} bits a value ({mask.dtype}), but a mask has 8 (uint8)",
            where=str(file),
            remedy="export the masks in 8 bits: 255 where the subject is, 0 elsewhere",
        )
    colour = mask[..., :3] if mask.ndim == 3 else mask[..., None]
    alpha = mask[..., 3:]
    if mask.ndim == 3 and (alpha != alpha[:1, :1]).any() and (alpha != colour[..., :1]).any():
        raise BackdropError(
            "is partly transparent, by another shape than its grey values have",
            where=str(file),
            remedy="save masks without an alpha channel: 255 where the subject is, 0 elsewhere",
        )
    if (colour != colour[..., :1]).any():
        raise BackdropError(
            "is coloured (a mask of several labels?)",
            where=str(file),
            remedy="masks are grey pictures: 255 where the subject is, 0 elsewhere",
        )
    return np.asarray(colour[..., 0], np.uint8)


def _check_values(file: Path, mask: NDArray[np.uint8]) -> None:
    wrong = [int(value) for value in np.unique(mask) if value not in ALLOWED]
    if wrong:
        shown = ", ".join(map(str, wrong[:6])) + (", ..." if len(wrong) > 6 else "")
        why = {
            True: "multiply the source masks by 255 and run `backdrop init` again",
            False: "save the source masks as PNG, 255 where the subject is and 0 elsewhere, not "
            "antialiased, and run `backdrop init` again",
        }[wrong == [1]]
        raise BackdropError(
            f"holds the values {shown}, only 0 and 255 are allowed", where=str(file), remedy=why
        )
