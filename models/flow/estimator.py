"""What every optical flow estimator gives.

flow = estimator.estimate(targets, sources)  # target(x) ~ source(x + flow(x))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Part = tuple[slice, slice]  # rows and columns of a frame


class OutOfMemoryError(Exception):
    """Not even one pair fits the device's memory."""


class FlowEstimator(Protocol):
    """Dense optical flow between the two frames of each pair.

    Attributes:
        name: with the settings that change its result, e.g. `dis-medium`.
        batch: pairs that it is best given at once.
    """

    name: str
    batch: int

    def estimate(
        self,
        targets: NDArray[np.uint8],
        sources: NDArray[np.uint8],
        parts: Sequence[Part] | None = None,
        *,
        as_check: bool = False,
    ) -> NDArray[np.float32]:
        """Flow on the targets' grid, such that target(x) ~ source(x + flow(x)).

        Args:
            targets, sources: uint8 RGB (B, H, W, 3).
            parts: where each pair's flow is wanted; elsewhere it may be zero. What looks at whole
                frames anyway does not mind them.
            as_check: the flow is only to confirm that of the other direction, and may be found with
                less care.

        Returns:
            float32 (B, H, W, 2): displacement to the right and downwards, px.
        """
