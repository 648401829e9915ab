"""Every row that `benchmarks.train` measures is a loss that trains its network."""

from __future__ import annotations

import pytest
import torch

from benchmarks.train import FORMS, Bench, step_of

BENCH = Bench(torch.device("cpu"), channels_last=True)


@pytest.mark.parametrize("name", list(BENCH.works()))
def test_a_step_moves_the_weights(name: str) -> None:
    torch.manual_seed(0)
    work = BENCH.works()[name]()
    before = [weight.detach().clone() for weight in work.trained.parameters()]
    step_of(work, FORMS["+ fused AdamW"], BENCH.device)()
    after = list(work.trained.parameters())
    assert all(torch.isfinite(weight).all() for weight in after)
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
