"""How well boxes find the subject: overlap, hit, and average precision at IoU 0.5.

Boxes are x, y, width, height in px, x, y being the top-left corner; a mask's box reaches from the
outer edge of its first row and column to that of its last.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Box = NDArray[np.float64]


def mask_box(mask: NDArray[np.bool_]) -> Box | None:
    """Bounding box `(4,)` of a mask `(H, W)`; None where it is empty.

    >>> mask_box(np.array([[False, False], [False, True]])).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    left, top = columns[0], rows[0]
    return np.array([left, top, columns[-1] + 1 - left, rows[-1] + 1 - top], dtype=np.float64)


def box_iou(box: Box, truth: Box) -> float:
    """Intersection over union of two boxes `(4,)`, in 0..1; 0 where both have no area."""
    low = np.maximum(box[:2], truth[:2])
    high = np.minimum(box[:2] + box[2:], truth[:2] + truth[2:])
    both = float(np.prod(np.maximum(high - low, 0.0)))
    union = float(box[2] * box[3] + truth[2] * truth[3]) - both
    return both / union if union > 0 else 0.0


def hit(box: Box, truth: Box) -> bool:
    """Whether the centre of `box` `(4,)` lies in the box `truth` `(4,)`, its border included."""
    centre = box[:2] + box[2:] / 2
    return bool((centre >= truth[:2]).all() and (centre <= truth[:2] + truth[2:]).all())


def average_precision(
    confidence: NDArray[np.floating], correct: NDArray[np.bool_], positives: int
) -> float:
    """Area under the interpolated precision-recall curve, in 0..1 (PASCAL VOC 2010 and later).

    Precision at a recall is the best precision at that recall or beyond; every recall counts.
    Detections of equal confidence count together: no threshold tells them apart, so the order in
    which they are given says nothing.

    Args:
        confidence: `(N,)`, of each detection.
        correct: `(N,)`, whether it is a true positive; a second detection of one object is not.
        positives: objects there are.

    Raises:
        ValueError: there are no positives, for which recall does not exist.
    """
    if positives < 1:
        raise ValueError("average precision needs at least one ground-truth object")
    levels, level = np.unique(-confidence, return_inverse=True)  # the surest first
    found = np.cumsum(np.bincount(level, correct, len(levels)))
    precision = found / np.cumsum(np.bincount(level, minlength=len(levels)))
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    gained = np.diff(found, prepend=0) / positives  # recall rises at true positives only
    return float((best_from_here * gained).sum())
