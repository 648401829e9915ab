"""Smooth random functions of time, defined at any time so that subframes need no interpolation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Series = NDArray[np.float64]  # (T,) values or times


class Wander:
    """A few sinusoids of random phase: values about -1 to 1, one swing in about `period` frames."""

    def __init__(self, rng: np.random.Generator, period: float, terms: int = 4) -> None:
        self.rate = 2 * np.pi / (period * rng.uniform(0.7, 1.8, terms))
        self.phase = rng.uniform(0, 2 * np.pi, terms)

    def __call__(self, times: Series) -> Series:
        """Values (T,) at `times` (T,) in frames."""
        waves = np.sin(times[:, None] * self.rate + self.phase)
        mean: Series = waves.sum(axis=1) / np.sqrt(2.0 * len(self.rate))
        return mean


def step(times: Series, start: float, length: float) -> Series:
    """A smooth rise from 0 before `start` to 1 after `start + length`."""
    x = np.clip((times - start) / length, 0.0, 1.0)
    return x * x * (3 - 2 * x)
