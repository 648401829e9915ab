"""The final mask of one frame: its soft mask, sharpened by the CRF as `calibrate` chose."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.crf import refine
from models.soft_mask import centred
from pipeline.evaluation.calibration import Calibration, crf_setting


def refine_frame(
    choice: Calibration,
    iterations: int,
    seen: tuple[NDArray[np.uint8], NDArray[np.float32]],
) -> NDArray[np.bool_]:
    """The mask `(H, W)` of a frame; perhaps in a process of its own.

    Args:
        choice: thresholds and the CRF's setting.
        iterations: of the CRF.
        seen: the frame `(H, W, 3)` RGB and its soft mask `(H, W)`, 0..1.
    """
    image, soft = seen
    foreground = refine(
        centred(soft, choice.threshold),
        image,
        choice.threshold_crf,
        crf_setting(choice.crf),
        iterations,
    )
    return np.asarray(foreground > 0.5)
