"""Ground-truth masks of a video while results are scored or shown. Training never comes here.

`prepare_data` has checked that there is one per frame; `calibrate` reads those of validation,
`evaluate` those of validation and test, `report` shows them.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BackdropError
from pipeline.mask_check import read_mask
from pipeline.video.folder import folder_images

Crop = tuple[int, int, int, int]


class GroundTruth:
    """The masks in a folder; sorted naturally, their order is that of the source's frames.

    Args:
        folder: of pictures.
        size: width and height in px that every mask must have; None: any.
        crop: left, top, width, height in px of what the cached frames show; None: all.

    Raises:
        BackdropError: there is no such folder.
    """

    def __init__(
        self, folder: Path, size: tuple[int, int] | None = None, crop: Crop | None = None
    ) -> None:
        if not folder.is_dir():
            raise BackdropError(
                "is missing: the table of videos names it as ground truth",
                where=str(folder),
                remedy="put it back, or run `dvc repro --force prepare_data`",
            )
        self.files, self.size, self.crop = folder_images(folder), size, crop

    def load(self, source_frame: int) -> NDArray[np.bool_] | None:
        """Mask `(H, W)` in the source's px, True on the subject; None where the frame has none.

        Raises:
            BackdropError: `read_mask` refuses it, of another size, or of other values than 0 and
                one more.
        """
        if source_frame >= len(self.files):
            return None
        file = self.files[source_frame]
        image = read_mask(file)
        height, width = image.shape
        if self.size is not None and (width, height) != self.size:
            raise BackdropError(
                f"is {width}x{height}, but its video is {self.size[0]}x{self.size[1]}",
                where=str(file),
                remedy="export the masks at the video's own size",
            )
        if np.count_nonzero(np.unique(image)) > 1:
            raise BackdropError(
                "holds more than two values",
                where=str(file),
                remedy="a mask is 255 where the subject is and 0 elsewhere",
            )
        left, top, wide, high = self.crop or (0, 0, width, height)
        return np.asarray(image[top : top + high, left : left + wide] > 0)


def open_truth(masks: str, frames: h5py.AttributeManager) -> GroundTruth | None:
    """The ground truth that lies under a video's cached frames; None where `masks` is "".

    Args:
        masks: folder, as in the table of videos.
        frames: attributes of the video's FRAMES artifact: the source's size, and the crop.
    """
    if not masks:
        return None
    size = int(frames["source_width"]), int(frames["source_height"])
    left, top, width, height = (int(side) for side in frames["crop"])
    return GroundTruth(Path(masks), size, (left, top, width, height))
