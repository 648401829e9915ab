"""AdamW and the learning rate's schedule."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import nn

WARM_UP = 100  # iterations of rising learning rate
WEIGHT_DECAY = 1e-4


def adamw(module: nn.Module, learning_rate: float) -> torch.optim.AdamW:
    """AdamW over all parameters, its update one fused kernel, on CPUs and on GPUs."""
    return torch.optim.AdamW(
        module.parameters(), lr=learning_rate, weight_decay=WEIGHT_DECAY, fused=True
    )


def learning_rate_at(
    iteration: int,
    iterations: int,
    peak: float,
    schedule: Literal["cosine", "constant"] = "cosine",
) -> float:
    """Linear warm-up, then a cosine to one hundredth of the peak, or the peak for good."""
    rising = min(1.0, (iteration + 1) / WARM_UP)
    if schedule == "constant":
        return peak * rising
    falling = 0.5 + 0.5 * math.cos(math.pi * iteration / iterations)
    return peak * rising * (0.01 + 0.99 * falling)
