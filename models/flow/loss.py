"""The endpoint error over a pyramid of predictions (Dosovitskiy et al. 2015, FlowNet)."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

FINEST_WEIGHT = 0.32  # of FlowNet's training; each coarser scale counts half as much


def multi_scale_epe(pyramid: Sequence[Tensor], flow: Tensor) -> Tensor:
    """Weighted sum over scales of the mean endpoint error, px of the full resolution.

    Args:
        pyramid: predictions (B, 2, h, w), finest first, each in px of the full resolution.
        flow: true flow (B, 2, H, W) px; averaged down to each scale.

    Returns:
        Scalar.
    """
    total = flow.new_zeros(())
    for level, predicted in enumerate(pyramid):
        height, width = predicted.shape[-2:]
        truth = F.adaptive_avg_pool2d(flow, (height, width))
        total = total + FINEST_WEIGHT / 2**level * endpoint_error(predicted, truth).mean()
    return total


def endpoint_error(predicted: Tensor, flow: Tensor) -> Tensor:
    """Euclidean distance between two flows (B, 2, H, W), px: (B, H, W)."""
    difference = (predicted - flow).float()
    # sqrt's gradient at zero is infinite
    return difference.square().sum(dim=1).add(1e-8).sqrt()
