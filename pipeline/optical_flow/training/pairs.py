"""Pairs of images with exact flow, made on the fly (the idea of FlyingChairs, Dosovitskiy et al.
2015, and AutoFlow, Sun et al. 2021): a moving background, over it moving, deforming cut-outs.

pair = synthesise(textures, rng, height=192, width=256, motion_px=20.0)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.stabilization import Matrix
from pipeline.optical_flow.training.layers import (
    Layer,
    about,
    shift,
    similarity,
    smooth_field,
)
from pipeline.optical_flow.training.shapes import random_shape

MOST_CUTOUTS = 6
STILL = 0.15  # share of the backgrounds that do not move: after stabilisation most do not
PERSPECTIVE = 0.1  # largest change of scale between the frame's middle and edge


@dataclass(frozen=True)
class Pair:
    """Two frames and the flow between them.

    Attributes:
        target, source: uint8 (H, W, 3). flow: float32 (H, W, 2) px, target(x) ~ source(x + flow).
        dis: DIS's estimate of it, for a network that corrects it.
    """

    target: NDArray[np.uint8]
    source: NDArray[np.uint8]
    flow: NDArray[np.float32]
    dis: NDArray[np.float32] | None = None


def synthesise(
    textures: Sequence[NDArray[np.uint8]],
    rng: np.random.Generator,
    height: int,
    width: int,
    motion_px: float,
) -> Pair:
    """Make a pair.

    Args:
        textures: images (h, w, 3) to cut background and cut-outs from.
        height, width: of the pair, px.
        motion_px: scale of the motion. Magnitudes are heavy-tailed, as in films: most are far
            below it, few reach it.
    """
    camera = _camera(rng, height, width, motion_px)
    layers = [_background(textures, rng, height, width, camera)]
    layers += [
        _cutout(textures, rng, height, width, camera, motion_px)
        for _ in range(rng.integers(1, MOST_CUTOUTS + 1))
    ]
    target = np.zeros((height, width, 3), np.float32)
    source = np.zeros_like(target)
    flow = np.zeros((height, width, 2), np.float32)
    for layer in layers:
        layer.paint_target(target, flow)
        layer.paint_source(source)
    return Pair(*_film(target, source, rng), flow)


def _step(rng: np.random.Generator, motion_px: float) -> float:
    """A magnitude of motion, px."""
    return float(motion_px * rng.random() ** 3)


def _shift(rng: np.random.Generator, motion_px: float) -> tuple[float, float]:
    length, direction = _step(rng, motion_px), rng.uniform(0, 2 * np.pi)
    return length * np.cos(direction), length * np.sin(direction)


def _camera(rng: np.random.Generator, height: int, width: int, motion_px: float) -> Matrix:
    """Homography of the background, target px to source px."""
    if rng.random() < STILL:
        return np.eye(3)
    radius = max(height, width) / 2
    angle = rng.choice([-1, 1]) * _step(rng, motion_px) / radius / 2
    zoom = 1 + rng.choice([-1, 1]) * _step(rng, motion_px) / radius / 2
    moved = similarity(angle, zoom, *_shift(rng, motion_px))
    tilt = np.eye(3)
    bound = PERSPECTIVE * min(1.0, motion_px / radius)
    tilt[2, :2] = rng.uniform(-bound, bound, 2) / radius
    return about(width / 2, height / 2, moved @ tilt)


def _texture(textures: Sequence[NDArray[np.uint8]], rng: np.random.Generator) -> NDArray[np.uint8]:
    """One texture, mirrored at random."""
    image = textures[int(rng.integers(len(textures)))]
    return image[:, ::-1] if rng.random() < 0.5 else image


def _recoloured(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Channels swapped, contrast and brightness of each changed, at random."""
    channels = image[..., rng.permutation(3)] if rng.random() < 0.5 else image
    gain, level = rng.uniform(0.6, 1.4, 3), rng.uniform(-40, 40, 3)
    values = np.arange(256)[:, None]
    table = np.clip((values - 128) * gain + 128 + level, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(np.ascontiguousarray(channels), table[None]), np.uint8)


def _background(
    textures: Sequence[NDArray[np.uint8]],
    rng: np.random.Generator,
    height: int,
    width: int,
    camera: Matrix,
) -> Layer:
    texture = _recoloured(_texture(textures, rng), rng)
    h, w = texture.shape[:2]
    zoom = min(h / height, w / width) * rng.uniform(0.4, 1.0)  # texture px per frame px
    place = similarity(
        rng.normal(0, 0.2),
        zoom,
        rng.uniform(0, w - zoom * width),
        rng.uniform(0, h - zoom * height),
    )
    everywhere = np.full((3 * h, 3 * w), 255, np.uint8)
    framed = cv2.copyMakeBorder(texture, h, h, w, w, cv2.BORDER_REFLECT).astype(np.uint8)
    place = shift(w, h) @ place
    return Layer(framed, everywhere, place, camera, np.zeros((height, width, 2)))


def _cutout(
    textures: Sequence[NDArray[np.uint8]],
    rng: np.random.Generator,
    height: int,
    width: int,
    camera: Matrix,
    motion_px: float,
) -> Layer:
    """A thing that moves with the background and on its own."""
    texture = _texture(textures, rng)
    side = min(texture.shape[:2])
    top = int(rng.integers(0, texture.shape[0] - side + 1))
    left = int(rng.integers(0, texture.shape[1] - side + 1))
    texture = _recoloured(texture[top : top + side, left : left + side], rng)
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    zoom = side / (min(height, width) * rng.uniform(0.3, 1.2))
    place = similarity(rng.uniform(-np.pi, np.pi), zoom, side / 2, side / 2)
    place = place @ shift(-x, -y)
    reach = side / zoom / 2
    own = about(
        x,
        y,
        similarity(
            rng.normal(0, 0.5) * _step(rng, motion_px) / reach,
            1 + np.clip(rng.normal(0, 0.5) * _step(rng, motion_px) / reach, -0.3, 0.3),
            *_shift(rng, motion_px),
        ),
    )
    deform = smooth_field(rng, height, width, zoom * min(0.1 * _step(rng, motion_px), reach / 20))
    return Layer(texture, random_shape(rng, side), place, camera @ own, deform)


def _film(
    target: NDArray[np.float32], source: NDArray[np.float32], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """What a camera adds: blur of both, a change of light between them, noise."""
    sigma = rng.uniform(0, 1.0)
    deviation = rng.uniform(0, 6.0)
    frames = []
    for clean in (target, source):
        image = np.asarray(cv2.GaussianBlur(clean, (0, 0), sigma) if sigma > 0.3 else clean)
        light = np.float32(1 + rng.normal(0, 0.03))
        noise = rng.standard_normal(image.shape, np.float32)
        noisy = image * light + np.float32(deviation) * noise
        frames.append(np.clip(noisy, 0, 255).astype(np.uint8))
    return frames[0], frames[1]
