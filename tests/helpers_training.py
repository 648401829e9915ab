"""Tiny networks and batches for tests of training."""

from __future__ import annotations

import torch

from models.inpainter import Inpainter
from models.model import SegmentationModel
from models.reconstruction import ReconstructionLoss
from pipeline.networks import build_model
from pipeline.params.training import TrainModel
from pipeline.training.model_step import Batch, Frozen

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
