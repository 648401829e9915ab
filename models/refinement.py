"""A homography made exact by tracked corners: from tenths of a px to hundredths.

Keypoints are few on a smooth ground, and each is exact to some tenths of a px. Tracked corners
cover the frame, and each is exact to about 0.05 px. What they fit best is taken only if they and
the images agree that it is better.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.stabilization import Matrix, project
from models.tracks import Tracks

MIN_TRACKS = 12
# A track further from where a homography puts it speaks against it. At 0.5, a patch of 15 % of the
# frame that moves by 1 px against the background bends the fit by 1.5 px; at 0.3 most do not.
AGREE_PX = 0.3
REACH_PX = 1.5  # tracks further away are the subject's; the scale of the error leaves them out
FLOOR_PX = 0.05  # the error of a track that is not an outlier, at the least
TUKEY = 4.685  # scales beyond which a track has no weight
STEPS = 5
# Condition of the fitted correction, which nearly is the identity: 1.2 was the most of 300 random
# camera motions, and 40,000 the least of tracks on one line, where it is singular or arbitrary.
MAX_CONDITION = 1000.0
NEAR_PX = 1.0  # homographies that differ less anywhere need no look at the images
# Ratio of misfits from which on the images speak against a homography. A homography bent towards
# the subject fits the subject, so that leaving it costs up to 1.2; taking the subject for the
# background costs 1.5 and more.
WORSE = 1.3
CAP_LEVELS = 24  # grey levels: a px that differs more counts as if by so many


def refine(
    H: Matrix, tracks: Tracks, target: NDArray[np.uint8], source: NDArray[np.uint8]
) -> Matrix:
    """The homography that fits the tracks best, or `H` where none is better.

    The fit starts from `H` and from a RANSAC over the tracks. The tracks judge by `disagreement`.
    The images have a veto (`misfit`): they see areas, where a subject may hold most of the corners.

    Args:
        H: (3, 3), source px to target px.
        target, source: grey, uint8 (H, W).
    """
    if len(tracks) < MIN_TRACKS:
        return H
    fits = [fit(tracks, start) for start in (H, consensus(tracks))]
    candidates = [H, *(one for one in fits if one is not None)]
    best = min(candidates, key=lambda one: disagreement(one, tracks))
    if furthest(best, H, target.shape) <= NEAR_PX:
        return best
    return best if misfit(best, target, source) <= WORSE * misfit(H, target, source) else H


def consensus(tracks: Tracks) -> Matrix | None:
    """RANSAC over the tracks; None where nothing fits."""
    H, _ = cv2.findHomography(
        tracks.ends, tracks.points, cv2.RANSAC, AGREE_PX, maxIters=500, confidence=0.999
    )
    return None if H is None else np.asarray(H, np.float64)


def fit(tracks: Tracks, start: Matrix | None) -> Matrix | None:
    """Iteratively reweighted least squares from `start` (3, 3), with Tukey's weights.

    Returns:
        (3, 3) with H[2, 2] = 1, or None where fewer than `MIN_TRACKS` are near `start`, or all of
        them on one line, which fix no homography.
    """
    if start is None:
        return None
    side = float(np.ptp(tracks.points, axis=0).max()) / 2
    middle = tracks.points.mean(0, dtype=np.float64)
    p = (tracks.points - middle) / side
    q = (project(start, tracks.ends) - middle) / side
    # p and q nearly coincide. With G from p to q and G[2, 2] = 1, that is linear in the rest of G.
    x, y, one, zero = p[:, 0], p[:, 1], np.ones(len(p)), np.zeros(len(p))
    right = [x, y, one, zero, zero, zero, -q[:, 0] * x, -q[:, 0] * y]
    down = [zero, zero, zero, x, y, one, -q[:, 1] * x, -q[:, 1] * y]
    rows = np.concatenate([np.stack(right, 1), np.stack(down, 1)])  # (2K, 8)
    values = q.T.ravel()
    error = np.linalg.norm(q - p, axis=1) * side
    for _ in range(STEPS):
        near = error < REACH_PX
        if near.sum() < MIN_TRACKS:
            return None
        scale = max(1.4826 * float(np.median(error[near])), FLOOR_PX)
        weight = np.square(np.clip(1 - np.square(error / (TUKEY * scale)), 0, None))
        weighted = rows * np.tile(weight, 2)[:, None]
        # not by BLAS, whose last bits depend on the number of threads
        normal = np.einsum("ka,kb->ab", weighted, rows) + 1e-9 * np.eye(8)
        g = np.linalg.solve(normal, np.einsum("ka,k->a", weighted, values))
        error = np.hypot(*(values - rows @ g).reshape(2, -1)) * side
    to_unit = np.array([[1, 0, -middle[0]], [0, 1, -middle[1]], [0, 0, side]]) / side
    G = np.append(g, 1.0).reshape(3, 3)
    if not np.linalg.cond(G) < MAX_CONDITION:
        return None
    H = np.linalg.inv(to_unit) @ np.linalg.inv(G) @ to_unit @ start
    return np.asarray(H / H[2, 2])


def disagreement(H: Matrix, tracks: Tracks) -> float:
    """Mean distance, px, of the tracks from where `H` puts them, `AGREE_PX` at most for each."""
    return float(np.minimum(np.linalg.norm(residuals(H, tracks), axis=1), AGREE_PX).mean())


def residuals(H: Matrix, tracks: Tracks) -> NDArray[np.float64]:
    """What is left of the tracks' motion after `H`: float64 (K, 2) px, on the target's grid."""
    left: NDArray[np.float64] = project(H, tracks.ends) - tracks.points
    return left


def misfit(H: Matrix, target: NDArray[np.uint8], source: NDArray[np.uint8]) -> float:
    """Mean grey-level difference of the aligned frames, smoothed, `CAP_LEVELS` at most for a px."""
    a, b = (cv2.GaussianBlur(image, (0, 0), 1.0) for image in (target, source))
    size = target.shape[::-1]
    difference = cv2.absdiff(cv2.warpPerspective(b, H, size), a)
    seen = cv2.warpPerspective(np.full_like(source, 255), H, size) == 255
    return float(np.minimum(difference, CAP_LEVELS)[seen].mean()) if seen.any() else float("inf")


def furthest(a: Matrix, b: Matrix, size: tuple[int, ...]) -> float:
    """How far apart two homographies to one target see its corners in the source, px."""
    bottom, right = size[0] - 1.0, size[1] - 1.0
    frame = np.array([[0, 0], [right, 0], [right, bottom], [0, bottom]])
    places = [project(np.linalg.inv(H), frame) for H in (a, b)]
    return float(np.linalg.norm(places[0] - places[1], axis=1).max())
