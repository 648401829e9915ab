"""DIS: optical flow on the CPU without weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from models.flow.estimator import Part

Preset = Literal["ultrafast", "fast", "medium"]
PRESETS: dict[Preset, int] = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}

# The presets end at half or a quarter of the resolution, made for frames of 1,000 px. On DAVIS at
# 128 px, going on to full resolution raises the subject's IoU from .36 to .42, for 2 ms a pair.
FULL_SCALE_TO = 400  # px, longest side
# A check of the other direction: fewer and shorter descents. It tells errors nearly as well, in
# half of the time (docs/flow.md).
CHECK_STRIDE, CHECK_DESCENTS, CHECK_REFINEMENTS = 4, 6, 2  # at least px; at most; at most
SHORTEST_SIDE = 32  # px, also of a part; OpenCV crashes below it: what is smaller is padded
WHOLE: Part = (slice(None), slice(None))


class DisFlow:
    """Dense inverse search (Kroeger et al. 2016) as in OpenCV; a `FlowEstimator`, repeats exactly.

    OpenCV's object keeps buffers between calls: one `DisFlow` per thread.
    """

    batch = 1

    def __init__(self, preset: Preset = "medium") -> None:
        self.name = f"dis-{preset}"
        self.dis = cv2.DISOpticalFlow.create(PRESETS[preset])
        self.finest_scale: int = self.dis.getFinestScale()
        stride, descents, refinements = (
            self.dis.getPatchStride(),
            self.dis.getGradientDescentIterations(),
            self.dis.getVariationalRefinementIterations(),
        )
        self.care = {
            False: (stride, descents, refinements),
            True: (
                max(stride, CHECK_STRIDE),
                min(descents, CHECK_DESCENTS),
                min(refinements, CHECK_REFINEMENTS),
            ),
        }

    def estimate(
        self,
        targets: NDArray[np.uint8],
        sources: NDArray[np.uint8],
        parts: Sequence[Part] | None = None,
        *,
        as_check: bool = False,
    ) -> NDArray[np.float32]:
        """As `FlowEstimator.estimate`; its time is in proportion to the parts' area.

        A part is widened where needed, so that DIS begins at the scale at which it would begin in
        the whole frame: large motion is found there.
        """
        shape = targets.shape[1:3]
        flows = np.zeros((*targets.shape[:3], 2), np.float32)
        self.dis.setFinestScale(0 if max(shape) <= FULL_SCALE_TO else self.finest_scale)
        stride, descents, refinements = self.care[as_check]
        self.dis.setPatchStride(stride)
        self.dis.setGradientDescentIterations(descents)
        self.dis.setVariationalRefinementIterations(refinements)
        for place, part in enumerate(parts or [WHOLE] * len(targets)):
            seen = (place, *self._widened(part, shape))
            flows[seen] = self._pair(targets[seen], sources[seen])
        return flows

    def _widened(self, part: Part, shape: tuple[int, int]) -> Part:
        """By the scales of OpenCV's DIS: the coarsest has at least a patch, at most about six."""
        patch: int = self.dis.getPatchSize()
        by_longest = int(math.log2(max(1, max(shape) / (4 * patch))) + 0.5)
        scales = min(by_longest, int(math.log2(max(1, min(shape) / patch))))
        longest, shortest = 4 * patch * 2 ** (scales - 0.5), patch * 2**scales
        least = (shortest, longest) if shape[1] >= shape[0] else (longest, shortest)
        rows, columns = (
            _at_least(span, max(math.ceil(side), SHORTEST_SIDE), size)
            for span, side, size in zip(part, least, shape, strict=True)
        )
        return rows, columns

    def _pair(self, target: NDArray[np.uint8], source: NDArray[np.uint8]) -> NDArray[np.float32]:
        height, width = target.shape[:2]
        below, right = (max(0, SHORTEST_SIDE - side) for side in (height, width))
        grey = [
            cv2.copyMakeBorder(
                cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), 0, below, 0, right, cv2.BORDER_REPLICATE
            )
            for image in (target, source)
        ]
        flow = self.dis.calc(grey[0], grey[1], np.zeros((*grey[0].shape, 2), np.float32))
        return np.asarray(flow[:height, :width], np.float32)


def _at_least(span: slice, side: int, size: int) -> slice:
    """A span of 0 to `size` px, widened to `side` on both sides as far as the frame allows."""
    start, stop, _ = span.indices(size)
    side = min(side, size)
    if stop - start >= side:
        return slice(start, stop)
    start = min(max(0, (start + stop - side) // 2), size - side)
    return slice(start, start + side)
