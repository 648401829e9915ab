"""Operations of a step are those of the definition: two per weight and output px, three times."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from benchmarks.flops import flop_counter


@pytest.mark.parametrize("groups", [1, 4, 24])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("images_too", [True, False])
def test_a_convolution_and_its_gradients(groups: int, stride: int, images_too: bool) -> None:
    layer = nn.Conv2d(24, 48, 3, stride, padding=1, groups=groups, bias=False)
    images = torch.rand(2, 24, 12, 16, requires_grad=images_too)
    with flop_counter() as counter:
        out = layer(images)
        out.sum().backward()
    forward = 2 * out.numel() * (24 // groups) * 3 * 3
    assert counter.get_total_flops() == forward * (3 if images_too else 2)


def test_a_transposed_convolution_and_its_gradients() -> None:
    layer = nn.ConvTranspose2d(8, 6, 4, stride=2, padding=1, bias=False)
    images = torch.rand(2, 8, 5, 7, requires_grad=True)
    with flop_counter() as counter:
        layer(images).sum().backward()
    assert counter.get_total_flops() == 3 * 2 * images.numel() * 6 * 4 * 4
