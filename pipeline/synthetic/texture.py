"""Procedural texture: fractal noise, colour ramps, and a ground plane seen in perspective."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.synthetic.palette import Palette

Field = NDArray[np.float32]  # (H, W)
Image = NDArray[np.float32]  # (H, W, 3) RGB, 0 to 1


def fractal(
    rng: np.random.Generator,
    shape: tuple[int, int],
    wavelength: tuple[float, float],
    octaves: int = 5,
    falloff: float = 0.5,
) -> Field:
    """Noise (H, W), mean 0, about -1 to 1, first of `wavelength` (vertical, horizontal) px.

    Each octave has half the wavelength and `falloff` times the amplitude of the one before.
    """
    height, width = shape
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        rows = max(2, round(height / wavelength[0] * 2**octave) + 1)
        cols = max(2, round(width / wavelength[1] * 2**octave) + 1)
        lattice = rng.standard_normal((rows, cols)).astype(np.float32)
        total += falloff**octave * resize(lattice, shape)
    return np.asarray((total - total.mean()) / (2 * total.std() + 1e-6), np.float32)


def specks(
    rng: np.random.Generator, shape: tuple[int, int], spacing: float, radius: tuple[float, float]
) -> Field:
    """Scattered soft ellipses (H, W), values -1 to 1 on 0: stones, tufts, leaves.

    About one per square of `spacing` px; `radius` is the range of their half axes, px.
    """
    marks = np.zeros(shape, np.float32)
    count = round(shape[0] * shape[1] / spacing**2)
    middles = (rng.random((count, 2)) * shape[::-1]).astype(int)
    axes, tones = rng.uniform(*radius, (count, 2)).round().astype(int), rng.uniform(0.4, 1, count)
    for middle, axis, tone in zip(middles.tolist(), axes.tolist(), tones.tolist(), strict=True):
        angle, sign = rng.uniform(0, 180), rng.choice([-1, 1])
        cv2.ellipse(marks, middle, axis, angle, 0, 360, sign * tone, -1)
    return np.asarray(cv2.GaussianBlur(marks, (0, 0), radius[0] / 5), np.float32)


def resize(field: Field, shape: tuple[int, int]) -> Field:
    """A field of any size smoothly resampled to `shape`."""
    return np.asarray(cv2.resize(field, shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def ramp(values: Field, palette: Palette) -> Image:
    """Map values -1 to 1 (H, W) to colours (H, W, 3) along the palette, darkest first."""
    order = palette[np.argsort(palette.sum(axis=1))]
    stops = np.linspace(-1, 1, len(order))
    channels = [np.interp(values, stops, order[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def in_perspective(plane: NDArray[np.float32], shape: tuple[int, int], squeeze: float) -> Field:
    """A texture seen as ground: (H, W) of `shape`, whose first row lies at the horizon.

    `squeeze` is how many times smaller the texture appears in the first row than in the last.
    """
    height, width = shape
    rows, cols = np.mgrid[0:height, 0:width].astype(np.float32)
    # Distance 1 at the bottom row and `squeeze` at the top; finite, so that no row aliases.
    distance = squeeze / (1 + (squeeze - 1) * rows / height)
    x = (cols - width / 2) * distance + plane.shape[1] / 2
    y = (distance - 1) / (squeeze - 1) * (plane.shape[0] - 1)
    seen = cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(seen, np.float32)
