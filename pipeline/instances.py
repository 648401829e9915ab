"""Several subjects in `predictions/VIDEO.h5`, beside those of one (`predict.max_subjects`).

Apart from what writes them: who only reads need not wait for PyTorch.
"""

from __future__ import annotations

import h5py
import numpy as np
from numpy.typing import NDArray

from models.instances import label


def has_instances(predictions: h5py.File) -> bool:
    """Whether more than one subject was asked for."""
    return "instance_boxes" in predictions


def read_labels(predictions: h5py.File, frame: int, mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The pixels of a frame's final mask (H, W) given to its subjects: 0, 1..K."""
    return label(mask, predictions["instance_mask"][frame], predictions["instance_boxes"][frame])
