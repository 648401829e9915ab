"""Residual flow as an image for the inpainter.

A flow image shows, for displacement (u, v) px and the video's scale s px (`encode_flow`):

    red 0.5 + 0.5 tanh(u / s)    green 0.5 + 0.5 tanh(v / s)    blue tanh(|(u, v)| / s)

Background that stands still after stabilisation is (0.5, 0.5, 0). The tanh bounds outliers without
a clip, whose edge would look like a structure.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Histogram of flow magnitudes: a step is 1.1 %, and a video of any length takes the same memory.
STEPS_PER_OCTAVE = 64
LOWEST_OCTAVE, HIGHEST_OCTAVE = -10, 14


def encode_flow(flow: NDArray[np.floating], scale_px: float) -> NDArray[np.float32]:
    """Flow image, float32 (..., 3) in 0..1, of flow (..., 2) in px."""
    # One plane after the other: NumPy works through contiguous numbers twice as fast.
    u, v = (flow[..., axis].astype(np.float32, order="C") / np.float32(scale_px) for axis in (0, 1))
    image = np.empty((*u.shape, 3), np.float32)
    image[..., 0] = 0.5 + 0.5 * np.tanh(u)
    image[..., 1] = 0.5 + 0.5 * np.tanh(v)
    image[..., 2] = np.tanh(np.hypot(u, v))
    return image


class MagnitudeHistogram:
    """Percentiles of the flow magnitudes of a video, in bounded memory."""

    def __init__(self) -> None:
        octaves = HIGHEST_OCTAVE - LOWEST_OCTAVE
        self.counts = np.zeros(octaves * STEPS_PER_OCTAVE + 1, np.int64)

    def add(self, magnitude: NDArray[np.floating]) -> None:
        """Count magnitudes (any shape), px; zeros, which most are, cost next to nothing."""
        moving = magnitude[magnitude > 0].astype(np.float64)
        step = np.ceil((np.log2(moving) - LOWEST_OCTAVE) * STEPS_PER_OCTAVE)
        step = np.clip(step, 0, len(self.counts) - 1).astype(np.int64)
        self.counts += np.bincount(step, minlength=len(self.counts))
        self.counts[0] += magnitude.size - moving.size

    def percentile(self, percent: float) -> float:
        """Magnitude, px, that `percent` of those counted do not exceed, to 1.1 %; 0 if none."""
        total = int(self.counts.sum())
        if total == 0:
            return 0.0
        step = int(np.searchsorted(np.cumsum(self.counts), total * percent / 100))
        return float(2.0 ** (step / STEPS_PER_OCTAVE + LOWEST_OCTAVE)) if step else 0.0
