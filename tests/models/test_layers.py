"""Maps joined along their channels, beside PyTorch's own `cat`."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.layers import concatenate


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.booleans(), st.integers(0, 2**31))
def test_values_and_gradients_are_those_of_cat(widths, last, seed):
    torch.manual_seed(seed)
    form = torch.channels_last if last else torch.contiguous_format
    maps = [torch.randn(2, c, 3, 4).to(memory_format=form).requires_grad_() for c in widths]
    ours, theirs = concatenate(maps), torch.cat(maps, dim=1)
    assert torch.equal(ours, theirs)
    weights = torch.randn_like(theirs)
    gradients = [torch.autograd.grad((y * weights).sum(), maps) for y in (ours, theirs)]
    assert all(map(torch.equal, *gradients))


@pytest.mark.parametrize("form", [torch.channels_last, torch.contiguous_format])
def test_gradients_have_no_gaps_and_keep_the_order_in_memory(form):
    maps = [torch.randn(2, c, 3, 4).to(memory_format=form).requires_grad_() for c in (5, 2)]
    between = [x.mul(1) for x in maps]
    came: dict[int, torch.Tensor] = {}
    for x in between:
        x.register_hook(lambda gradient: came.update({gradient.shape[1]: gradient}))
    concatenate(between).backward(torch.randn(2, 7, 3, 4).to(memory_format=form))
    assert sorted(came) == [2, 5]
    assert all(x.is_contiguous(memory_format=form) for x in came.values())


def test_a_map_in_lower_precision_gets_its_gradient_in_it():
    low = torch.randn(1, 2, 3, 4).bfloat16().requires_grad_()
    high = torch.randn(1, 3, 3, 4, requires_grad=True)
    joined = concatenate([low, high])
    assert joined.dtype is torch.float32
    joined.sum().backward()
    assert low.grad.dtype is torch.bfloat16
    assert torch.equal(low.grad, torch.ones_like(low))
