"""Ground-truth masks are checked before anything is trained: their number, size and values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BackdropError
from pipeline.video.folder import folder_images

ALLOWED = (0, 255)


def check_masks(folder: Path, frames: int, width: int, height: int) -> None:
    """Raise unless `folder` holds one mask for each of `frames` frames, of values 0 and 255.

    Args:
        folder: of pictures, sorted naturally = in the order of the frames.
        frames: of the video.
        width, height: px of the video, upright.

    Raises:
        BackdropError: another number of masks, an unreadable one, another size or other values.
    """
    masks = folder_images(folder)
    if len(masks) != frames:
        raise BackdropError(
            f"holds {len(masks)} masks, but the video has {frames} frames",
            where=str(folder),
            remedy="give one mask per frame, named 00000.png and on, or remove the folder",
        )
    for file in masks:
        mask = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        if mask is None:
            raise BackdropError(
                "is not a readable picture", where=str(file), remedy="export this mask again"
            )
        if mask.shape[:2] != (height, width):
            raise BackdropError(
                f"is {mask.shape[1]}x{mask.shape[0]}, but the video is {width}x{height}",
                where=str(file),
                remedy="export the masks at the video's own size",
            )
        _check_values(file, mask)


def _check_values(file: Path, mask: NDArray[Any]) -> None:
    colour = mask[..., :3] if mask.ndim == 3 else mask[..., None]
    if (colour != colour[..., :1]).any():
        raise BackdropError(
            "is coloured (a mask of several labels?)",
            where=str(file),
            remedy="masks are grey pictures: 255 where the subject is, 0 elsewhere",
        )
    values = np.unique(colour[..., 0])
    wrong = [int(value) for value in values if value not in ALLOWED]
    if wrong:
        shown = ", ".join(map(str, wrong[:6])) + (", ..." if len(wrong) > 6 else "")
        why = {
            True: "multiply these masks by 255",
            False: "save masks as PNG, 255 where the subject is and 0 elsewhere, not antialiased",
        }[wrong == [1]]
        raise BackdropError(
            f"holds the values {shown}, only 0 and 255 are allowed", where=str(file), remedy=why
        )
