"""Exponential moving average of a network's weights: smoother than the last step's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """w' <- d w' + (1 - d) w after every step, with d = min(decay, (1 + t) / (10 + t)).

    The decay rises with the number t of earlier steps so that the random start is soon forgotten.
    Batch norm's running statistics are averaged like the weights they belong to; whole numbers (its
    count of batches) are copied.

    Args:
        module: the network; its state is the first average.
        decay: in [0, 1).
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = copy_state(module)

    @torch.no_grad()
    def update(self, module: nn.Module, steps: int) -> None:
        """Take in the weights that a step has left; `steps` came before it."""
        decay = min(self.decay, (1 + steps) / (10 + steps))
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                self.state[name].lerp_(value, 1 - decay)
            else:
                self.state[name].copy_(value)

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a checkpoint's average."""
        for name, value in state.items():
            self.state[name].copy_(value)

    @contextmanager
    def in_place_of(self, module: nn.Module) -> Iterator[None]:
        """The network with the averaged weights, and afterwards with its own again."""
        own = copy_state(module)
        module.load_state_dict(self.state)
        try:
            yield
        finally:
            module.load_state_dict(own)

    def distance(self, module: nn.Module) -> float:
        """Distance of weights and average over the weights' norm."""
        apart = [self.state[name] - value.detach() for name, value in module.named_parameters()]
        norm = nn.utils.get_total_norm([value.detach() for value in module.parameters()])
        return float(nn.utils.get_total_norm(apart) / norm)


def copy_state(module: nn.Module) -> dict[str, Tensor]:
    """The state of `module` as it is now."""
    return {name: value.detach().clone() for name, value in module.state_dict().items()}
