from __future__ import annotations

import numpy as np
import pytest
import torch

from models.inpainter import Inpainter
from pipeline.params.training import Inpainter as InpainterParams
from pipeline.training import inpainter_step as step
from pipeline.training.inpainter_step import inpainter_step, move_camera, random_holes


def test_holes_cover_the_share_that_their_sizes_say():
    params = InpainterParams(holes=1, hole_min=0.3, hole_max=0.3)
    holes = random_holes(torch.zeros(400, 3, 40, 40), params, np.random.default_rng(0))
    inside = (0.3 - 0.3**2 / 4) ** 2  # per side: the mean of a hole's part within the image
    assert abs(float(holes.mean()) - inside) < 0.01
    assert set(holes.unique().tolist()) == {0.0, 1.0}


def test_camera_moves_are_small_and_keep_the_colours():
    image = torch.rand(6, 3, 24, 32)
    moved = move_camera(image, np.random.default_rng(0))
    assert moved.shape == image.shape
    assert moved.min() >= 0
    assert moved.max() <= 1
    ramp = ((torch.arange(32) + 0.5) / 32).expand(6, 3, 24, 32)
    centre = move_camera(ramp, np.random.default_rng(1))[:, 0, 11:13, 15:17].mean(dim=(1, 2))
    assert (centre - 0.5).abs().max() < 0.12  # the middle moves by a tenth of the image at most


def test_a_camera_shifts_no_further_than_its_zoom_has_left_out_of_view(monkeypatch):
    """Unless it turns, it shows nothing mirrored: what rises along an axis still does."""
    monkeypatch.setattr(step, "MAX_ROTATION", 0.0)
    for dim, size in ((2, 24), (3, 32)):
        shape = [1, 1, 1, 1]
        shape[dim] = size
        ramp = ((torch.arange(size) + 0.5) / size).view(shape).expand(64, 3, 24, 32)
        moved = move_camera(ramp, np.random.default_rng(0))
        assert moved.diff(dim=dim).min() > -1e-6
        middle = moved.mean(dim=(1, 2, 3)) - 0.5
        assert middle.min() < -0.06  # of 0.1
        assert middle.max() > 0.06


def test_a_network_learns_a_constant_scene_in_a_few_steps():
    torch.manual_seed(0)
    scene = torch.rand(1, 3, 1, 1).expand(4, 3, 24, 32).contiguous()
    network, params = Inpainter(8).train(), InpainterParams(augment=True)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    losses = []
    for iteration in range(60):
        loss = inpainter_step(network, scene, params, np.random.default_rng(iteration))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-5:]) < 0.25 * losses[0]


def test_several_holes_are_united():
    """A pixel stays visible if both rectangles miss it; a side is hit if its centre is near."""
    params = InpainterParams(holes=2, hole_min=0.3, hole_max=0.3)
    holes = random_holes(torch.zeros(800, 3, 40, 40), params, np.random.default_rng(0))
    place = (np.arange(40) + 0.5) / 40
    hit = np.minimum(place + 0.15, 1) - np.maximum(place - 0.15, 0)
    expected = np.mean(1 - (1 - np.outer(hit, hit)) ** 2)
    assert float(holes.mean()) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("augment", [False, True])
def test_the_camera_moves_if_asked(augment):
    scene, shown = torch.rand(4, 3, 24, 32), []

    def network(images, hole):
        shown.append(images)
        return images

    inpainter_step(network, scene, InpainterParams(augment=augment), np.random.default_rng(0))
    assert torch.equal(shown[0], scene) != augment
