"""Tiny networks and batches for tests of training."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.inpainter import Inpainter
from models.known_background import BackgroundModel, KnownBackground
from models.model import SegmentationModel
from models.reconstruction import ReconstructionLoss
from pipeline.image_batches import as_batch
from pipeline.networks import build_model, save_network
from pipeline.params.training import TrainModel
from pipeline.store import paths
from pipeline.training.model_step import Batch, Frozen
from pipeline.training.run import Training

TINY = {
    "batch_size": 4,
    "encoder": "none",
    "detector": {"grid": 4, "channels": 4},
    "synthesis": {"window": 16, "channels": 4},
    "sampling": {"samples": 2},
    "loss": {"perceptual": 0.0},
}


def tiny_params(**changes: object) -> TrainModel:
    """TINY with top-level changes; a mapping is merged one level deep."""
    merged = {
        key: {**TINY[key], **changes[key]} if isinstance(TINY.get(key), dict) else changes[key]
        for key in changes
    }
    return TrainModel.model_validate({**TINY, **merged})


def tiny_model(params: TrainModel) -> SegmentationModel:
    torch.manual_seed(1)
    return build_model(params).train()


def tiny_frozen(params: TrainModel) -> Frozen:
    torch.manual_seed(2)
    rgb, flow = (Inpainter(4).eval().requires_grad_(False) for _ in range(2))
    distance = ReconstructionLoss(params.loss.pixel, 0.0, None)
    return Frozen(rgb, flow if params.loss.flow > 0 else None, 0.5, 0.5, distance)


def tiny_batch(flipped: bool = False) -> Batch:
    generator = torch.Generator().manual_seed(3)
    image, flow_image = torch.rand(2, 4, 3, 32, 48, generator=generator).unbind(0)
    return Batch(image, flow_image, torch.ones(4), flipped)


def write_inpainter(
    height: int, width: int, kind: str = "rgb", known: np.ndarray | None = None
) -> BackgroundModel:
    """One with random weights, or a known background (H, W, 3) uint8 in its place."""
    config: dict[str, object] = {"network": {"height": height, "width": width}}
    torch.manual_seed(0)
    module: BackgroundModel = Inpainter(4).eval()
    if known is None:
        config |= {"schema": "backdrop.inpainter", "kind": kind, "channels": 4}
    else:
        module = KnownBackground(1, height, width)
        module.backgrounds[:] = as_batch(known[None], torch.device("cpu"))
        config |= {"schema": "backdrop.known_background", "backgrounds": ["a"]}
    save_network(paths.inpainter(kind), module, config)
    return module


def recorded_batches(monkeypatch: pytest.MonkeyPatch, stage: ModuleType, step: str) -> list[Tensor]:
    """What each iteration of a stage gives its `step(network, batch, ...)` to learn from."""
    seen, original = [], getattr(stage, step)

    def record(network: nn.Module, batch: Tensor, *rest: object) -> object:
        seen.append(batch.cpu())
        return original(network, batch, *rest)

    monkeypatch.setattr(stage, step, record)
    return seen


def recorded_starts(monkeypatch: pytest.MonkeyPatch, stage: ModuleType) -> list[Tensor]:
    """All weights that each training of a stage starts from, (P,), training by training."""
    starts = []

    def record(name: str, module: nn.Module, *rest: object, **named: object) -> Training:
        starts.append(torch.cat([one.detach().flatten() for one in module.parameters()]))
        return Training(name, module, *rest, **named)

    monkeypatch.setattr(stage, "Training", record)
    return starts


def assert_only_the_first_differs(runs: Sequence[Tensor]) -> None:
    """Of three, the third repeating the second."""
    other, one, again = runs
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
