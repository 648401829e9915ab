from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.flownet2.correlation import DISPLACEMENTS, correlation

STEPS = range(-20, 21, 2)


def features(*size, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(size, dtype=torch.double, generator=generator) for _ in range(2)]


def by_loop(first, second):
    batch, channels, height, width = first.shape
    a, b = first.numpy(), second.numpy()
    costs = np.zeros((batch, DISPLACEMENTS, height, width))
    for y, x in np.ndindex(height, width):
        for channel, (down, right) in enumerate((j, i) for j in STEPS for i in STEPS):
            if 0 <= y + down < height and 0 <= x + right < width:
                pairs = a[:, :, y, x] * b[:, :, y + down, x + right]
                costs[:, channel, y, x] = pairs.sum(axis=1) / channels
    return torch.from_numpy(costs)


def by_shifts(first, second):
    """All shifted copies at once, for autograd."""
    height, width = first.shape[2:]
    padded = F.pad(second, (20, 20, 20, 20))
    shifted = [padded[..., 20 + j :, 20 + i :][..., :height, :width] for j in STEPS for i in STEPS]
    return torch.stack([(first * other).mean(dim=1) for other in shifted], dim=1)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 2), st.integers(1, 4), st.integers(1, 12), st.integers(1, 12))
@example(1, 2, 3, 50)  # wider and higher than the window and than a block, odd and even
@example(1, 2, 49, 2)
@example(1, 1, 1, 1)
def test_as_by_a_loop(batch, channels, height, width):
    pair = features(batch, channels, height, width)
    assert torch.allclose(correlation(*pair), by_loop(*pair))


@pytest.mark.parametrize("size", [(2, 3, 37, 50), (1, 5, 16, 16), (3, 2, 1, 45)])
def test_gradients_as_by_autograd(size):
    ours = [x.requires_grad_() for x in features(*size)]
    naive = [x.requires_grad_() for x in features(*size)]
    weights = torch.randn(size[0], DISPLACEMENTS, *size[2:], dtype=torch.double)
    (correlation(*ours) * weights).sum().backward()
    (by_shifts(*naive) * weights).sum().backward()
    for mine, other in zip(ours, naive, strict=True):
        assert torch.allclose(mine.grad, other.grad)


@settings(max_examples=5, deadline=None)
@given(st.integers(1, 2), st.integers(1, 5), st.integers(1, 5))
def test_gradients_as_by_differences(channels, height, width):
    pair = [x.requires_grad_() for x in features(1, channels, height, width)]
    assert torch.autograd.gradcheck(correlation, pair, fast_mode=True)


def test_the_best_match_says_where_a_pixel_went():
    first = torch.rand(1, 64, 24, 40) - 0.5
    second = torch.roll(first, (4, -6), dims=(2, 3))  # 4 px down, 6 px to the left
    best = correlation(first, second).argmax(dim=1)[0, 8:-8, 8:-8]
    assert (best == (10 + 2) * 21 + (10 - 3)).all()


def test_autocast_leaves_it_in_float32():
    first = torch.full((1, 256, 8, 8), 20.0, dtype=torch.float16)  # sums to 102,400
    with torch.autocast("cpu", torch.float16):
        costs = correlation(first, first)
    assert costs.dtype == torch.float32
    assert (costs[0, 220] == 400).all()


def test_any_memory_layout():
    pair = features(2, 4, 9, 11)
    last = [x.to(memory_format=torch.channels_last) for x in pair]
    assert torch.equal(correlation(*pair), correlation(*last))
