"""The homography between two frames of a pair, and whether it can be trusted.

    detector = KeypointDetector(400)
    pair = estimate_homography(detector.detect(source), detector.detect(target), (h, w), settings)

A homography aligns the background of a rotating, zooming or far camera (assumption of section 3.4:
after it, what still moves is the subject). One that cannot be trusted is flagged with its reason;
nothing is put in its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from models.keypoints import Keypoints, match

Matrix = NDArray[np.float64]
METHODS = {"magsac": cv2.USAC_MAGSAC, "ransac": cv2.RANSAC}
MAX_ITERATIONS = 2000
CONFIDENCE = 0.999
NO_TEXTURE = "no texture"
FEW_MATCHES = "too few matches"
FEW_INLIERS = "too few inliers"
MIN_AREA = 1e-9  # what a px may shrink to before the homography counts as singular


@dataclass(frozen=True)
class HomographySettings:
    """When a homography between two frames counts as found.

    Attributes:
        ratio: of Lowe's test.
        estimator: `ransac` ends with a least-squares fit on the inliers, `magsac` does not.
        threshold_px: reprojection error of an inlier.
        min_inliers, min_inlier_ratio: fewer (of the matches) is too few.
        max_scale_change: zoom between the two frames, anywhere in the frame, as a factor.
        max_shift: displacement of the frame's centre as a share of the longest side.
    """

    ratio: float = 0.8
    estimator: Literal["magsac", "ransac"] = "ransac"
    threshold_px: float = 1.5
    min_inliers: int = 12
    min_inlier_ratio: float = 0.3
    max_scale_change: float = 1.5
    max_shift: float = 0.5


@dataclass(frozen=True)
class PairHomography:
    """A homography from source px to target px and what it stands on.

    Attributes:
        H: (3, 3) with H[2, 2] = 1; NaN where none was found.
        keypoints: of the source. matches: after the ratio test. inliers: of the matches.
        error_px: mean reprojection error of the inliers in the target; NaN without inliers.
        motion_px: mean displacement of the inliers between the frames; NaN without inliers.
        reason: why it cannot be trusted; "" where it can.
    """

    H: Matrix
    keypoints: int
    matches: int
    inliers: int
    error_px: float
    motion_px: float
    reason: str

    @property
    def ok(self) -> bool:
        """True if it can be trusted."""
        return not self.reason

    @property
    def inlier_ratio(self) -> float:
        """Inliers among the matches, 0..1."""
        return self.inliers / max(self.matches, 1)


def unknown_homography(reason: str, keypoints: int = 0, matches: int = 0) -> PairHomography:
    """A pair without a homography."""
    return PairHomography(np.full((3, 3), np.nan), keypoints, matches, 0, np.nan, np.nan, reason)


def estimate_homography(
    source: Keypoints, target: Keypoints, size: tuple[int, int], settings: HomographySettings
) -> PairHomography:
    """Estimate the homography that maps source px to target px; the same input gives the same bits.

    Args:
        size: height and width of the frames, px.
    """
    if min(len(source), len(target)) < settings.min_inliers:
        return unknown_homography(NO_TEXTURE, len(source))
    pairs = match(source, target, settings.ratio)
    if len(pairs) < settings.min_inliers:
        return unknown_homography(FEW_MATCHES, len(source), len(pairs))
    start, end = source.points[pairs[:, 0]], target.points[pairs[:, 1]]
    fitted, inlier_mask = cv2.findHomography(
        start,
        end,
        METHODS[settings.estimator],
        settings.threshold_px,
        maxIters=MAX_ITERATIONS,
        confidence=CONFIDENCE,
    )
    # fitted is None where no sample of four fits; a zero H[2, 2] sends the frame's corner far off
    if fitted is None or not np.isfinite(fitted).all() or abs(fitted[2, 2]) < 1e-9:
        return unknown_homography("no homography fits", len(source), len(pairs))
    H = np.asarray(fitted / fitted[2, 2], np.float64)
    inliers = inlier_mask.ravel().astype(bool)
    if inliers.sum() < settings.min_inliers:
        reason = FEW_INLIERS
    elif inliers.mean() < settings.min_inlier_ratio:
        reason = "low inlier ratio"
    else:
        reason = implausible(H, size, settings.max_scale_change, settings.max_shift)
    start, end = start[inliers], end[inliers]
    return PairHomography(
        H=H,
        keypoints=len(source),
        matches=len(pairs),
        inliers=int(inliers.sum()),
        error_px=_mean_distance(project(H, start), end),
        motion_px=_mean_distance(start, end),
        reason=reason,
    )


def implausible(H: Matrix, size: tuple[int, int], max_scale_change: float, max_shift: float) -> str:
    """Why `H` cannot be the motion of a camera between two near frames; "" where it can.

    The frame's centre and corners are looked at. Locally H is an affine map with the Jacobian J:
    its determinant is the change of area, negative where the image is mirrored; that it differs
    much between the corners is strong perspective. All limits hold for the inverse as well.
    """
    height, width = size
    x, y = (width - 1.0) / 2, (height - 1.0) / 2
    centre = np.array([[x, y]])
    looked_at = np.array([[x, y], [0, 0], [2 * x, 0], [2 * x, 2 * y], [0, 2 * y]])
    depth = (np.c_[looked_at, np.ones(5)] @ H.T)[:, 2]
    if depth.min() * depth.max() <= 0:  # the horizon crosses the frame
        return "strong perspective"
    # det J of a projective map, in closed form; np.linalg.det divides by zero where H is singular
    area = np.dot(H[0], np.cross(H[1], H[2])) / depth**3
    if abs(area[0]) < MIN_AREA:
        return "not invertible"
    if (area < 0).any():
        return "mirrored"
    scale = np.sqrt(area)
    if max(scale[0], 1 / scale[0]) > max_scale_change:
        return "scale change"
    if max(scale.max(), 1 / scale.min()) > max_scale_change**2:
        return "strong perspective"
    shift = np.linalg.norm(project(H, centre) - centre)
    return "shift" if shift > max_shift * max(size) else ""


def project(H: NDArray[np.floating], points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Map points (K, 2), px, by a homography (3, 3)."""
    mapped = np.c_[points, np.ones(len(points))] @ H.T
    result: NDArray[np.float64] = mapped[:, :2] / mapped[:, 2:]
    return result


def _mean_distance(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    return float(np.linalg.norm(a - b, axis=1).mean()) if len(a) else float("nan")
