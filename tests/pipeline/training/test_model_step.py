"""Which term trains which network: the table of DESIGN section 4 on the real networks."""

from __future__ import annotations

import pytest
import torch
from helpers_training import tiny_batch, tiny_frozen, tiny_model, tiny_params
from torch import nn

from pipeline.training.augment import GAIN, jitter, recolour
from pipeline.training.model_step import model_loss

OFF = {
    "probability_prior": 0.0,
    "mask_prior": "none",
    "flow": 0.0,
    "flow_mask": 0.0,
    "box_fit": 0.0,
}


def gradients(module: nn.Module) -> float:
    return sum(float(p.grad.abs().sum()) for p in module.parameters() if p.grad is not None)


def step(params, flipped=False, seed=0):
    model = tiny_model(params)
    generator = torch.Generator().manual_seed(seed)
    loss, terms = model_loss(model, tiny_frozen(params), tiny_batch(flipped), params, generator)
    loss.backward()
    return model, loss.detach(), terms


def test_background_objective_alone_trains_p_and_neither_boxes_nor_synthesis():
    model, _, _ = step(tiny_params(objective="background_only", loss=OFF))
    assert gradients(model.detector.logit_head) > 0
    assert gradients(model.detector.box_head) == 0
    assert gradients(model.synthesis) == 0


def test_disentangled_foreground_trains_boxes_and_synthesis_and_never_p():
    params = tiny_params(loss=OFF)
    model = tiny_model(params)
    batch, frozen = tiny_batch(), tiny_frozen(params)
    generator = torch.Generator().manual_seed(0)
    _, terms = model_loss(model, frozen, batch, params, generator)
    # Terms come detached; the foreground's part is the loss less the background's.
    both, _ = model_loss(model, frozen, batch, params, torch.Generator().manual_seed(0))
    both.backward()
    with_foreground = [p.grad.clone() for p in model.detector.logit_head.parameters()]
    model.zero_grad()
    only = tiny_params(objective="background_only", loss=OFF)
    background, _ = model_loss(model, frozen, batch, only, torch.Generator().manual_seed(0))
    background.backward()
    without = [p.grad for p in model.detector.logit_head.parameters()]
    for one, other in zip(with_foreground, without, strict=True):
        assert torch.allclose(one, other, atol=1e-7)
    assert terms["foreground"] > 0


def test_foreground_reaches_boxes_and_synthesis():
    model, _, _ = step(tiny_params(loss=OFF))
    assert gradients(model.synthesis) > 0
    last = model.detector.box_head[-1]
    assert float(last.bias.grad.abs().sum()) > 0


def test_joint_training_lets_the_foreground_reach_p():
    for objective, reaches in (("foreground_only", True), ("disentangled", False)):
        params = tiny_params(objective=objective, loss=OFF)
        model = tiny_model(params)
        frozen = tiny_frozen(params)
        loss, _ = model_loss(model, frozen, tiny_batch(), params, torch.Generator().manual_seed(0))
        background = tiny_params(objective="background_only", loss=OFF)
        if not reaches:
            loss = (
                loss
                - model_loss(
                    model, frozen, tiny_batch(), background, torch.Generator().manual_seed(0)
                )[0]
            )
        loss.backward()
        assert (gradients(model.detector.logit_head) > 1e-4) == reaches


def test_mask_prior_alone_trains_the_synthesis():
    params = tiny_params(loss={**OFF, "pixel": 0.0, "mask_prior": "v", "mask_prior_weight": 1.0})
    model, _, terms = step(params)
    assert gradients(model.synthesis.mask) > 0
    assert gradients(model.synthesis.foreground) == 0
    assert terms["mask_area"] > 0.005


def test_inpainters_stay_frozen():
    params = tiny_params()
    frozen = tiny_frozen(params)
    model = tiny_model(params)
    model_loss(model, frozen, tiny_batch(), params, torch.Generator().manual_seed(0))[0].backward()
    assert all(p.grad is None for p in frozen.rgb.parameters())
    assert all(p.grad is None for p in frozen.flow.parameters())


@pytest.mark.parametrize("method", ["importance", "uniform", "gumbel_softmax"])
@pytest.mark.parametrize("objective", ["disentangled", "joint"])
def test_every_way_of_sampling_trains_for_some_steps(method, objective):
    params = tiny_params(objective=objective, sampling={"method": method})
    model, frozen = tiny_model(params), tiny_frozen(params)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    before = [p.detach().clone() for p in model.parameters()]
    for iteration in range(3):
        generator = torch.Generator().manual_seed(iteration)
        loss, _ = model_loss(model, frozen, tiny_batch(iteration % 2 == 1), params, generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert torch.isfinite(loss)
    changed = [not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)]
    assert sum(changed) > len(changed) // 2


def test_a_pair_without_homography_adds_no_flow_error():
    params = tiny_params(recolour=False)
    model, frozen, batch = tiny_model(params), tiny_frozen(params), tiny_batch()
    unusable = type(batch)(batch.image, batch.flow_image, torch.zeros(4), False)
    without = tiny_params(recolour=False, loss={"flow": 0.0})
    one = model_loss(model, frozen, unusable, params, torch.Generator().manual_seed(0))[1]
    two = model_loss(model, frozen, batch, without, torch.Generator().manual_seed(0))[1]
    assert torch.allclose(one["background"], two["background"])


def test_recolouring_changes_only_what_differs_from_the_background():
    background = torch.rand(8, 3, 16, 16) * 0.4 + 0.3
    image = background.clone()
    image[..., 4:8, 4:8] += 0.1
    recoloured = recolour(image, background, torch.Generator().manual_seed(0))
    outside = torch.ones(16, 16, dtype=torch.bool)
    outside[4:8, 4:8] = False
    assert torch.allclose(recoloured[..., outside], image[..., outside], atol=1e-6)
    change = (recoloured - image)[..., 4:8, 4:8].abs().amax(dim=(1, 2, 3))
    assert 0 < (change > 1e-4).sum() < 8  # about half of the images
    length = (recoloured - background)[..., 4:8, 4:8].square().sum(dim=1).sqrt()
    assert torch.allclose(length, torch.full_like(length, 0.1 * 3**0.5), atol=1e-5)


def test_jitter_changes_each_channel_affinely_and_each_image_otherwise():
    ramp = torch.linspace(0, 1, 64).view(1, 1, 8, 8).expand(5, 3, 8, 8)
    lit = jitter(ramp, torch.Generator().manual_seed(0))
    gain = lit[..., 7, 7] - lit[..., 0, 0]
    level = (lit[..., 7, 7] + lit[..., 0, 0]) / 2
    expected = ramp * gain[..., None, None] + (level - gain / 2)[..., None, None]
    assert torch.allclose(lit, expected, atol=1e-5)
    assert gain.sub(1).abs().max() <= GAIN
    assert level.sub(0.5).abs().max() <= GAIN / 2 + 1e-6
    assert len(gain.flatten().unique()) == 15


def test_flow_terms_train_mask_and_boxes_and_never_p():
    quiet = {"pixel": 0.0, "probability_prior": 0.0, "mask_prior": "none"}
    for wanted, flow_mask, fit in (("mask", 1.0, 0.0), ("boxes", 0.0, 1.0)):
        loss = {**quiet, "flow_mask": flow_mask, "box_fit": fit}
        params = tiny_params(objective="disentangled", loss=loss)
        model, frozen = tiny_model(params), tiny_frozen(params)
        seed = torch.Generator().manual_seed(0)
        total, _ = model_loss(model, frozen, tiny_batch(), params, seed)
        background = tiny_params(objective="background_only", loss=loss)
        seed = torch.Generator().manual_seed(0)
        (total - model_loss(model, frozen, tiny_batch(), background, seed)[0]).backward()
        assert gradients(model.detector.logit_head) < 1e-6
        assert (gradients(model.synthesis.mask) > 0) == (wanted == "mask")
        assert float(model.detector.box_head[-1].bias.grad[2:].abs().sum()) > 0
        assert gradients(model.synthesis.foreground) == 0
