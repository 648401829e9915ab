"""Where the middle of what moves is, and how far it goes: whether a subject moves at all.

A subject that rests, or is kept in the middle of the picture by a camera that follows it, has a
resting centre; a resting box is then right.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOVING_SHARE = (0.001, 0.4)
"""Share of pixels in motion that may be a subject: less is noise, more a failed stabilisation."""
SUBJECT_MOVES = 0.15
"""Way of the motion's centre, share of the longest side, beyond which a subject moves."""


def motion_centre(speed: NDArray[np.float32], threshold: float) -> tuple[float, float]:
    """Median x and y, px, of the pixels of `speed` `(H, W)` above `threshold` px.

    NaN where they are too few or too many to be a subject.
    """
    rows, columns = np.nonzero(speed > threshold)
    least, most = MOVING_SHARE
    if not least <= len(rows) / speed.size <= most:
        return float("nan"), float("nan")
    return float(np.median(columns)), float(np.median(rows))


def way(points: NDArray[np.float64]) -> float:
    """How far points `(N, 2)` range along x or y, px, but for their outermost twentieths."""
    low, high = np.percentile(points, [5, 95], axis=0)
    return float((high - low).max())
