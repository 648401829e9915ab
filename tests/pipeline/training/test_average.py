from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.training.average import WeightAverage


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def wander(module: nn.Module, steps: int) -> list[dict[str, torch.Tensor]]:
    """Random walk of the weights, batch norm seeing other inputs each time."""
    states = []
    for _ in range(steps):
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(torch.randn_like(parameter))
        module(torch.randn(8, 3))
        states.append({k: v.clone() for k, v in module.state_dict().items()})
    return states


def test_it_is_the_weighted_sum_of_all_states():
    module = network()
    average = WeightAverage(module, 0.7)
    states = [{k: v.clone() for k, v in module.state_dict().items()}]
    for step, state in enumerate(wander(module, 40)):
        module.load_state_dict(state)
        average.update(module, step)
        states.append(state)
    weights = np.ones(1)
    for step in range(40):
        decay = min(0.7, (1 + step) / (10 + step))
        weights = np.append(weights * decay, 1 - decay)
    assert weights.sum() == pytest.approx(1)
    for name in ("0.weight", "0.bias", "1.weight", "1.running_mean", "1.running_var"):
        stacked = np.stack([state[name].double().numpy() for state in states])
        expected = np.tensordot(weights, stacked, axes=1)
        assert np.allclose(average.state[name], expected, atol=1e-5), name
    assert average.state["1.num_batches_tracked"] == 40


def test_the_random_start_is_forgotten_soon():
    """After ten steps at decay 0.999 a plain average would still be 99% start."""
    module = nn.Linear(1, 1, bias=False)
    average = WeightAverage(module, 0.999)
    nn.init.constant_(module.weight, 5.0)
    start = float(average.state["weight"])
    for step in range(10):
        average.update(module, step)
    assert abs(float(average.state["weight"]) - 5) < 0.01 * abs(start - 5)


def test_in_place_of_gives_back_the_very_weights_also_after_an_error():
    module = network()
    average = WeightAverage(module, 0.9)
    own = wander(module, 3)[-1]

    def fail_with_the_average() -> None:
        with average.in_place_of(module):
            for name, value in module.state_dict().items():
                assert torch.equal(value, average.state[name])
            raise KeyError

    with pytest.raises(KeyError):
        fail_with_the_average()
    for name, value in module.state_dict().items():
        assert torch.equal(value, own[name])


def test_distance_is_relative():
    module = nn.Linear(2, 2)
    average = WeightAverage(module, 0.9)
    assert average.distance(module) == 0
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(2)
    assert average.distance(module) == pytest.approx(0.5)
