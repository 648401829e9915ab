from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from models.flownet2 import VARIANTS

SHIFT = torch.tensor([3.0, -2.0])[None, :, None, None]  # px to the right, px downwards


def shifted_pair():
    texture = F.interpolate(torch.rand(2, 3, 20, 20), scale_factor=4, mode="bilinear")
    return texture[..., 8:72, 8:72], texture[..., 10:74, 5:69]


@pytest.mark.parametrize("variant", ["flownet2_cs", "flownet2_sd"])
def test_a_constant_shift_is_learned_in_a_few_dozen_steps(variant):
    torch.manual_seed(0)
    network = VARIANTS[variant](0.125)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    errors = []
    for _ in range(40):
        levels = network.pyramid(*shifted_pair())
        loss = sum((level - SHIFT).norm(dim=1).mean() for level in levels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        errors.append(loss.item())
    assert sum(errors[-5:]) < 0.25 * sum(errors[:5])
    target, source = shifted_pair()
    with torch.no_grad():
        assert (network(target, source) - SHIFT).norm(dim=1).mean() < 1.0
