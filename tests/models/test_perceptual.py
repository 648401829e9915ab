from __future__ import annotations

import torch
from torch import nn

from models.backbones import CHANNELS, EfficientNetStages
from models.detector import Detector
from models.perceptual import PerceptualFeatures
from models.reconstruction import ReconstructionLoss


def test_stages_halve_the_resolution_each_and_hold_imagenets_weights():
    stages = EfficientNetStages().eval()
    maps = stages(torch.rand(2, 3, 32, 48))
    assert [tuple(x.shape) for x in maps] == [
        (2, channels, 32 // 2**i, 48 // 2**i) for i, channels in enumerate(CHANNELS, start=1)
    ]
    torch.manual_seed(0)
    again = EfficientNetStages().eval()(torch.ones(1, 3, 32, 32))
    torch.manual_seed(1)
    assert torch.equal(again[-1], EfficientNetStages().eval()(torch.ones(1, 3, 32, 32))[-1])


def test_features_are_frozen_and_stay_in_evaluation_mode():
    features = PerceptualFeatures().train()
    assert not any(module.training for module in features.modules())
    assert not any(p.requires_grad for p in features.parameters())
    maps = features(torch.randn(4, 3, 32, 32))
    for x in maps:
        deviation = x.std(dim=(0, 2, 3))
        assert torch.allclose(deviation[deviation > 0.5], torch.ones(()), atol=1e-3)


def test_perceptual_loss_sees_structure_that_pixels_weigh_alike():
    torch.manual_seed(0)
    image = torch.rand(1, 3, 64, 64)
    image = nn.functional.avg_pool2d(image, 9, 1, 4)
    shift = torch.full_like(image, 0.05)
    checks = 0.05 * (torch.arange(64) // 4 % 2 * 2 - 1).expand(1, 3, 64, 64)
    pixel = ReconstructionLoss(1.0, 0.0, None)
    both = ReconstructionLoss(1.0, 2.0, PerceptualFeatures())
    assert torch.allclose(pixel(image + shift, image), pixel(image + checks, image), rtol=1e-4)
    assert both(image + checks, image) > 1.5 * both(image + shift, image)


def test_detector_on_imagenet_features_trains_them():
    detector = Detector(4, 8, 0.2, 0.8, 1.5, 0.4, imagenet=True)
    proposals = detector(torch.rand(2, 3, 64, 96))
    assert proposals.logits.shape == (2, 16)
    proposals.probability.square().sum().backward()
    first = next(detector.trunk.parameters())
    assert first.grad is not None
    assert float(first.grad.abs().sum()) > 0
