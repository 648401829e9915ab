"""From any frame to any other, over the stabilised pairs between them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from models.stabilization import Matrix


class CameraPath:
    """The homographies of one video's pairs, joined to a way.

    Args:
        steps: (3, 3) per target frame t, px of frame t + gap to px of frame t; only those that are
            trusted.
        gap: frames between the two of a pair. Frames that are no multiple of it apart have no way.
    """

    def __init__(self, steps: Mapping[int, Matrix], gap: int = 1) -> None:
        self.steps, self.gap = steps, gap

    def between(self, source: int, target: int) -> Matrix | None:
        """(3, 3), px of `source` to px of `target`; None where a pair on the way is missing.

        Errors add up: of 0.1 px a pair, about one px remains after 100 pairs.
        """
        first, last = min(source, target), max(source, target)
        if (last - first) % self.gap:
            return None
        to_first = np.eye(3)  # px of `last` to px of `first`
        for t in range(first, last, self.gap):
            if t not in self.steps:
                return None
            to_first = to_first @ self.steps[t]
        return to_first if target == first else np.asarray(np.linalg.inv(to_first), np.float64)
