"""The box and confidence that a soft mask stands for."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

EVEN = 0.5
"""Soft value of a pixel that is as likely subject as not."""
MAIN = 0.2
"""Components smaller than this share of the largest are specks, no part of the subject."""


def mask_to_box(soft: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """Tight box around the main components of a soft mask `(H, W)`, and how sure they are.

    Where no pixel is above a half, the box is that of the pixels above half of the largest value,
    with a confidence to match; where all are 0, it is the whole frame, with confidence 0.

    Returns:
        `(4,)` x, y, width, height in px, x, y the top-left corner, and the components' mean soft
        value, 0..1.

    >>> mask_to_box(np.array([[0.0, 1.0, 0.75, 0.0]], np.float32))
    (array([1., 0., 2., 1.], dtype=float32), 0.875)
    """
    highest = float(soft.max())
    if highest <= 0:
        return np.array([0, 0, soft.shape[1], soft.shape[0]], np.float32), 0.0
    inside = soft > (EVEN if highest > EVEN else highest / 2)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(inside.astype(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    main = 1 + np.flatnonzero(areas >= MAIN * areas.max())
    left, top = stats[main, cv2.CC_STAT_LEFT], stats[main, cv2.CC_STAT_TOP]
    right = left + stats[main, cv2.CC_STAT_WIDTH]
    bottom = top + stats[main, cv2.CC_STAT_HEIGHT]
    x, y = left.min(), top.min()
    box = np.array([x, y, right.max() - x, bottom.max() - y], np.float32)
    return box, float(soft[np.isin(labels, main)].mean())
