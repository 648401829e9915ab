from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from models.layers import IMAGENET_MEAN, IMAGENET_STD
from models.perceptual import PerceptualFeatures
from models.reconstruction import ReconstructionLoss
from pipeline.encoder_weights import pretrained


@pytest.fixture
def features():
    return PerceptualFeatures(pretrained("imagenet", "auto", "a.param"))


def test_features_are_frozen_and_stay_in_evaluation_mode(features):
    features.train()
    assert not any(module.training for module in features.modules())
    assert not any(p.requires_grad for p in features.parameters())
    assert [x.shape[2] for x in features(torch.randn(4, 3, 32, 32))] == [16, 8, 4]


def test_the_distance_is_each_images_own(features):
    torch.manual_seed(0)
    loss = ReconstructionLoss(0.0, 2.0, features)
    ours, theirs = torch.rand(2, 3, 3, 32, 32) * torch.tensor([1.0, 0.5, 0.1])[:, None, None, None]
    alone = torch.cat([loss(ours[i : i + 1], theirs[i : i + 1]) for i in range(3)])
    assert torch.allclose(loss(ours, theirs), alone, rtol=1e-4)


def test_its_gradient_is_the_change_of_its_value(features):
    """Against central differences: towards the target, and along the contrast."""
    torch.manual_seed(0)
    loss = ReconstructionLoss(0.0, 1.0, features.double())
    theirs = nn.functional.avg_pool2d(torch.rand(1, 3, 32, 32), 5, 1, 2).double()
    ours = (theirs + 0.1 * torch.rand_like(theirs)).requires_grad_()
    (gradient,) = torch.autograd.grad(loss(ours, theirs).sum(), ours)
    for way in (theirs - ours.detach(), ours.detach() - ours.detach().mean()):
        ahead, behind = (loss(ours + step * way, theirs).item() for step in (1e-4, -1e-4))
        assert (gradient * way).sum().item() == pytest.approx((ahead - behind) / 2e-4, rel=1e-3)


def test_perceptual_loss_sees_structure_that_pixels_weigh_alike(features):
    torch.manual_seed(0)
    image = torch.rand(1, 3, 64, 64)
    image = nn.functional.avg_pool2d(image, 9, 1, 4)
    shift = torch.full_like(image, 0.05)
    checks = 0.05 * (torch.arange(64) // 4 % 2 * 2 - 1).expand(1, 3, 64, 64)
    pixel = ReconstructionLoss(1.0, 0.0, None)
    both = ReconstructionLoss(1.0, 2.0, features)
    assert torch.allclose(pixel(image + shift, image), pixel(image + checks, image), rtol=1e-4)
    assert both(image + checks, image) > 1.5 * both(image + shift, image)


class Maps(nn.Module):
    """Two maps of features, of several channels with means and contrasts of their own."""

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return [
            x[:, :2] * torch.tensor([1.0, 4.0])[:, None, None] + 7,
            x[:, 2:, ::2] - x[:, :1, ::2],
        ]


def test_it_is_the_papers_sum_in_standard_deviations_of_the_wanted_maps():
    torch.manual_seed(0)
    ours, theirs = torch.rand(2, 2, 3, 8, 10)
    mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    found = ReconstructionLoss(1.5, 2.5, Maps())(ours, theirs)
    for number in range(2):
        mine, wanted = (((one[number] - mean) / std).numpy() for one in (ours, theirs))
        expected = 1.5 * np.mean((mine - wanted) ** 2)
        maps = (Maps()(torch.tensor(one)[None]) for one in (mine, wanted))
        for a, b in zip(*maps, strict=True):
            variance = np.mean([np.var(channel) for channel in b[0].numpy()])
            expected += 2.5 * np.mean((a - b).numpy() ** 2) / variance
        assert found[number].item() == pytest.approx(expected, rel=1e-4)
