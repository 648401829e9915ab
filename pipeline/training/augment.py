"""Augmentations of the model's batches that keep the inpainted background true."""

from __future__ import annotations

import torch
from torch import Tensor


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
