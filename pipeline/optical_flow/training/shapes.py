"""Outlines of moving things: blobs with limbs, which no rectangle or circle explains."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

HARMONICS = 5
LIMBS = 4  # at most
SUBPIXEL = 4  # bits of OpenCV's fixed-point vertices


def random_shape(rng: np.random.Generator, side: int) -> NDArray[np.uint8]:
    """A filled shape around the middle of a square, uint8 (side, side), 255 inside, edges soft."""
    canvas = np.zeros((side, side), np.uint8)
    _fill(canvas, _outline(rng, side * rng.uniform(0.15, 0.33)) + side / 2)
    for _ in range(rng.integers(0, LIMBS + 1)):
        _limb(canvas, rng)
    if rng.random() < 0.2:  # a hole, as between arm and body
        hole = _outline(rng, side * rng.uniform(0.03, 0.08)) + side / 2
        _fill(canvas, hole, value=0)
    return np.asarray(cv2.GaussianBlur(canvas, (3, 3), 0), np.uint8)


def _outline(rng: np.random.Generator, radius: float) -> NDArray[np.float64]:
    """A closed curve around the origin, (K, 2) px: a circle with random harmonics, stretched."""
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    order = np.arange(1, HARMONICS + 1)[:, None]
    amplitude = rng.normal(0, 0.25, (HARMONICS, 1)) / order
    phase = rng.uniform(0, 2 * np.pi, (HARMONICS, 1))
    r = radius * np.maximum(0.2, 1 + (amplitude * np.cos(order * angle + phase)).sum(0))
    stretch = rng.uniform(0.4, 1.0)
    turn = rng.uniform(0, np.pi)
    x, y = r * np.cos(angle), r * np.sin(angle) * stretch
    turned = [x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)]
    return np.stack(turned, axis=1)


def _fill(canvas: NDArray[np.uint8], points: NDArray[np.float64], value: int = 255) -> None:
    vertices = np.round(points * 2**SUBPIXEL).astype(np.int32)
    cv2.fillPoly(canvas, [vertices], [value], cv2.LINE_AA, SUBPIXEL)


def _limb(canvas: NDArray[np.uint8], rng: np.random.Generator) -> None:
    side = canvas.shape[0]
    start = side / 2 + rng.normal(0, side * 0.08, 2)
    end = side / 2 + rng.normal(0, side * 0.22, 2)
    thickness = max(2, int(side * rng.uniform(0.02, 0.08)))
    a, b = (tuple(int(v) for v in np.round(point)) for point in (start, end))
    cv2.line(canvas, a, b, [255], thickness, cv2.LINE_AA)
