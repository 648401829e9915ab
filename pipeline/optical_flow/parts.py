"""The part of a frame that a pair's residual flow can be in: around what differs once aligned.

Where the aligned frames do not differ, `residual.change_weight` leaves no flow. An estimator that
runs on part of a frame (DIS) saves the rest of its time; on a static camera that is most of it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.flow.estimator import Part


def changed_part(weight: NDArray[np.float32], margin: float) -> Part | None:
    """The rectangle around all px of positive weight; None where there is none.

    Args:
        weight: (H, W), see `residual.change_weight`.
        margin: on each side, share of the frame's longest side.
    """
    x, y, width, height = cv2.boundingRect((weight > 0).astype(np.uint8))
    if width == 0:
        return None
    reach = round(margin * max(weight.shape))
    rows = slice(max(0, y - reach), min(weight.shape[0], y + height + reach))
    return rows, slice(max(0, x - reach), min(weight.shape[1], x + width + reach))
