"""Residual flow of a stabilised pair, and its encoding as an image for the inpainter.

A flow image shows, for displacement (u, v) px and the video's scale s px (`encode_flow`):

    red 0.5 + 0.5 tanh(u / s)    green 0.5 + 0.5 tanh(v / s)    blue tanh(|(u, v)| / s)

Background that stands still after stabilisation is (0.5, 0.5, 0). The tanh bounds outliers without
a clip, whose edge would look like a structure.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.flow import FlowEstimator

BORDER_PX = 4  # at the warp's edge, interpolation and DIS's patches see what is not there
CHANGE_REACH = 0.05  # of the longest side
# Histogram of flow magnitudes: a step is 1.1 %, and a video of any length takes the same memory.
STEPS_PER_OCTAVE = 64
LOWEST_OCTAVE, HIGHEST_OCTAVE = -10, 14


def encode_flow(flow: NDArray[np.floating], scale_px: float) -> NDArray[np.float32]:
    """Flow image, float32 (..., 3) in 0..1, of flow (..., 2) in px."""
    scaled = flow.astype(np.float32) / np.float32(scale_px)
    magnitude = np.hypot(scaled[..., :1], scaled[..., 1:])
    image: NDArray[np.float32] = np.tanh(np.concatenate([scaled, magnitude], axis=-1))
    image[..., :2] = 0.5 + 0.5 * image[..., :2]
    return image


class MagnitudeHistogram:
    """Percentiles of the flow magnitudes of a video, in bounded memory."""

    def __init__(self) -> None:
        octaves = HIGHEST_OCTAVE - LOWEST_OCTAVE
        self.counts = np.zeros(octaves * STEPS_PER_OCTAVE + 1, np.int64)

    def add(self, magnitude: NDArray[np.floating]) -> None:
        """Count magnitudes (any shape), px."""
        with np.errstate(divide="ignore"):
            octave = np.log2(magnitude.astype(np.float64).ravel()) - LOWEST_OCTAVE
        step = np.clip(np.ceil(octave * STEPS_PER_OCTAVE), 0, len(self.counts) - 1)
        self.counts += np.bincount(step.astype(np.int64), minlength=len(self.counts))

    def percentile(self, percent: float) -> float:
        """Magnitude, px, that `percent` of those counted do not exceed, to 1.1 %; 0 if none."""
        total = int(self.counts.sum())
        if total == 0:
            return 0.0
        step = int(np.searchsorted(np.cumsum(self.counts), total * percent / 100))
        return float(2.0 ** (step / STEPS_PER_OCTAVE + LOWEST_OCTAVE)) if step else 0.0


def residual_flow(
    target: NDArray[np.uint8],
    source: NDArray[np.uint8],
    H: NDArray[np.float64],
    estimator: FlowEstimator,
    change_levels: float,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Flow that is left once the source is warped onto the target.

    Where the warp reaches beyond the source, the target itself stands in, which moves nowhere:
    the warp's edge then makes no motion of its own. Flow is kept where the two frames differ.

    Args:
        target, source: uint8 RGB (H, W, 3).
        H: (3, 3), source px to target px.
        change_levels: see `change_weight`.

    Returns:
        flow float32 (H, W, 2) px from target to warped source, zero where not valid;
        valid bool (H, W).
    """
    height, width = target.shape[:2]
    shown = cv2.warpPerspective(source, H, (width, height), flags=cv2.INTER_LINEAR)
    inside = cv2.warpPerspective(
        np.full((height, width), 255, np.uint8), H, (width, height), flags=cv2.INTER_LINEAR
    )
    seen = inside == 255
    warped = np.where(seen[..., None], shown, target).astype(np.uint8)
    side = 2 * BORDER_PX + 1
    valid = cv2.erode(seen.astype(np.uint8), np.ones((side, side), np.uint8)).astype(bool)
    flow = estimator.estimate(target, warped)
    if change_levels > 0:
        flow *= change_weight(target, warped, change_levels)[..., None]
    flow[~valid] = 0.0
    return flow, valid


def change_weight(
    target: NDArray[np.uint8], warped: NDArray[np.uint8], levels: float
) -> NDArray[np.float32]:
    """How much two aligned frames (H, W, 3) differ nearby: (H, W), 0 to `levels`, 1 from twice it.

    Where they do not differ, standing still explains the image as well as any flow, and what an
    estimator gives there is drift (a bare floor under flickering light). "Nearby" is an ellipse of
    `CHANGE_REACH` of the frame, so that the inside of a plain subject counts with its outline.
    """
    before, after = (cv2.blur(image, (3, 3)) for image in (target, warped))
    reach = int(CHANGE_REACH * max(target.shape)) | 1
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    change = cv2.dilate(cv2.absdiff(before, after).max(axis=-1), ellipse)
    weight = np.clip(change.astype(np.float32) / np.float32(levels) - 1, 0, 1)
    smooth: NDArray[np.float32] = cv2.blur(weight, (3, 3))
    return smooth
