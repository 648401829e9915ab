"""One step of D and S in every way that params can ask for, on real small networks."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from helpers_training import tiny_batch, tiny_frozen, tiny_model, tiny_params

from models.known_background import KnownBackground
from pipeline.encoder_weights import first_weights, start_encoders
from pipeline.training.augment import GAIN, jitter, recolour
from pipeline.training.cell_errors import mean_in_hole
from pipeline.training.model_step import model_loss

MODULES = ("detector.logit_head", "detector.box_head", "detector.trunk", "synthesis")
D_AND_S = set(MODULES)
WAYS = {
    "importance": ({}, D_AND_S),
    "uniform": ({"sampling": {"method": "uniform"}}, D_AND_S),
    "gumbel_softmax": ({"sampling": {"method": "gumbel_softmax"}}, D_AND_S),
    "exact": ({"sampling": {"method": "exact"}}, D_AND_S),
    "joint": ({"objective": "joint"}, D_AND_S),
    "joint gumbel": (
        {"objective": "joint", "sampling": {"method": "gumbel_softmax"}},
        D_AND_S,
    ),
    "background_only": (
        {"objective": "background_only"},
        D_AND_S - {"synthesis"},
    ),
    "foreground_only": ({"objective": "foreground_only"}, D_AND_S),
    "direct": ({"proposals": "direct"}, D_AND_S - {"detector.logit_head"}),
    "direct joint": (
        {"proposals": "direct", "objective": "joint"},
        D_AND_S - {"detector.logit_head"},
    ),
    "imagenet": ({"encoder": "imagenet"}, D_AND_S),
    "resnet18": ({"encoder": "resnet18", "encoder_weights": "random"}, D_AND_S),
    "paper's S": ({"encoder": "imagenet", "synthesis": {"see_background": False}}, D_AND_S),
    "plain transformer": ({"synthesis": {"focal": False}}, D_AND_S),
    **{
        f"mask prior {kind}": ({"loss": {"mask_prior": kind}}, D_AND_S)
        for kind in ("l1", "l2", "none")
    },
}


@pytest.mark.parametrize("way", WAYS)
def test_every_choice_trains_what_it_should_for_some_steps(way):
    changes, trained = WAYS[way]
    params = tiny_params(**changes)
    model, frozen = tiny_model(params), tiny_frozen(params)
    start_encoders(model, first_weights(params))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for iteration in range(3):
        generator = torch.Generator().manual_seed(iteration)
        loss, _ = model_loss(model, frozen, tiny_batch(iteration % 2 == 1), params, generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert torch.isfinite(loss)
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert {part for part in MODULES if any(name.startswith(part) for name in changed)} == trained


def test_what_a_box_leaves_out_costs_the_joint_objective_too_where_the_background_is_known():
    """3.1: B holds everywhere. S paints nothing in small boxes: F is B, and O is |B - I|."""
    params = tiny_params(objective="joint", recolour=False)
    model, batch = tiny_model(params), tiny_batch()
    model.synthesis.offset.data.fill_(1e4)  # logits of -80,000: the mask is exactly empty
    known = KnownBackground(1, 32, 48)
    known.backgrounds.fill_(0.5)
    frozen = dataclasses.replace(tiny_frozen(params), rgb=known)
    seed = torch.Generator().manual_seed(0)
    _, terms = model_loss(model, frozen, batch, params, seed)
    whole = torch.ones(4, 1, 32, 48)
    behind = known(batch.image, 0 * whole)
    error = mean_in_hole(behind, batch.image, whole).mean()
    assert terms["foreground"] == pytest.approx(params.loss.pixel * float(error), rel=0.05)


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
