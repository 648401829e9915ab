from __future__ import annotations

import pytest
import torch

from models.objectives import (
    erased_area_cost,
    exact_background_objective,
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


def test_erased_area_costs_the_background_error_of_the_box():
    boxes = torch.tensor([[[0.5, 0.5, 0.2, 0.5]], [[0.5, 0.5, 0.4, 0.5]]], requires_grad=True)
    cost = erased_area_cost(torch.ones(2, 1), boxes, 0.1)
    assert cost.item() == pytest.approx(0.1 * (0.1 + 0.2) / 2)
    cost.backward()
    assert (boxes.grad[..., :2] == 0).all()
    assert (boxes.grad[..., 2:] > 0).all()
