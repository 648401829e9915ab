"""The convolution of an enlarged image, beside PyTorch's enlarging and convolution."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from models.enlarged_conv import EnlargedConv

sizes = st.integers(1, 6)


def enlarged_then_convolved(layer, x):
    large = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    return F.conv2d(large, layer.weight, layer.bias, padding=1)


def inside(y):
    """What no padding reaches: of the outermost small px nothing."""
    return y[..., 2:-2, 2:-2]


@given(sizes, sizes, st.integers(3, 7), st.integers(3, 7), st.integers(0, 2**31))
def test_inside_it_is_enlarging_and_convolving(inputs, outputs, height, width, seed):
    torch.manual_seed(seed)
    layer = EnlargedConv(inputs, outputs).double()
    x = torch.randn(2, inputs, height, width, dtype=torch.float64, requires_grad=True)
    ours, theirs = layer(x), enlarged_then_convolved(layer, x)
    assert ours.shape == theirs.shape
    torch.testing.assert_close(inside(ours), inside(theirs))

    where = torch.randn_like(inside(ours))
    learnt = x, layer.weight, layer.bias
    gradients = [torch.autograd.grad((inside(y) * where).sum(), learnt) for y in (ours, theirs)]
    torch.testing.assert_close(*gradients)


def test_at_the_border_the_small_image_is_padded_with_zeros():
    torch.manual_seed(0)
    layer = EnlargedConv(3, 2).double()
    x = torch.randn(1, 3, 4, 5, dtype=torch.float64)
    wide = enlarged_then_convolved(layer, F.pad(x, (2, 2, 2, 2)))
    torch.testing.assert_close(layer(x), wide[..., 4:-4, 4:-4])


def test_its_weights_are_named_as_a_convolutions_and_begin_like_one():
    torch.manual_seed(0)
    layer = EnlargedConv(4, 3)
    torch.manual_seed(0)
    convolution = torch.nn.Conv2d(4, 3, 3)
    torch.testing.assert_close(layer.state_dict(), convolution.state_dict())
    assert layer(torch.zeros(1, 4, 5, 6)).is_contiguous(memory_format=torch.channels_last)


def test_in_bfloat16_its_weights_are_exact_and_rounded_once():
    torch.manual_seed(0)
    layer = EnlargedConv(4, 3)
    one = torch.eye(4)[:, :, None, None].expand(4, 4, 3, 3).contiguous()  # a channel each
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(one)
    assert found.dtype is torch.bfloat16
    sums = found.float() - layer.bias[:, None, None]
    exact = layer(one) - layer.bias[:, None, None]
    torch.testing.assert_close(sums, exact, atol=0.01, rtol=0.01)
    found.float().sum().backward()
    assert layer.weight.grad.dtype is torch.float32
