"""What the flow says of each pixel, by Bayes' rule: odds times the likelihood ratio of its speed.

A soft mask gives the odds of each pixel to be the subject's. The residual flow adds what it knows.
Which speeds are the subject's is read off the frame itself, inside and outside of its mask, so that
no threshold is set: where the subject rests, or all moves alike, the two do not differ, and nothing
changes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.detection_metrics import mask_box

Mask = NDArray[np.bool_]
STEP, STEPS = 0.1, 16
"""Bins of speed: their width, over the flow's scale (slower is noise), and number; the last takes
all that is faster."""
NEAR = 0.3
"""How far around the mask's box, over its sides, the speeds are compared: farther away there may be
anything."""
WRONG = 0.02
"""Share of pixels that the mask may have wrong, whatever their speed: bounds the ratio at 51."""


def with_flow(
    soft: NDArray[np.float32], speed: NDArray[np.float32], valid: Mask, scale: float
) -> NDArray[np.float32]:
    """The soft mask `(H, W)` that takes the flow into account.

    Args:
        soft: `(H, W)`, 0..1, a half being as likely subject as not.
        speed: `(H, W)` magnitude of the residual flow, px.
        valid: `(H, W)`, where the flow holds.
        scale: px, of the flow's speeds in this video.
    """
    mask = soft > 0.5
    near = _around(mask) & valid
    subject = soft * np.where(near, speed_ratio(mask, speed / scale, near), 1)
    return np.asarray(subject / (subject + (1 - soft)), np.float32)


def speed_ratio(mask: Mask, speed: NDArray[np.float32], near: Mask) -> NDArray[np.float32]:
    """p(speed | inside) / p(speed | outside) for each pixel `(H, W)`; it rises with the speed.

    The subject is taken to be what is faster, never what is slower: of all ratios that rise, it is
    the one that fits the counts best (isotonic regression).

    Args:
        mask: `(H, W)`.
        speed: `(H, W)`, over the flow's scale.
        near: `(H, W)`, the pixels that are counted. Without any inside, or outside, all is 1.
    """
    bins = np.minimum(speed / STEP, STEPS - 1).astype(np.intp)
    inside, outside = (
        np.bincount(bins[near & side], minlength=STEPS).astype(np.float64) for side in (mask, ~mask)
    )
    if not inside.any() or not outside.any():
        return np.ones(mask.shape, np.float32)
    inside, outside = inside / inside.sum(), outside / outside.sum()
    share = rising(inside, inside + outside)
    ratio = (share + WRONG) / (1 - share + WRONG)
    return np.asarray(ratio[bins], np.float32)


def rising(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rising sequence nearest to `part / whole` by least squares weighted with `whole`.

    Max-min formula of isotonic regression (Barlow et al. 1972): the largest, over runs that begin
    at or before a bin, of the smallest mean over those that end at or after it.

    Args:
        part: (N,), 0 at least and `whole` at most.
        whole: (N,); bins where it is 0 follow their neighbours.

    >>> rising(np.array([1.0, 0.0, 3.0]), np.array([2.0, 2.0, 4.0])).tolist()
    [0.25, 0.25, 0.75]
    """
    parts, wholes = (np.concatenate([[0.0], np.cumsum(values)]) for values in (part, whole))
    first, last = np.arange(len(part))[:, None], np.arange(len(part))[None]
    amount = wholes[last + 1] - wholes[first]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (parts[last + 1] - parts[first]) / amount
    mean[amount <= 0] = np.inf  # says nothing: nor does a run that ends before it begins
    smallest = np.minimum.accumulate(mean[:, ::-1], axis=1)[:, ::-1]
    smallest[(first > last) | np.isinf(smallest)] = -np.inf
    return np.asarray(smallest.max(axis=0))


def _around(mask: Mask) -> Mask:
    """The box of a mask `(H, W)`, larger by `NEAR` of its sides on each."""
    around = np.zeros_like(mask)
    box = mask_box(mask)
    if box is not None:
        more = np.rint(NEAR * box[2:])
        left, top = np.maximum(0, box[:2] - more).astype(int)
        right, bottom = (box[:2] + box[2:] + more).astype(int)
        around[top:bottom, left:right] = True
    return around
