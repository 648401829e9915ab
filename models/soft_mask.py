"""Soft masks and their threshold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def from_levels(levels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The soft mask, 0..1, that 8 bits hold.

    >>> from_levels(np.array([0, 51, 255], np.uint8)).tolist()
    [0.0, 0.20000000298023224, 1.0]
    """
    return np.asarray(levels / np.float32(255), np.float32)


def centred(soft: NDArray[np.float32], threshold: float) -> NDArray[np.float32]:
    """The soft mask with its odds over the threshold's: what was `threshold` becomes a half.

    >>> centred(np.array([0.2, 0.0, 1.0], np.float32), 0.2).tolist()
    [0.5, 0.0, 1.0]
    """
    subject = soft * (1 - threshold)
    return np.asarray(subject / (subject + (1 - soft) * threshold), np.float32)


def uncentred(soft: NDArray[np.float32], threshold: float) -> NDArray[np.float32]:
    """The inverse of `centred`.

    >>> uncentred(np.array([0.5, 0.0, 1.0], np.float32), 0.2).tolist()
    [0.20000000298023224, 0.0, 1.0]
    """
    return centred(soft, 1 - threshold)
