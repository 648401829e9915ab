"""A pair of frames aligned by all that there is: keypoints, then corners, then what they leave.

view = look(detector, grey)                     # once per frame
pair = align(source_view, target_view, limits, mesh=False)
far = chain([pair, next_pair], source_view, later_view, limits, mesh=False)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.keypoints import KeypointDetector, Keypoints
from models.local_motion import fit_mesh, spread
from models.refinement import (
    AGREE_PX,
    REACH_PX,
    consensus,
    disagreement,
    fit,
    furthest,
    misfit,
    refine,
    residuals,
)
from models.stabilization import (
    FEW_INLIERS,
    FEW_MATCHES,
    NO_TEXTURE,
    HomographySettings,
    Matrix,
    PairHomography,
    estimate_homography,
    implausible,
    project,
    unknown_homography,
)
from models.tracks import Points, Tracks, corners, follow
from models.warping import Mesh

Method = Literal["", "keypoints", "tracks", "chain", "static"]
KEYPOINTS: Method = "keypoints"
TRACKS: Method = "tracks"
COVERED = 0.5  # of width and height, by the corners that a homography may stand on alone
REST_PX = 0.25  # a homography that moves no corner of the frame further may be its own jitter
FEW_KEYPOINTS = (NO_TEXTURE, FEW_MATCHES, FEW_INLIERS)


@dataclass(frozen=True)
class View:
    """What is kept of a frame: grey uint8 (H, W), its keypoints and its corners (K, 2)."""

    grey: NDArray[np.uint8]
    keypoints: Keypoints
    corners: Points


@dataclass(frozen=True)
class Alignment:
    """A homography with how it was found and what it leaves.

    Attributes:
        pair: the homography, and whether it can be trusted.
        method: `keypoints`; `tracks`, where tracked corners made it exact or had to do alone;
            `chain`, over the frames between; `static`, the identity; "" where none was found.
        parallax_px: `local_motion.spread` of the tracks; NaN where unknown.
        mesh: (rows, cols, 2), see `models.warping`; None where there is none.
        moved: whether tracks all over the frame and the images say that the camera moved.
    """

    pair: PairHomography
    method: Method
    parallax_px: float = float("nan")
    mesh: Mesh | None = None
    moved: bool = False


def look(detector: KeypointDetector, grey: NDArray[np.uint8]) -> View:
    """Find a frame's keypoints and corners."""
    return View(grey, detector.detect(grey), corners(grey))


def align(source: View, target: View, limits: HomographySettings, mesh: bool) -> Alignment:
    """Align two near frames; the same input gives the same bits.

    Args:
        mesh: fit one to what the homography leaves.
    """
    size = target.grey.shape[0], target.grey.shape[1]
    found, method = estimate_homography(source.keypoints, target.keypoints, size, limits), KEYPOINTS
    if found.reason in FEW_KEYPOINTS:
        found, method = _by_tracks(found, source, target, limits), TRACKS
    return _exact(Alignment(found, method), source, target, limits, mesh)


def chain(
    links: Sequence[Alignment], source: View, target: View, limits: HomographySettings, mesh: bool
) -> Alignment:
    """Align two frames over those between.

    Args:
        links: alignments from the source to the frame beside it, and so on to the target.
        mesh: fit one to what the homography leaves.
    """
    weakest = min((link.pair for link in links), key=lambda pair: pair.inlier_ratio)
    if not all(link.pair.ok for link in links):
        return Alignment(unknown_homography("broken chain", weakest.keypoints), "")
    product = reduce(lambda H, link: link.pair.H @ H, links, np.eye(3))
    H = np.asarray(product / product[2, 2])
    pair = replace(
        weakest,
        H=H,
        error_px=sum(link.pair.error_px for link in links),
        motion_px=sum(link.pair.motion_px for link in links),
        reason=implausible(H, target.grey.shape, limits.max_scale_change, limits.max_shift),
    )
    return _exact(Alignment(pair, "chain"), source, target, limits, mesh)


def better(direct: Alignment, chained: Alignment, source: View, target: View) -> Alignment:
    """The one of two that can be trusted; of two such, the one that aligns the images better."""
    if not (direct.pair.ok and chained.pair.ok):
        return chained if chained.pair.ok else direct
    images = target.grey, source.grey
    return min(direct, chained, key=lambda one: misfit(one.pair.H, *images))


def _by_tracks(
    found: PairHomography, source: View, target: View, limits: HomographySettings
) -> PairHomography:
    """By tracked corners alone, which bridge small motions; `found` where they do not."""
    tracks = follow(target.grey, source.grey, target.corners, target.corners)
    if len(tracks) < limits.min_inliers:
        return found
    size = target.grey.shape[0], target.grey.shape[1]
    H = fit(tracks, consensus(tracks))
    if H is None or implausible(H, size, limits.max_scale_change, limits.max_shift):
        return found
    near = np.linalg.norm(residuals(H, tracks), axis=1) < AGREE_PX
    if near.sum() < max(limits.min_inliers, limits.min_inlier_ratio * tracks.tried):
        return found
    if not _spread_out(tracks.points[near], size):
        return found
    return PairHomography(
        H=H,
        keypoints=found.keypoints,
        matches=tracks.tried,
        inliers=int(near.sum()),
        error_px=float("nan"),  # both by `_exact`
        motion_px=float(np.linalg.norm(tracks.ends - tracks.points, axis=1)[near].mean()),
        reason="",
    )


def _exact(
    rough: Alignment, source: View, target: View, limits: HomographySettings, mesh: bool
) -> Alignment:
    """Refined, with what is left measured; as it is where it cannot be trusted."""
    if not rough.pair.ok:
        return replace(rough, method="" if np.isnan(rough.pair.H).any() else rough.method)
    size = target.grey.shape[0], target.grey.shape[1]
    guess = project(np.linalg.inv(rough.pair.H), target.corners)
    tracks = follow(target.grey, source.grey, target.corners, guess)
    H = refine(rough.pair.H, tracks, target.grey, source.grey)
    if implausible(H, size, limits.max_scale_change, limits.max_shift):
        H = rough.pair.H
    left = residuals(H, tracks)
    pair, method = rough.pair, rough.method
    if H is not rough.pair.H or np.isnan(pair.error_px):
        distance = np.linalg.norm(left, axis=1)
        near = distance[distance < REACH_PX]
        pair = replace(pair, H=H, error_px=float(near.mean()) if len(near) else np.nan)
        method = method if method == "chain" else "tracks"
    return Alignment(
        pair,
        method,
        spread(left),
        fit_mesh(tracks.points, left, size) if mesh else None,
        _moved(H, tracks, target.grey, source.grey),
    )


def _moved(H: Matrix, tracks: Tracks, target: NDArray[np.uint8], source: NDArray[np.uint8]) -> bool:
    rest = np.eye(3)
    if furthest(H, rest, target.shape) <= REST_PX:
        return False
    near = np.linalg.norm(residuals(H, tracks), axis=1) < AGREE_PX
    return (
        _spread_out(tracks.points[near], (target.shape[0], target.shape[1]), trim=0.25)
        and disagreement(H, tracks) < disagreement(rest, tracks)
        and misfit(H, target, source) < misfit(rest, target, source)
    )


def _spread_out(points: Points, size: tuple[int, int], trim: float = 0.0) -> bool:
    """Whether they span the frame, as a subject before a bare wall does not.

    Args:
        trim: share of them that is left out at each side, where some are there by chance.
    """
    if not len(points):
        return False
    low, high = np.quantile(points, [trim, 1 - trim], axis=0)
    return bool(((high - low) / size[::-1]).min() >= COVERED * (1 - 2 * trim))
