"""The table that D warms up on: what counts for frames, for flow, and where a pair failed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers_training import tiny_params

from models.boxes import initial_boxes
from models.known_background import KnownBackground
from pipeline.training.cell_errors import cell_errors
from pipeline.training.warm_up import build_table

CPU = torch.device("cpu")


class Frames:
    """Stands for `TrainingFrames`: images that are at hand."""

    def __init__(self, images: torch.Tensor) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, indices: list[int], device: torch.device) -> torch.Tensor:
        return self.images[indices].to(device)


def grey() -> KnownBackground:
    background = KnownBackground(1, 32, 48)
    background.backgrounds.fill_(0.5)
    return background


def with_spot(count: int) -> torch.Tensor:
    """Grey images with a bright spot at another place each."""
    images = torch.full((count, 3, 32, 48), 0.5)
    for number in range(count):
        images[number, :, 4 + 3 * number : 8 + 3 * number, 6 * number : 6 * number + 6] = 1.0
    return images


def table(flow_images: torch.Tensor, ok: torch.Tensor):
    params = tiny_params(loss={"flow": 3.0}, warmup_frames=len(ok))
    frames = Frames(with_spot(len(ok)))
    flow = (grey(), Frames(flow_images), ok)
    return build_table(grey(), frames, flow, params, np.random.default_rng(0), CPU)


def test_pairs_that_failed_leave_no_trace_in_the_scale_of_flow():
    """Their flow images say nothing; the others' spread and contrast are as if alone."""
    ok = torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0, 0.0])
    images = torch.where(ok[:, None, None, None] > 0, with_spot(6), 0.5)
    mixed, alone = table(images, ok), table(images[ok > 0], torch.ones(2))
    assert mixed.flow.spread == pytest.approx(alone.flow.spread)
    assert mixed.flow.contrast == pytest.approx(alone.flow.contrast)
    assert mixed.flow.contrast > 8


def test_density_is_both_errors_at_unit_spread_and_frames_alone_where_the_pair_failed():
    ok = torch.tensor([1.0, 0.0, 1.0])
    built = table(with_spot(3), ok)
    boxes = initial_boxes(4, tiny_params().detector.scale_initial)
    errors = cell_errors(grey(), with_spot(3), boxes)
    flow_spread = errors[ok > 0].std(dim=1).mean()
    expected = errors / errors.std(dim=1).mean() + 3 * ok[:, None] * errors / flow_spread
    assert torch.allclose(built.density, expected, rtol=1e-5)


def test_where_every_pair_failed_the_frames_decide():
    built = table(torch.full((3, 3, 32, 48), 0.5), torch.zeros(3))
    assert built.flow.contrast == 0.0
    assert built.density.std(dim=1).mean() == pytest.approx(1.0)
