"""What the camera does: static in a shot; static, rotating or translating over a whole video.

The verdict on a static camera needs no keypoints, so that it holds for a bare arena too: it asks
whether the strongest edges stay where they are, or hardly a pixel changes, from frame to frame and
since the shot's start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from models.stabilization import FEW_MATCHES, NO_TEXTURE, PairHomography

Camera = Literal["static", "rotating", "translating"]

THUMBNAIL = 128  # px, longest side at which edges are followed
EDGE_SHARE = 0.1  # of the pixels, those of the strongest gradient
EDGE_LEVELS = 8.0  # grey levels per px: weaker gradients are noise, not edges
CHANGED_LEVELS = 6.0  # grey levels
# What a static camera may show, measured on static and handheld films:
# between neighbouring frames (static to 0.1 px, handheld from 0.4) and since the shot began
# (changing light looks like up to 0.5 px, and a subject has left one place and taken another).
STEP_PX, STEP_SHARE = 0.25, 0.08
DRIFT_PX, DRIFT_SHARE = 0.6, 0.2
STEPS_STILL, DRIFTS_STILL = 0.95, 0.9  # of the frames: a jolt or a flicker does not count
PARALLAX_RATIO = 0.65  # inlier ratio over a long baseline below which depth shows
PARALLAX_PX = 0.2  # of near pairs; up to 0.08 where a homography does as well as a mesh (DAVIS)
UNTOLD = (NO_TEXTURE, FEW_MATCHES)  # what a fast pan or a bare wall leaves, too


def edge_motion(before: NDArray[np.float32], after: NDArray[np.float32]) -> float:
    """How far the edges of a blurred grey frame (H, W) moved: the median normal flow, px.

    Normal flow is |dI/dt| / |grad I|; the median over the strongest edges ignores a subject that
    has fewer than half of them. Right below about 1 px, and large above. A change of brightness of
    the whole frame does not count. 0 for a frame without edges.
    """
    gx = cv2.Sobel(before, cv2.CV_32F, 1, 0, scale=1 / 8)
    gy = cv2.Sobel(before, cv2.CV_32F, 0, 1, scale=1 / 8)
    gradient = np.hypot(gx, gy)
    edges = gradient >= max(float(np.quantile(gradient, 1 - EDGE_SHARE)), EDGE_LEVELS)
    if not edges.any():
        return 0.0
    change = np.abs(_change(before, after))
    return float(np.median(change[edges] / gradient[edges]))


def changed_share(before: NDArray[np.float32], after: NDArray[np.float32]) -> float:
    """Share of the pixels of a blurred grey frame (H, W) that became clearly lighter or darker."""
    return float(np.mean(np.abs(_change(before, after)) > CHANGED_LEVELS))


def _change(before: NDArray[np.float32], after: NDArray[np.float32]) -> NDArray[np.float32]:
    change = after - before
    return np.asarray(change - np.median(change), np.float32)


@dataclass
class EdgeMotionMeter:
    """Follows the edges through a shot; keeps two thumbnails, whatever its length."""

    steps: list[bool] = field(default_factory=list)
    drifts: list[bool] = field(default_factory=list)
    first: NDArray[np.float32] | None = None
    last: NDArray[np.float32] | None = None

    def add(self, grey: NDArray[np.uint8]) -> None:
        """Take the next frame, uint8 (H, W)."""
        scale = min(1.0, THUMBNAIL / max(grey.shape))
        down, across = (max(scale, 1 / length) for length in grey.shape)  # a strip keeps a px
        thumbnail = cv2.resize(grey, None, fx=across, fy=down, interpolation=cv2.INTER_AREA)
        small = np.asarray(cv2.GaussianBlur(thumbnail, (0, 0), 1.0), np.float32)
        if self.first is None or self.last is None:
            self.first = small
        else:
            self.steps.append(_rests(self.last, small, STEP_PX, STEP_SHARE))
            self.drifts.append(_rests(self.first, small, DRIFT_PX, DRIFT_SHARE))
        self.last = small

    @property
    def still(self) -> bool:
        """True if the edges stayed in place, but for a rare jolt or flicker."""
        if not self.steps:
            return True
        return bool(np.mean(self.steps) >= STEPS_STILL) and not self.drifted

    @property
    def drifted(self) -> bool:
        """True if the edges have left the places that they had at the start."""
        return bool(self.drifts) and bool(np.mean(self.drifts) < DRIFTS_STILL)

    def same_view(self, other: EdgeMotionMeter) -> bool:
        """True if both shots begin with the edges in the same places."""
        if self.first is None or other.first is None:
            return True
        return _rests(self.first, other.first, DRIFT_PX, DRIFT_SHARE)


def _rests(
    before: NDArray[np.float32], after: NDArray[np.float32], px: float, share: float
) -> bool:
    return edge_motion(before, after) <= px or changed_share(before, after) <= share


def moving_camera(long_pairs: Sequence[PairHomography], parallax_px: Sequence[float]) -> Camera:
    """How a camera moves that does not stand still.

    Args:
        long_pairs: homographies over a longer baseline, where parallax has room to show: a camera
            that moves through the scene leaves near and far things on different homographies.
        parallax_px: of near pairs, `Alignment.parallax_px`; asked where most of the long pairs
            matched too little to tell, or there are none.
    """
    ratios = [pair.inlier_ratio for pair in long_pairs if pair.reason not in UNTOLD]
    if ratios and 2 * len(ratios) >= len(long_pairs):
        return "translating" if np.median(ratios) < PARALLAX_RATIO else "rotating"
    known = [value for value in parallax_px if np.isfinite(value)]
    return "translating" if known and np.median(known) > PARALLAX_PX else "rotating"
