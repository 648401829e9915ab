"""What a network says of one frame, before the CRF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Finding:
    """A box and a soft mask at the frame's size `(H, W)`.

    Attributes:
        box: `(4,)` float32 x, y, width, height px; may reach beyond the frame.
        confidence: 0..1.
        levels: `(H, W)` uint8, the soft mask: 0 background .. 255 subject.
    """

    box: NDArray[np.float32]
    confidence: float
    levels: NDArray[np.uint8]


class Finder(Protocol):
    """Trained networks at work on frames: `ModelFinder` or `StudentFinder`."""

    def find(self, frames: Sequence[NDArray[np.uint8]]) -> list[Finding]:
        """What is in each frame, RGB uint8 (H, W, 3) of one size, computed as one batch."""
