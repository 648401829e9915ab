"""The Monte Carlo estimate against the exact sum over cells (Eq. 2), in value and gradient."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.objectives import background_objective, foreground_objective
from models.sampling import draw, leave_one_out, proposal_distribution

CELLS = 9
DRAWS = 20_000
BATCHES, BATCH = 150, 16

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


def objective_estimates(logits, losses, draw_cells, samples, objective):
    """BATCHES independent estimates: values, and gradients by the logits and by the losses."""
    generator = torch.Generator().manual_seed(7)
    values, by_logits, by_losses = [], [], []
    for _ in range(BATCHES):
        p_leaf, loss_leaf = (x.detach().clone().requires_grad_() for x in (logits, losses))
        cells, weights = draw_cells(p_leaf.expand(BATCH, -1), samples, generator)
        value = objective(weights, loss_leaf[cells])
        gradient = torch.autograd.grad(value, [p_leaf, loss_leaf])
        values.append(value.detach())
        by_logits.append(gradient[0])
        by_losses.append(gradient[1])
    return torch.stack(values), torch.stack(by_logits), torch.stack(by_losses)


def from_any(q):
    """Eq. (5) with cells drawn from an arbitrary q."""

    def draw_cells(logits, samples, generator):
        many = q.expand(len(logits), -1)
        cells = torch.multinomial(many, samples, replacement=True, generator=generator)
        return cells, (logits.softmax(dim=1) / many).gather(1, cells)

    return draw_cells


def from_method(method, epsilon):
    def draw_cells(logits, samples, generator):
        return draw(logits, method, samples, epsilon, 0.1, generator)

    return draw_cells


@settings(max_examples=4, deadline=None)
@given(
    logit_lists,
    st.lists(st.floats(0.3, 1.0), min_size=CELLS, max_size=CELLS),
    st.floats(0.001, 0.1),
    st.sampled_from(["importance", "uniform", "any q"]),
    st.sampled_from([1, 2, 3]),
)
def test_objectives_are_unbiased_in_value_and_every_gradient(logits, q, epsilon, method, samples):
    """O and G with baselines, for any p, q, epsilon and J; joint: losses have gradients too."""
    logits = torch.tensor(logits, dtype=torch.float64)
    losses = torch.linspace(4.0, 7.0, CELLS, dtype=torch.float64)
    shares = torch.tensor(q, dtype=torch.float64)
    draw_cells = from_any(shares / shares.sum()) if method == "any q" else None
    draw_cells = draw_cells or from_method(method, epsilon)
    value, gradient = exact(logits, losses)
    p = logits.softmax(dim=0)
    for sign, objective in (
        (1, partial(foreground_objective, to_probability=True)),
        (-1, background_objective),
    ):
        found = objective_estimates(logits, losses, draw_cells, samples, objective)
        for estimates, expected in zip(found, (value, gradient, p), strict=True):
            assert_within_standard_error(estimates, sign * expected)


@given(logit_lists)
def test_exact_is_the_sum_over_all_cells(logits):
    leaf = torch.tensor([logits], dtype=torch.float64, requires_grad=True)
    losses = torch.linspace(0.2, 3.0, CELLS, dtype=torch.float64)
    cells, weights = draw(leaf, "exact", 1, 0.0, 0.1)
    assert cells.tolist() == [list(range(CELLS))]
    value = foreground_objective(weights, losses[cells], to_probability=True, exact=True)
    expected, gradient = exact(leaf[0], losses)
    assert torch.allclose(value, expected)
    assert torch.allclose(torch.autograd.grad(value, leaf)[0][0], gradient)


def plain(weights, loss):
    return (weights * loss).mean()


def gradient_variance(method, samples, objective, logits):
    """Of an objective's gradient by the logits, summed over the cells."""
    losses = torch.linspace(5.0, 6.0, CELLS, dtype=torch.float64)
    draw_cells = from_method(method, 0.01)
    _, gradients, _ = objective_estimates(logits, losses, draw_cells, samples, objective)
    return float(gradients.var(dim=0).sum())


def test_variance_falls_with_samples_with_the_baseline_and_with_importance():
    spread = torch.linspace(-1, 1, CELLS, dtype=torch.float64)
    one, four = (gradient_variance("importance", j, plain, spread) for j in (1, 4))
    assert 3 < one / four < 5.3  # as 1 / J
    for samples in (1, 2):  # the other images' draws, or the image's own
        without = gradient_variance("importance", samples, plain, spread)
        for objective in (partial(foreground_objective, to_probability=True), background_objective):
            assert gradient_variance("importance", samples, objective, spread) < 0.2 * without
    peaked = 4 * spread
    uniform, importance = (
        gradient_variance(method, 2, plain, peaked) for method in ("uniform", "importance")
    )
    assert importance < 0.6 * uniform


def test_a_lone_draw_has_no_baseline():
    assert leave_one_out(torch.tensor([[3.0]])).item() == 0
    assert leave_one_out(torch.tensor([[3.0], [5.0]])).tolist() == [[5.0], [3.0]]
    assert leave_one_out(torch.tensor([[3.0, 5.0, 1.0]])).tolist() == [[3.0, 2.0, 4.0]]


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


def test_gumbel_softmax_has_no_favourites_among_equal_cells_in_bfloat16():
    logits = torch.zeros(1, 64, dtype=torch.bfloat16)
    cells, _ = draw(logits, "gumbel_softmax", 6400, 0.0, 0.1, torch.Generator().manual_seed(0))
    first_half = int((cells < 32).sum())
    assert abs(first_half - 3200) < 4 * 40  # four standard deviations of 6400 fair coins


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("method", ["importance", "uniform", "gumbel_softmax", "exact"])
def test_a_seed_draws_the_same_cells_on_a_gpu(method):
    logits = torch.randn(4, 9, generator=torch.Generator().manual_seed(0))
    drawn = [
        draw(logits.to(device), method, 5, 0.01, 0.1, torch.Generator().manual_seed(1))
        for device in ("cpu", "cuda")
    ]
    (cells, weights), (on_gpu, weights_on_gpu) = drawn
    assert torch.equal(cells, on_gpu.cpu())
    assert torch.allclose(weights, weights_on_gpu.cpu(), rtol=1e-5)


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


def test_probabilities_that_are_no_numbers_are_told():
    with pytest.raises(FloatingPointError, match="became nan"):
        draw(torch.full((2, CELLS), torch.nan), "importance", 1, 0.01, 1.0)


def test_the_colder_gumbel_softmax_the_harder_its_choice():
    """The gradient is that of a softmax of (logits + noise) / temperature, by the logits."""
    logits = torch.linspace(-1, 1, CELLS).expand(2000, -1)
    lengths = []
    for temperature in (0.05, 1.0):
        leaf = logits.clone().requires_grad_()
        generator = torch.Generator().manual_seed(0)
        weights = draw(leaf, "gumbel_softmax", 1, 0.0, temperature, generator)[1]
        lengths.append(torch.autograd.grad(weights.sum(), leaf)[0].abs().sum(dim=1))
    cold, warm = lengths
    assert cold.median() < 1e-3  # half of the time no two cells come near each other
    assert warm.median() > 0.1
