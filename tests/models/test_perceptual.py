from __future__ import annotations

import pytest
import torch
from torch import nn

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
    maps = features(torch.randn(4, 3, 32, 32))
    for x in maps:
        deviation = x.std(dim=(0, 2, 3))
        assert torch.allclose(deviation[deviation > 0.5], torch.ones(()), atol=1e-3)


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
