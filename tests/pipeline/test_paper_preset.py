"""The preset `paper`: the numbers of the paper's text, nothing of ours, and it trains."""

from __future__ import annotations

from dataclasses import replace

import torch
from helpers_training import tiny_batch, tiny_frozen, tiny_model

from models.perceptual import PerceptualFeatures
from models.reconstruction import ReconstructionLoss
from pipeline.encoder_weights import pretrained
from pipeline.params.preset import compose, load_preset
from pipeline.training.model_step import model_loss

PAPER = load_preset("paper")
TINY = {
    "network": {"height": 32, "width": 48},
    "train_model": {
        "batch_size": 4,
        "detector": {"channels": 4, "grid": 4},
        "synthesis": {"window": 16, "channels": 4},
    },
}


def test_numbers_are_those_of_the_text() -> None:
    """As section 3 states them, typed off the page."""
    model = compose(PAPER.params).train_model
    assert model.detector.grid**2 == 64  # 3.1: C
    assert model.batch_size == 16  # 3.3: N
    assert model.sampling.samples == 1  # 3.3
    assert model.loss.perceptual / model.loss.pixel == 2  # 3.4: 1:2
    assert (model.loss.probability_prior, model.loss.mask_prior_weight) == (0.1, 0.25)  # 3.4
    assert (model.loss.mask_prior, model.loss.mask_prior_lambda) == ("v", 0.005)  # Eq. (7)
    assert model.detector.offset_limit == 1.5  # 3.4
    assert (model.detector.scale_min, model.detector.scale_max) == (0.2, 0.8)  # Table 4
    assert model.synthesis.window == 128  # 2
    assert model.encoder == "imagenet"  # 3.4


def test_nothing_of_ours_is_on() -> None:
    """Every param that docs/method.md lists as going beyond the paper."""
    params = compose(PAPER.params)
    assert not params.self_train.enabled
    assert not params.calibrate.by_motion
    assert params.predict.looks == 1
    assert params.stabilize.local == "off"
    assert [crf.smooth_weight for crf in params.calibrate.crf] == [0]
    assert params.compute_flow.change_levels == 0
    inpainters = params.train_inpainter.rgb, params.train_inpainter.flow
    assert not any(inpainter.augment for inpainter in inpainters)
    model = params.train_model
    ours = (model.recolour, model.synthesis.see_background, model.warmup_iterations)
    assert (*ours, model.loss.flow_mask, model.loss.box_fit) == (False, False, 0, 0.0, 0.0)
    assert (model.restarts, model.watch.early_stop, model.watch.collapse) == (0, 0, "warn")


def test_a_tiny_version_learns() -> None:
    """On one batch, both D (its p) and S move, and what is minimised falls."""
    params = compose(PAPER.params, TINY).train_model
    model, frozen = tiny_model(params), tiny_frozen(params)
    loss = params.loss
    features = PerceptualFeatures(
        pretrained(loss.perceptual_encoder, loss.perceptual_encoder_weights, "a.param")
    )
    distance = ReconstructionLoss(loss.pixel, loss.perceptual, features)
    frozen = replace(frozen, distance=distance)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    before = {name: value.clone() for name, value in model.named_parameters()}
    reconstruction = []
    for _ in range(6):
        # The same draw every time: the losses can be compared.
        generator = torch.Generator().manual_seed(0)
        total, terms = model_loss(model, frozen, tiny_batch(), params, generator)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        reconstruction.append(float(terms["foreground"]))
        assert torch.isfinite(total)
    assert reconstruction[-1] < reconstruction[0]
    after = dict(model.named_parameters())
    moved = [name for name, value in before.items() if not torch.equal(value, after[name])]
    for part in ("detector.logit_head", "detector.box_head", "detector.trunk", "synthesis"):
        assert any(name.startswith(part) for name in moved), part
