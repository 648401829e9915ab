"""Every row that `benchmarks.train` measures is a loss that trains its network."""

from __future__ import annotations

import pytest
import torch

from benchmarks.train import FORMS, step_of
from benchmarks.training_work import Bench
from models.known_background import KnownBackground

BENCH = Bench(torch.device("cpu"), channels_last=True, preset="demo")


def test_a_known_background_is_neither_learnt_nor_inpainted() -> None:
    bench = Bench(BENCH.device, channels_last=True, preset="static-camera")
    works = bench.works()
    assert "inpainter, frames" not in works
    behind = works["model step"]().networks[2]
    assert isinstance(behind, KnownBackground)
    torch.manual_seed(0)
    assert torch.isfinite(works["model step"]().loss())


@pytest.mark.parametrize("name", list(BENCH.works()))
def test_a_step_has_a_gradient_and_leaves_finite_weights(name: str) -> None:
    torch.manual_seed(0)
    work = BENCH.works()[name]()
    step_of(work, FORMS["+ fused AdamW"], BENCH.device)()
    weights = list(work.trained.parameters())
    assert any(weight.grad is not None and weight.grad.any() for weight in weights)
    assert all(torch.isfinite(weight).all() for weight in weights)
