"""Ground-truth masks of a video while results are scored or shown. Training never comes here.

`prepare_data` has checked them; `calibrate` reads those of validation, `evaluate` those of
validation and test, `report` shows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BackdropError
from pipeline.mask_check import read_mask
from pipeline.truth_files import TruthFiles

Crop = tuple[int, int, int, int]


class GroundTruth:
    """The masks of a video's frames.

    Args:
        files: by the number of their frame in the source.
        size: width and height in px that every mask must have; None: any.
        crop: left, top, width, height in px of what the cached frames show; None: all.
    """

    def __init__(
        self,
        files: Mapping[int, Path],
        size: tuple[int, int] | None = None,
        crop: Crop | None = None,
    ) -> None:
        self.files, self.size, self.crop = files, size, crop

    def load(self, source_frame: int) -> NDArray[np.bool_] | None:
        """Mask `(H, W)` in the source's px, True on the subject; None where the frame has none.

        Raises:
            BackdropError: `read_mask` refuses it, or it has other values than 0 and one more.
        """
        file = self.files.get(source_frame)
        if file is None:
            return None
        image = read_mask(file, self.size)
        height, width = image.shape
        if np.count_nonzero(np.unique(image)) > 1:
            raise BackdropError(
                "holds more than two values",
                where=str(file),
                remedy="a mask is 255 where the subject is and 0 elsewhere",
            )
        left, top, wide, high = self.crop or (0, 0, width, height)
        return np.asarray(image[top : top + high, left : left + wide] > 0)


def open_truth(truth: TruthFiles, frames: h5py.AttributeManager) -> GroundTruth:
    """The ground truth that lies under a video's cached frames.

    Args:
        truth: the masks of the video.
        frames: attributes of the video's FRAMES artifact: the source's size, and the crop.

    Raises:
        BackdropError: as `TruthFiles.by_frame`.
    """
    size = int(frames["source_width"]), int(frames["source_height"])
    left, top, width, height = (int(side) for side in frames["crop"])
    return GroundTruth(truth.by_frame(), size, (left, top, width, height))
