"""The Monte Carlo estimate against the exact sum over cells (Eq. 2), in value and gradient."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.objectives import background_objective, foreground_objective
from models.sampling import draw, leave_one_out, proposal_distribution

CELLS = 9
DRAWS = 20_000

logit_lists = st.lists(st.floats(-3, 3), min_size=CELLS, max_size=CELLS)


def estimate(logits, losses, method, epsilon, samples=1):
    """DRAWS independent estimates: their values, and their gradients with regard to the logits."""
    many = logits.detach().expand(DRAWS, -1).clone().requires_grad_()
    generator = torch.Generator().manual_seed(5)
    cells, weights = draw(many, method, samples, epsilon, 0.1, generator)
    values = (weights * losses[cells]).mean(dim=1)
    return values.detach(), torch.autograd.grad(values.sum(), many)[0]


def exact(logits, losses):
    leaf = logits.detach().clone().requires_grad_()
    value = (leaf.softmax(dim=0) * losses).sum()
    return value.detach(), torch.autograd.grad(value, leaf)[0]


def assert_within_standard_error(samples, expected):
    """Seven standard errors: a true estimator fails once in a hundred thousand million."""
    error = samples.std(dim=0) / len(samples) ** 0.5
    assert ((samples.mean(dim=0) - expected).abs() <= 7 * error + 1e-9).all()


@settings(max_examples=15, deadline=None)
@given(logit_lists, st.floats(0.001, 0.1), st.sampled_from(["importance", "uniform"]))
def test_mean_of_estimates_is_the_exact_sum_in_value_and_gradient(logits, epsilon, method):
    logits = torch.tensor(logits, dtype=torch.float64)
    losses = torch.linspace(0.2, 3.0, CELLS, dtype=torch.float64)
    value, gradient = exact(logits, losses)
    values, gradients = estimate(logits, losses, method, epsilon)
    assert_within_standard_error(values, value)
    assert_within_standard_error(gradients, gradient)


def test_leave_one_out_keeps_the_gradient_and_lowers_its_variance():
    logits = torch.linspace(-1, 1, CELLS, dtype=torch.float64)
    losses = torch.linspace(5.0, 6.0, CELLS, dtype=torch.float64)
    _, gradient = exact(logits, losses)
    gradients = {}
    for with_baseline in (False, True):
        many = logits.expand(DRAWS, -1).clone().requires_grad_()
        cells, weights = draw(many, "importance", 2, 0.01, 0.1, torch.Generator().manual_seed(1))
        density = losses[cells]
        signal = leave_one_out(density) if with_baseline else density
        value = (weights * signal).mean(dim=1).sum()
        gradients[with_baseline] = torch.autograd.grad(value, many)[0]
        assert_within_standard_error(gradients[with_baseline], gradient)
    assert gradients[True].var(dim=0).sum() < 0.2 * gradients[False].var(dim=0).sum()


@given(logit_lists, st.floats(0.0, 1 / CELLS - 1e-6))
def test_q_of_equation_6_is_a_distribution_not_below_epsilon(logits, epsilon):
    p = torch.tensor([logits], dtype=torch.float64).softmax(dim=1).requires_grad_()
    q = proposal_distribution(p, epsilon)
    assert not q.requires_grad
    assert q.sum().item() == pytest.approx(1.0)
    assert q.min() >= epsilon - 1e-12


def test_weights_are_p_over_q():
    logits = torch.randn(4, CELLS, dtype=torch.float64)
    cells, weights = draw(logits, "importance", 3, 0.05, 0.1, torch.Generator().manual_seed(0))
    p = logits.softmax(dim=1)
    q = p * (1 - CELLS * 0.05) + 0.05
    assert torch.allclose(weights, (p / q).gather(1, cells))


def test_gumbel_softmax_draws_from_p_with_weight_one():
    logits = torch.tensor([0.0, 1.0, 2.0]).expand(DRAWS, -1).clone().requires_grad_()
    cells, weights = draw(logits, "gumbel_softmax", 1, 0.0, 0.1, torch.Generator().manual_seed(0))
    assert torch.allclose(weights, torch.ones_like(weights))
    share = torch.bincount(cells[:, 0], minlength=3) / DRAWS
    assert torch.allclose(share, logits[0].detach().softmax(0), atol=0.02)
    assert torch.autograd.grad(weights.sum(), logits)[0].abs().sum() > 0


def test_excluded_cells_are_never_drawn_without_exploration():
    logits = torch.tensor([[0.0, float("-inf"), 0.0]]).expand(200, -1)
    cells, _ = draw(logits, "importance", 5, 0.0, 0.1, torch.Generator().manual_seed(0))
    assert (cells != 1).all()


def test_objectives_route_gradients_as_the_table_says():
    weights = torch.ones(2, 3, requires_grad=True)
    loss = torch.rand(2, 3, requires_grad=True)
    foreground_objective(weights, loss, to_probability=False).backward()
    assert weights.grad is None
    assert torch.allclose(loss.grad, torch.full((2, 3), 1 / 6))
    density = torch.rand(2, 3)
    background_objective(weights, density).backward()
    others = (density.sum(dim=1, keepdim=True) - density) / 2
    assert torch.allclose(weights.grad, -(density - others) / 6, atol=1e-6)
