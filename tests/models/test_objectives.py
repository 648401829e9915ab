from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.objectives import (
    background_objective,
    box_fit,
    exact_background_objective,
    flow_objective,
    foreground_objective,
    mask_prior,
    probability_prior,
)

masks = arrays(np.float64, (2, 6, 8), elements=st.floats(0, 1))


@given(masks, st.floats(0, 1))
def test_mask_priors_are_their_formulas(values, target):
    """Eq. (7) spelt out over x and y, and the two that Table 3 compares it with."""
    mask = torch.from_numpy(values)
    height, width = values.shape[1:]
    for image, one in enumerate(values):
        average = sum(one[y, x] for x in range(width) for y in range(height)) / (width * height)
        square = sum(one[y, x] ** 2 for x in range(width) for y in range(height)) / (width * height)
        expected = {"v": abs(average - target) + target, "l1": average, "l2": square, "none": 0.0}
        for kind, value in expected.items():
            found = mask_prior(mask, kind, target)
            assert found.shape == (2,)
            assert found[image].item() == pytest.approx(value)


def test_v_prior_pushes_up_below_lambda_and_down_above():
    """By 1 / (W H) per pixel whatever its value; L2 pushes by the value, dim ones hardly."""
    for value, sign in ((0.01, -1), (0.2, 1)):
        mask = torch.full((1, 1, 4, 4), value, requires_grad=True)
        mask_prior(mask, "v", 0.05).sum().backward()
        assert torch.allclose(mask.grad, torch.full((1, 1, 4, 4), sign / 16))
        mask.grad = None
        mask_prior(mask, "l2", 0.05).sum().backward()
        assert torch.allclose(mask.grad, torch.full((1, 1, 4, 4), 2 * value / 16))


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=9))
def test_probability_prior_is_minus_the_squared_norm(logits):
    p = torch.tensor([logits], dtype=torch.float64).softmax(dim=1).requires_grad_()
    prior = probability_prior(p)
    assert prior.item() == pytest.approx(-sum(x * x for x in p[0].tolist()))
    assert -1 - 1e-9 <= prior.item() <= -1 / len(logits) + 1e-9
    assert torch.allclose(torch.autograd.grad(prior, p)[0], -2 * p)


def test_probability_prior_rewards_one_cell_that_stands_out():
    flat, peaked = torch.full((1, 4), 0.25), torch.tensor([[0.97, 0.01, 0.01, 0.01]])
    assert probability_prior(flat).item() == pytest.approx(-0.25)
    assert probability_prior(peaked) < probability_prior(flat)


def test_exact_objective_moves_probability_to_the_worst_inpainted_cell():
    logits = torch.zeros(1, 4, requires_grad=True)
    density = torch.tensor([[1.0, 5.0, 1.0, 1.0]])
    exact_background_objective(logits.softmax(dim=1), density).backward()
    assert logits.grad.argmin().item() == 1  # descent raises it
    assert (logits.grad[0, [0, 2, 3]] > 0).all()


def test_flow_objective_wants_the_mask_where_something_moves_and_nowhere_else():
    mask = torch.full((1, 1, 4, 4), 0.25, requires_grad=True)
    error = torch.zeros(1, 1, 4, 4)
    error[..., :2] = 0.8
    cost = flow_objective(torch.ones(1, 1), mask, error)
    assert cost.item() == pytest.approx(0.75**2 * 0.8 / 2)
    cost.backward()
    assert (mask.grad[..., :2] < 0).all()
    assert (mask.grad[..., 2:] == 0).all()


def test_box_fit_moves_the_box_onto_the_extent_and_trains_nothing_else():
    boxes = torch.tensor([[[0.5, 0.5, 0.2, 0.5]]], requires_grad=True)
    extents = torch.tensor([[[0.4, 0.6, 0.3, 0.5]]])
    weights = torch.ones(1, 1, requires_grad=True)
    cost = box_fit(weights, boxes, extents)
    assert cost.item() == pytest.approx(0.3 / 4)
    cost.backward()
    assert torch.sign(boxes.grad).tolist() == [[[1.0, -1.0, -1.0, 0.0]]]
    assert weights.grad is None


@given(arrays(np.float64, (3, 2), elements=st.floats(0.1, 3)), st.booleans())
def test_the_baseline_is_a_constant_to_what_the_loss_trains(weights, exact):
    """The gradient to the loss is p/q of its own draw over the number of draws, of no other."""
    given_weights = torch.from_numpy(weights)
    loss = torch.linspace(0, 1, 6, dtype=torch.float64).view(3, 2).requires_grad_()
    for cost, sign in (
        (foreground_objective(given_weights, loss, to_probability=True, exact=exact), 1),
        (background_objective(given_weights, loss), -1),
    ):
        (gradient,) = torch.autograd.grad(cost, loss)
        assert torch.allclose(gradient, sign * given_weights / 6)
