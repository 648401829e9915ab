"""The box that a map's mass fills: of what moves in a hole, or of a mask.

Quantiles and not outermost pixels, so that a speck does not stretch it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.matrix_forms import running_sum

TAIL = 0.01
"""Share of the mass that may lie beyond each side of its extent."""
FAINT = 0.3
"""Of a mask's largest value: what is fainter says nothing of the subject's extent."""
NOTHING = 1e-6
"""Largest value of a mask that holds nothing."""


def extent(evidence: Tensor, margin: float = 1.0) -> Tensor:
    """The box between two quantiles of the mass per axis, its sides times `margin`.

    With a margin, a subject cut off by the hole fills it and asks for a larger box; a compact one
    in a large hole asks for a smaller.

    Args:
        evidence: (B, H, W), not negative, no gradient.
        margin: over the range's own sides.

    Returns:
        (B, 4) `cx, cy, sx, sy` as shares of the image.
    """
    highest = evidence.amax(dim=(1, 2), keepdim=True)
    mass = evidence + 1e-9 * torch.where(highest > 0, highest, 1.0)  # nothing fills everything
    x_low, x_high = _quantile_range(mass.sum(dim=1))
    y_low, y_high = _quantile_range(mass.sum(dim=2))
    centre = [(x_low + x_high) / 2, (y_low + y_high) / 2]
    return torch.stack([*centre, margin * (x_high - x_low), margin * (y_high - y_low)], dim=1)


def mask_extent(mask: Tensor, least: float, before: Tensor) -> Tensor:
    """The box around a soft mask, sides not below `least`.

    Args:
        mask: (B, H, W) in [0, 1].
        least: share of the image.
        before: (B, 4) the box that stays where the mask holds nothing.

    Returns:
        (B, 4) `cx, cy, sx, sy`.
    """
    highest = mask.amax(dim=(1, 2), keepdim=True)
    box = extent(mask * (mask > FAINT * highest))
    box = torch.cat([box[:, :2], box[:, 2:].clamp(min=least)], dim=1)
    return torch.where(highest[:, 0] > NOTHING, box, before)


def _quantile_range(mass: Tensor) -> tuple[Tensor, Tensor]:
    """Where a share of TAIL of the mass (B, N) lies before, and after; in shares of the axis."""
    share = running_sum(mass) / mass.sum(dim=1, keepdim=True)
    low = (share < TAIL).sum(dim=1)
    high = (share < 1 - TAIL).sum(dim=1) + 1
    return low / mass.shape[1], high / mass.shape[1]
