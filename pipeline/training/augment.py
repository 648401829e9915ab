"""Augmentations of images: other colours on the subject, another light, another view."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.spatial_transformer import sample_affine

Floats = NDArray[np.float64]
Real = TypeVar("Real", np.float32, np.float64)
GAIN = 0.25
"""Largest change of a channel's contrast and, halved, of its level."""


def recolour(image: Tensor, background: Tensor, generator: torch.Generator) -> Tensor:
    """x' = B + Q (x - B), Q a random orthogonal map of colour space, one per image.

    Only what differs from the inpainted background changes its colour: the subject gets new
    clothes, the place stays. S then learns what differs, not what the training subjects wear.

    Args:
        image, background: (B, 3, H, W) in [0, 1].

    Returns:
        (B, 3, H, W) in [0, 1].
    """
    batch = len(image)
    normal = torch.randn(batch, 3, 3, generator=generator)
    rotation = torch.from_numpy(orthogonal(normal.numpy())).to(image.device)
    keep = torch.rand(batch, 1, 1, generator=generator).to(image.device) < 0.5
    rotation = torch.where(keep, torch.eye(3, device=image.device), rotation)
    difference = torch.einsum("bij,bjhw->bihw", rotation, image - background)
    return (background + difference).clamp(0, 1)


def orthogonal(normal: NDArray[Real]) -> NDArray[Real]:
    """Q of normal = Q R with a positive diagonal of R: (B, n, n).

    Of matrices of normal draws it is uniform over all rotations and reflections (Mezzadri 2007);
    LAPACK's own Q is not: its signs depend on the algorithm, and some never occur.
    """
    Q, R = np.linalg.qr(normal)
    signs = np.copysign(1, np.diagonal(R, axis1=1, axis2=2)).astype(normal.dtype)
    return np.asarray(Q * signs[:, None, :], normal.dtype)


def jitter(image: Tensor, generator: torch.Generator) -> Tensor:
    """Another light for D alone: each channel's contrast and level change, one draw per image.

    D sees some tens of subjects; under changing light it relies less on what they happen to wear.

    Args:
        image: (B, 3, H, W) in [0, 1].

    Returns:
        (B, 3, H, W), about in [0, 1].
    """
    draws = torch.rand(2, len(image), 3, 1, 1, generator=generator).to(image.device) * 2 - 1
    return relight(image, GAIN * draws)


def relight(image: Tensor, change: Tensor) -> Tensor:
    """Change contrast and level of each channel.

    Args:
        image: (B, 3, H, W) in [0, 1].
        change: (2, B, 3, 1, 1), of the contrast, and twice that of the level.

    Returns:
        (B, 3, H, W), about in [0, 1].
    """
    return (image - 0.5) * (1 + change[0]) + 0.5 + change[1] / 2


def view(images: Tensor, turn: Floats, zoom: Floats, shift: Floats, mirror: Floats) -> Tensor:
    """Each image as a camera would see it that turned, zoomed and moved, or in a mirror.

    Args:
        images: (B, C, H, W).
        turn: (B,) radians. zoom: (B,), above 1 nearer. shift: (B, 2), half-images.
        mirror: (B,), -1 mirrored, 1 not.

    Returns:
        (B, C, H, W), mirrored at the border where it shows what lies beyond.
    """
    height, width = images.shape[2:]
    aspect = width / height
    cos, sin = np.cos(turn) / zoom, np.sin(turn) / zoom
    theta = np.stack(
        [
            np.stack([mirror * cos, -sin / aspect, shift[:, 0]], axis=1),
            np.stack([mirror * sin * aspect, cos, shift[:, 1]], axis=1),
        ],
        axis=1,
    )
    camera = torch.from_numpy(theta.astype(np.float32)).to(images.device)
    return sample_affine(images, camera, height, width, padding="reflection")
