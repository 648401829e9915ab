"""Under autocast to bfloat16: what says where a px lies stays in float32."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models import matrix_forms
from models.detector import Detector
from models.direct_detector import DirectDetector
from models.spatial_transformer import crop, uncrop
from pipeline.training.augment import view

WIDE = torch.linspace(0, 1, 640).expand(2, 3, 8, 640).contiguous()  # a step of bfloat16: 1.25 px
BOXES = torch.tensor([[0.83, 0.51, 0.31, 0.62], [0.71, 0.48, 0.43, 0.57]])


def mixed():
    return torch.autocast("cpu", torch.bfloat16)


def test_augmentation_samples_where_it_is_told_to():
    turn, zoom = np.array([0.1, -0.2]), np.array([1.1, 0.9])
    how = turn, zoom, np.array([[0.13, -0.07], [0.02, 0.3]]), np.array([1.0, -1.0])
    exact = view(WIDE, *how)
    with mixed():
        assert torch.equal(view(WIDE, *how), exact)


@pytest.mark.parametrize("by_matrices", [False, True])
@pytest.mark.parametrize("operator", [crop, uncrop])
def test_the_spatial_transformers_sample_where_the_box_is(monkeypatch, operator, by_matrices):
    monkeypatch.setattr(matrix_forms, "needed", lambda _x: by_matrices)
    exact = operator(WIDE, BOXES, 8, 320)
    with mixed():
        assert torch.equal(operator(WIDE, BOXES, 8, 320), exact)


@pytest.mark.parametrize(
    "detector",
    [Detector(4, 8, 0.2, 0.8, 1.5, 0.4), DirectDetector(4, 8, 0.2, 0.8, 0.4)],
    ids=["grid", "direct"],
)
def test_boxes_are_not_rounded(detector):
    raw = []
    hook = detector.box_head[-1].register_forward_hook(lambda *seen: raw.append(seen[-1]))
    with mixed(), hook:
        proposals = detector.eval()(WIDE[..., :64])
    assert not torch.equal(raw[0], raw[0].bfloat16().float())
    assert proposals.boxes.dtype is torch.float32
    assert not torch.equal(proposals.boxes, proposals.boxes.bfloat16().float())


def test_probabilities_and_their_gradients_are_not_rounded():
    """The baseline of G relies on gradients of p that sum to zero over the cells."""
    detector = Detector(4, 8, 0.2, 0.8, 1.5, 0.4).eval()
    with mixed():
        proposals = detector(WIDE[..., :64])
        proposals.logits.retain_grad()
        proposals.probability[:, 3].sum().backward()
    gradient = proposals.logits.grad
    assert proposals.probability.dtype is torch.float32
    assert gradient.sum(dim=1).abs().max() < 1e-6 * gradient.abs().max()


def test_running_sums_are_exact(monkeypatch):
    mass = torch.rand(3, 320, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(matrix_forms, "needed", lambda _x: True)
    with mixed():
        found = matrix_forms.running_sum(mass)
    assert torch.allclose(found.double(), mass.double().cumsum(dim=1), rtol=1e-5)
