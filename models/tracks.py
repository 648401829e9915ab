"""Corners of one frame found again in another by pyramidal Lucas-Kanade (Bouguet 2001).

    points = corners(target)                       # once per frame
    tracks = follow(target, source, points, guess)  # for every pair

Every cell of a grid gives its one best corner, so that a smooth ground has a say beside a textured
wall or subject. Both frames are looked at as they are: warping one onto the other first would blur
it, which costs half of the precision.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.keypoints import GRID

CELLS = 2 * GRID  # along the longest side
WINDOW = 0.085  # of the longest side: what Lucas-Kanade looks at around a corner
LEVELS = 2  # of the pyramid, beside the frame itself
STEPS, STEP_PX = 20, 0.01
RETURN_PX = 0.5  # a point that is followed there and back and ends further away is lost
MIN_CORNER = 1e-5  # of cv2.cornerMinEigenVal: where it is lower, noise moves the corner
MARGIN_PX = 4  # to the source's edge
LINE_PX = 0.1  # tracks that are on average no further from one line lie on it

Points = NDArray[np.float32]  # (K, 2) x and y in px, pixel centres at integers


@dataclass(frozen=True)
class Tracks:
    """The corners that were found again.

    Attributes:
        points: (K, 2) in the target. ends: (K, 2) in the source.
        tried: corners that were looked for.
    """

    points: Points
    ends: Points
    tried: int

    def __len__(self) -> int:
        return len(self.points)


def corners(grey: NDArray[np.uint8]) -> Points:
    """The best corner of every cell of a grey frame (H, W) that has one: float32 (K, 2)."""
    side = max(1, min(max(grey.shape) // CELLS, *grey.shape))  # a strip has one row of cells
    rows, columns = (length // side for length in grey.shape)
    strength = cv2.cornerMinEigenVal(grey, 5)[: rows * side, : columns * side]
    cells = strength.reshape(rows, side, columns, side).swapaxes(1, 2).reshape(rows, columns, -1)
    row, column = np.nonzero(cells.max(-1) > MIN_CORNER)
    y, x = np.divmod(cells.argmax(-1)[row, column], side)
    return np.stack([column * side + x, row * side + y], -1).astype(np.float32)


def follow(
    target: NDArray[np.uint8],
    source: NDArray[np.uint8],
    points: Points,
    guess: NDArray[np.floating],
) -> Tracks:
    """Find the target's points in the source.

    Args:
        target, source: grey, uint8 (H, W).
        points: (K, 2), in the target.
        guess: (K, 2), about where they are in the source; those beyond its edge are left out.

    Returns:
        The points from where the way back led to the point again. None where all of these lie on
        one line: they would leave a homography free to turn the frame about it.
    """
    height, width = source.shape
    inside = (guess >= MARGIN_PX) & (guess < np.array([width, height]) - MARGIN_PX)
    points, start = points[inside.all(1)], guess[inside.all(1)].astype(np.float32)
    if not len(points):
        return Tracks(points, start, 0)
    ends, found = _lucas_kanade(target, source, points, start)
    # The way back begins as far from the point as the way there ended from the guess.
    returned, found_again = _lucas_kanade(source, target, ends, points + (ends - start))
    near = np.linalg.norm(returned - points, axis=1) <= RETURN_PX
    good = found & found_again & near
    if _on_a_line(points[good]):
        good[:] = False
    return Tracks(points[good], ends[good], len(points))


def _on_a_line(points: Points) -> bool:
    """True if the points (K, 2) are within `LINE_PX` of a line, root mean square."""
    if len(points) < 3:
        return True
    away = np.linalg.svd(points - points.mean(0), compute_uv=False)[1]
    return bool(away <= LINE_PX * np.sqrt(len(points)))


def _lucas_kanade(
    here: NDArray[np.uint8], there: NDArray[np.uint8], points: Points, start: Points
) -> tuple[Points, NDArray[np.bool_]]:
    side = int(WINDOW * max(here.shape)) | 1
    ends, found, _ = cv2.calcOpticalFlowPyrLK(
        here,
        there,
        points,
        start.copy(),
        winSize=(side, side),
        maxLevel=LEVELS,
        criteria=(cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, STEPS, STEP_PX),
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    return np.asarray(ends, np.float32), found.ravel().astype(bool)
