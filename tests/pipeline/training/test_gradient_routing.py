"""Who trains what: DESIGN section 4's table and ours, row by row, through the real networks.

"Never" is exact: no gradient at all, or zeros. The inpainters' parameters ask for gradients here,
so that they would get some if a path led to them.
"""

from __future__ import annotations

import dataclasses

import pytest
import torch
from helpers_training import tiny_batch, tiny_frozen, tiny_model, tiny_params

from pipeline.training import model_step
from pipeline.training.model_step import model_terms

P, B, INPAINTER, FLOW_INPAINTER = "p", "b", "I", "I_f"
FOREGROUND, MASK, CODE = "S's foreground", "S's mask", "S's encoder"
S = {FOREGROUND, MASK, CODE}
EVERYTHING = {P, B, INPAINTER, FLOW_INPAINTER} | S
ROUTES = {
    # what params change: {term: what it reaches}; it never reaches the rest
    "disentangled": (
        {},
        {
            "foreground": {B} | S,
            "background": {P},
            "probability_prior": {P},
            "mask_prior": {B, MASK, CODE},
            "flow_mask": {B, MASK, CODE},
            "box_fit": {B},
        },
    ),
    "exact sum": (
        {"sampling": {"method": "exact"}},
        {"foreground": {B} | S, "background": {P}, "mask_prior": {B, MASK, CODE}},
    ),
    "joint": (
        {"objective": "joint"},
        {"foreground": {P, B} | S, "background": {P, B}, "mask_prior": {B, MASK, CODE}},
    ),
    "background only": (
        {"objective": "background_only"},
        {"background": {P, B}, "probability_prior": {P}},
    ),
    "foreground only": (
        {"objective": "foreground_only"},
        {"foreground": {P, B} | S, "probability_prior": {P}, "box_fit": {B}},
    ),
    "direct regression": (
        {"proposals": "direct"},
        {"foreground": {B} | S, "background": {B}, "probability_prior": set(), "box_fit": {B}},
    ),
}
CASES = [(setting, term) for setting, (_, reached) in ROUTES.items() for term in reached]


def parts(model, frozen):
    of = {
        B: model.detector.box_head,
        FOREGROUND: model.synthesis.foreground,
        MASK: model.synthesis.mask,
        CODE: model.synthesis.encoder,
        INPAINTER: frozen.rgb,
        FLOW_INPAINTER: frozen.flow,
    }
    if hasattr(model.detector, "logit_head"):
        of[P] = model.detector.logit_head
    return {name: list(module.parameters()) for name, module in of.items()}


def reached_by(term, changes, **constants):
    """Names of the parts to which the term sends a gradient."""
    params = tiny_params(**changes)
    model = tiny_model(params)
    torch.manual_seed(4)
    for parameter in model.parameters():  # as trained: D's heads start with zeros
        parameter.data += 0.05 * torch.randn_like(parameter)
    frozen = dataclasses.replace(tiny_frozen(params), **constants)
    for network in (frozen.rgb, frozen.flow):
        network.requires_grad_(True)
    generator = torch.Generator().manual_seed(0)
    terms, _ = model_terms(model, frozen, tiny_batch(), params, generator)
    if not terms[term].requires_grad:
        return set()
    found = set()
    for name, parameters in parts(model, frozen).items():
        gradients = torch.autograd.grad(
            terms[term], parameters, retain_graph=True, allow_unused=True
        )
        if any(gradient is not None and bool((gradient != 0).any()) for gradient in gradients):
            found.add(name)
    return found


@pytest.mark.parametrize(("setting", "term"), CASES)
def test_a_term_reaches_what_the_table_says_and_nothing_else(setting, term):
    changes, reached = ROUTES[setting]
    assert reached[term] < EVERYTHING
    assert reached_by(term, changes) == reached[term]


def test_background_objective_of_flow_images_alone_trains_p_alone():
    assert reached_by("background", {}, rgb_spread=float("inf")) == {P}


@pytest.mark.parametrize("setting", ["joint", "direct regression"])
def test_background_objective_of_flow_images_reaches_boxes_where_it_should(setting):
    changes, reached = ROUTES[setting]
    assert reached_by("background", changes, rgb_spread=float("inf")) == reached["background"]


def test_settings_have_the_terms_of_their_objectives():
    for objective, absent in (("background_only", "foreground"), ("foreground_only", "background")):
        params = tiny_params(objective=objective)
        seed = torch.Generator().manual_seed(0)
        terms, _ = model_terms(tiny_model(params), tiny_frozen(params), tiny_batch(), params, seed)
        assert absent not in terms


@pytest.mark.parametrize("recolour", [False, True])
def test_only_joint_lets_the_hole_of_the_foregrounds_background_pull_the_box(monkeypatch, recolour):
    """With an empty mask F is B: all that O says of the box, it says through the hole.

    Opposite colours are as far from what is filled in as the subject's own.
    """
    monkeypatch.setattr(model_step, "recolour", lambda image, filled, _: 2 * filled - image)
    for objective, pulls in (("joint", True), ("disentangled", False)):
        params = tiny_params(objective=objective, recolour=recolour)
        model = tiny_model(params)
        model.synthesis.offset.data.fill_(1e4)  # logits of -80,000: the mask is exactly empty
        seed = torch.Generator().manual_seed(0)
        terms, _ = model_terms(model, tiny_frozen(params), tiny_batch(), params, seed)
        last = model.detector.box_head[-1]
        (gradient,) = torch.autograd.grad(terms["foreground"], [last.bias])
        assert bool((gradient[2:] > 0).all()) == pulls  # a smaller hole has a smaller error
        assert bool((gradient != 0).any()) == pulls
