"""Frames that begin a new shot, found from thumbnails as the frames pass by.

A pan moves the picture and a flash changes its light; a cut does more: the colours change and no
shift of the earlier thumbnail looks like the later one. Seen on DAVIS (colour change, similarity):
at most 0.05 and at least 0.73 between neighbours, 0.19 and 0.54 eight frames apart, also in fast
pans; at least 0.32 and at most 0.78 between first and last frames of different sequences.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

THUMBNAIL = (64, 48)  # width, height
MARGIN = 0.25  # of the thumbnail on each side: the largest motion followed between two frames
BINS = 4  # per colour channel
MIN_LEVELS = 20.0
FLAT_LEVELS = 2.0  # deviation of grey levels below which no place in a picture is told from another
DARKEST = 32.0  # pictures are compared as if lit fully; one darker than this is mostly noise
RULES = ((0.3, 0.85), (0.15, 0.5))  # colours change by more than, similarity below


class CutDetector:
    """Feed it the kept frames in order; it answers whether each begins a new shot."""

    def __init__(self) -> None:
        self._before: NDArray[np.uint8] | None = None

    def begins_shot(self, image: NDArray[np.uint8]) -> bool:
        """Whether `image`, RGB uint8 (H, W, 3), begins a new shot; False for the first frame."""
        now = cv2.resize(image, THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.uint8)
        before, self._before = self._before, now
        if before is None:
            return False
        before, now = lit_fully(before, now)
        if mean_difference(before, now) < MIN_LEVELS:
            return False
        colour, alike = colour_change(before, now), similarity(before, now)
        return any(colour > least and alike < most for least, most in RULES)


def lit_fully(
    a: NDArray[np.uint8], b: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Both times the one factor that makes their brightest px white.

    In a night's film all colours are dark ones, and all differences small.
    """
    brightest = max(float(np.percentile(image, 99)) for image in (a, b))
    gain = 255.0 / max(brightest, DARKEST)
    lit = [cv2.convertScaleAbs(image, alpha=gain).astype(np.uint8) for image in (a, b)]
    return lit[0], lit[1]


def mean_difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Mean absolute difference of two thumbnails, levels 0..255."""
    return float(cv2.absdiff(a, b).mean())


def colour_change(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """1 - intersection of the colour histograms, 0 (the same colours) .. 1 (none in common)."""
    counts = [
        cv2.calcHist([image], [0, 1, 2], None, [BINS] * 3, [0, 256] * 3) / image[..., 0].size
        for image in (a, b)
    ]
    return 1.0 - float(np.minimum(counts[0], counts[1]).sum())


def similarity(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Largest correlation of the middle of one with the other over all shifts, -1..1.

    A middle of one colour (a black frame, a title) looks like nothing; OpenCV would say 1.
    """
    grey_a, grey_b = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (a, b))
    rows, columns = (round(side * MARGIN) for side in grey_a.shape)
    best = [0.0]
    for whole, other in ((grey_a, grey_b), (grey_b, grey_a)):
        middle = other[rows:-rows, columns:-columns]
        if middle.std() >= FLAT_LEVELS:
            best.append(float(cv2.matchTemplate(whole, middle, cv2.TM_CCOEFF_NORMED).max()))
    return max(best)
