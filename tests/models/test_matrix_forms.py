"""What a GPU computes by matrices is what PyTorch's own kernels compute, gradients included."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from models import matrix_forms
from models.spatial_transformer import crop, uncrop

SIDES = st.integers(1, 9)
# No sample falls on a pixel's centre, where the slope changes and rounding decides which one it is.
SHARES = st.integers(50, 1300).map(lambda share: share / 1000 + 0.000271828)


@pytest.fixture(scope="module")
def by_matrices():
    """As on a GPU: there `needed` is true."""
    with pytest.MonkeyPatch.context() as patch:
        yield lambda answer: patch.setattr(matrix_forms, "needed", lambda _x: answer)


def both_ways(by_matrices, run, *inputs):
    """Values and gradients of a weighted sum over what `run` gives, PyTorch's and ours."""
    for answer in (False, True):
        by_matrices(answer)
        fresh = [x.clone().requires_grad_() for x in inputs]
        values = run(*fresh)
        weights = torch.rand(values.shape, generator=torch.Generator().manual_seed(1))
        gradients = torch.autograd.grad((values * weights).sum(), fresh)
        yield values.detach(), gradients


def assert_same(by_matrices, run, *inputs):
    (values, gradients), (ours, our_gradients) = both_ways(by_matrices, run, *inputs)
    assert torch.allclose(values, ours, atol=1e-9)
    for gradient, our_gradient in zip(gradients, our_gradients, strict=True):
        assert torch.allclose(gradient, our_gradient, atol=1e-8)


def noise(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@settings(max_examples=60, deadline=None)
@given(st.lists(SHARES, min_size=8, max_size=8), SIDES, SIDES, SIDES, SIDES)
def test_crop_and_uncrop(by_matrices, shares, height, width, rows, columns):
    boxes = torch.tensor(shares, dtype=torch.float64).view(2, 4)
    for operator in (crop, uncrop):
        assert_same(
            by_matrices,
            lambda image, box, operator=operator: operator(image, box, rows, columns),
            noise(2, 3, height, width),
            boxes,
        )


def test_a_box_on_whole_pixels_has_the_gradient_of_the_pixel_after(by_matrices):
    box = torch.tensor([[0.5, 0.5, 0.5, 0.5]], dtype=torch.float64)  # samples pixels 2 to 5
    assert_same(by_matrices, lambda image, b: crop(image, b, 4, 4), noise(1, 2, 8, 8), box)


@settings(max_examples=40, deadline=None)
@given(SIDES, SIDES, st.integers(1, 6))
def test_pooling(by_matrices, height, width, cells):
    assert_same(by_matrices, lambda x: matrix_forms.pool(x, cells), noise(2, 3, height, width))


@settings(max_examples=20, deadline=None)
@given(SIDES, SIDES)
def test_enlarging(by_matrices, height, width):
    assert_same(by_matrices, matrix_forms.Upsample(), noise(2, 3, height, width))


def test_the_running_sum(by_matrices):
    assert_same(by_matrices, matrix_forms.running_sum, noise(3, 17))


def test_weights_are_not_rounded_under_autocast(by_matrices):
    by_matrices(True)
    image, box = noise(1, 1, 16, 16).float(), torch.tensor([[0.43, 0.51, 0.37, 0.61]])
    plain = crop(image, box, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(crop(image, box, 8, 8), plain)
        pooled = matrix_forms.pool(image.bfloat16(), 3)
    assert pooled.dtype is torch.bfloat16
    exact = F.adaptive_avg_pool2d(image.bfloat16().float(), 3)
    assert torch.allclose(pooled.float(), exact, rtol=2**-8)
