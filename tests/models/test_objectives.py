from __future__ import annotations

import pytest
import torch

from models.objectives import (
    box_fit,
    exact_background_objective,
    flow_objective,
    mask_prior,
    probability_prior,
)


@pytest.mark.parametrize(
    ("kind", "expected"), [("v", 0.3), ("l1", 0.3), ("l2", 0.15), ("none", 0.0)]
)
def test_mask_priors_have_their_published_values(kind, expected):
    mask = torch.zeros(1, 1, 10, 10)
    mask[..., :6, :] = 0.5  # average 0.3, average of squares 0.15
    assert mask_prior(mask, kind, 0.1).item() == pytest.approx(expected)


def test_v_prior_pushes_up_below_lambda_and_down_above():
    for value, sign in ((0.01, -1), (0.2, 1)):
        mask = torch.full((1, 1, 4, 4), value, requires_grad=True)
        mask_prior(mask, "v", 0.05).backward()
        assert (torch.sign(mask.grad) == sign).all()


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
