"""How far a pseudo-mask is to be trusted, without ground truth: the weights of self-training.

Each is in [0, 1], for one frame of one video.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.segmentation_metrics import region_similarity

Mask = NDArray[np.bool_]
FULL = 0.6
"""Share of the frame from which a mask is no subject's."""
FLOW_DOUBT = 0.7
"""Trust that a pixel loses at most to the flow: a foot that stands is a foot all the same."""
FAINT = 1 / 255
"""A grey level: images that differ less are the same."""


def flow_agreement(mask: Mask, speed: NDArray[np.float32], valid: Mask, moves: float) -> float:
    """Contrast of the residual flow between inside and outside: (in - out) / (in + out).

    1 where the flow says nothing: nothing moves, or the mask or what is around it is not seen.

    Args:
        mask: `(H, W)`.
        speed: `(H, W)` magnitude, px.
        valid: `(H, W)`, where the flow holds.
        moves: px; mean speeds that add up to less are noise.

    >>> mask = np.array([[True, False]])
    >>> flow_agreement(mask, np.array([[3.0, 1.0]]), np.ones((1, 2), bool), 0.1)
    0.5
    """
    found = _means(speed, mask, valid)
    if found is None or sum(found) < moves:
        return 1.0
    return _contrast(*found)


def background_agreement(mask: Mask, difference: NDArray[np.float32]) -> float:
    """Contrast of the difference from the known background between inside and outside, as above.

    0 where a mask shows nothing but the background: without it, a mask of an empty view would be
    trusted like any other. 1 where there is no inside or no outside.

    Args:
        mask: `(H, W)`.
        difference: `(H, W)`, 0..1; a mean below `FAINT` is nothing.

    >>> mask = np.array([[True, False]])
    >>> background_agreement(mask, np.array([[0.75, 0.25]])), background_agreement(mask, mask * 0.0)
    (0.5, 0.0)
    """
    found = _means(difference, mask, np.ones_like(mask))
    if found is None:
        return 1.0
    return _contrast(*found) if found[0] >= FAINT else 0.0


def neighbour_agreement(mask: Mask, neighbour: Mask, most: float) -> float:
    """IoU of two masks `(H, W)` after the neighbour is moved onto the mask's centroid.

    Args:
        most: px that a subject may move between the two; farther, nothing is moved. 0 agreement
            where either is empty.
    """
    if not mask.any() or not neighbour.any():
        return 0.0
    shift = _centroid(mask) - _centroid(neighbour)
    if np.hypot(*shift) > most:
        return region_similarity(mask, neighbour)
    by = np.array([[1, 0, round(shift[0])], [0, 1, round(shift[1])]], np.float64)
    size = mask.shape[1], mask.shape[0]
    moved = cv2.warpAffine(neighbour.astype(np.uint8), by, size, flags=cv2.INTER_NEAREST)
    return region_similarity(mask, moved > 0)


def area_agreement(area: float, usual: float) -> float:
    """Smaller over larger of the mask's area and the video's usual one; 0 for empty or near full.

    >>> area_agreement(0.05, 0.1), area_agreement(0.0, 0.1), area_agreement(0.9, 0.9)
    (0.5, 0.0, 0.0)
    """
    if area <= 0 or usual <= 0 or area >= FULL:
        return 0.0
    return min(area, usual) / max(area, usual)


def pixel_agreement(
    soft: NDArray[np.float32], hard: Mask, speed: NDArray[np.float32], valid: Mask, moves: float
) -> NDArray[np.float32]:
    """Trust in each pixel `(H, W)`: little is learnt where others contradict the refined mask.

    The soft mask does by 1 - |soft - hard|. So does, to a weight of `FLOW_DOUBT`, the flow, where
    it tells the subject's motion from the rest: a pixel of the mask that stands still while the
    mask moves (a post behind the subject), or one outside that moves like the mask. A pixel counts
    as moving from half of the mask's mean speed.

    Args:
        soft: `(H, W)`, 0..1, a half being as likely subject as not.
        hard: `(H, W)`.
        speed, valid, moves: as `flow_agreement` takes them.
    """
    trust = 1 - np.abs(soft - hard)
    inside = speed[hard & valid]
    if len(inside) and inside.mean() >= moves:
        motion = np.minimum(1, speed / (inside.mean() / 2))
        trust *= 1 - FLOW_DOUBT * valid * np.abs(motion - hard)
    return np.asarray(trust, np.float32)


def _means(values: NDArray[np.floating], mask: Mask, valid: Mask) -> tuple[float, float] | None:
    """Mean of the valid values inside and outside; None where there are none."""
    inside, outside = values[mask & valid], values[~mask & valid]
    if not len(inside) or not len(outside):
        return None
    return float(inside.mean()), float(outside.mean())


def _contrast(inside: float, outside: float) -> float:
    """(in - out) / (in + out), 0 where that is negative."""
    return max(0.0, (inside - outside) / (inside + outside))


def _centroid(mask: Mask) -> NDArray[np.float64]:
    """Mean x and y of the pixels, px."""
    rows, columns = np.nonzero(mask)
    return np.array([columns.mean(), rows.mean()])
