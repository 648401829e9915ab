"""How far estimated flow is from true flow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

OUTLIER_PX = 3.0
OUTLIER_SHARE = 0.05  # of the true magnitude


def endpoint_error(flow: NDArray[np.floating], truth: NDArray[np.floating]) -> NDArray[np.float32]:
    """Euclidean distance between two flows (..., 2), px: (...)."""
    difference = flow.astype(np.float32) - truth.astype(np.float32)
    return np.asarray(np.hypot(difference[..., 0], difference[..., 1]))


def outliers(flow: NDArray[np.floating], truth: NDArray[np.floating]) -> NDArray[np.bool_]:
    """KITTI's outliers: wrong by more than 3 px and by more than 5 % of the true magnitude.

    Args:
        flow, truth: (..., 2), px.

    Returns:
        bool (...); Fl is its mean over the px whose truth is known (Menze & Geiger 2015).
    """
    error = endpoint_error(flow, truth)
    magnitude = endpoint_error(truth, np.zeros_like(truth))
    # An estimate that is no number is wrong too.
    right = (error <= OUTLIER_PX) | (error <= OUTLIER_SHARE * magnitude)
    return np.asarray(~right)
