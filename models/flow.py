"""Optical flow behind one interface.

estimator, reason = choose_estimator("auto", "medium")
flow = estimator.estimate(target, source)  # target(x) ~ source(x + flow(x))
"""

from __future__ import annotations

from typing import Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

Preset = Literal["ultrafast", "fast", "medium"]
PRESETS: dict[Preset, int] = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}

# The presets end at half or a quarter of the resolution, made for frames of 1,000 px. On DAVIS at
# 128 px, going on to full resolution raises the subject's IoU from .41 to .47, for 6 ms a pair.
FULL_SCALE_TO = 400  # px, longest side
SHORTEST_SIDE = 32  # px; below it OpenCV crashes on coarse scales


class FlowEstimator(Protocol):
    """Dense optical flow between two frames."""

    name: str

    def estimate(self, target: NDArray[np.uint8], source: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Flow on the target's grid, such that target(x) ~ source(x + flow(x)).

        Args:
            target, source: uint8 RGB (H, W, 3).

        Returns:
            float32 (H, W, 2): displacement to the right and downwards, px.
        """


class DisFlow:
    """Dense inverse search (Kroeger et al. 2016) as in OpenCV, on the CPU; repeats exactly."""

    def __init__(self, preset: Preset = "medium") -> None:
        self.name = f"dis-{preset}"
        self.dis = cv2.DISOpticalFlow.create(PRESETS[preset])
        self.finest_scale: int = self.dis.getFinestScale()

    def estimate(self, target: NDArray[np.uint8], source: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As `FlowEstimator.estimate`."""
        small = max(target.shape) <= FULL_SCALE_TO or min(target.shape[:2]) < SHORTEST_SIDE
        self.dis.setFinestScale(0 if small else self.finest_scale)
        grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (target, source)]
        guess = np.zeros((*target.shape[:2], 2), np.float32)
        return np.asarray(self.dis.calc(grey[0], grey[1], guess), np.float32)


def choose_estimator(backend: Literal["auto", "dis"], preset: Preset) -> tuple[FlowEstimator, str]:
    """The estimator for a backend, and why it was chosen.

    Args:
        backend: a name, or `auto` for the best that the machine allows.
        preset: of DIS.
    """
    reason = "asked for" if backend == "dis" else "auto: runs on every machine, needs no weights"
    return DisFlow(preset), reason
