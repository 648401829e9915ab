"""Augmentations of the model's batches that keep the inpainted background true."""

from __future__ import annotations

import torch
from torch import Tensor

GAIN = 0.25
"""Largest change of a channel's contrast and, halved, of its level."""


def recolour(image: Tensor, background: Tensor, generator: torch.Generator) -> Tensor:
    """x' = B + Q (x - B), Q a random rotation of colour space, one per image.

    Only what differs from the inpainted background changes its colour: the subject gets new
    clothes, the place stays. S then learns what differs, not what the training subjects wear.

    Args:
        image, background: (B, 3, H, W) in [0, 1].

    Returns:
        (B, 3, H, W) in [0, 1].
    """
    batch = len(image)
    normal = torch.randn(batch, 3, 3, generator=generator)
    rotation = torch.linalg.qr(normal).Q.to(image.device)
    keep = torch.rand(batch, 1, 1, generator=generator).to(image.device) < 0.5
    rotation = torch.where(keep, torch.eye(3, device=image.device), rotation)
    difference = torch.einsum("bij,bjhw->bihw", rotation, image - background)
    return (background + difference).clamp(0, 1)


def jitter(image: Tensor, generator: torch.Generator) -> Tensor:
    """Another light for D alone: each channel's contrast and level change, one draw per image.

    D sees some tens of subjects; under changing light it relies less on what they happen to wear.

    Args:
        image: (B, 3, H, W) in [0, 1].

    Returns:
        (B, 3, H, W), about in [0, 1].
    """
    draws = torch.rand(2, len(image), 3, 1, 1, generator=generator).to(image.device) * 2 - 1
    return (image - 0.5) * (1 + GAIN * draws[0]) + 0.5 + GAIN / 2 * draws[1]
