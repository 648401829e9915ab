"""Correlation layer of FlowNetC (Dosovitskiy et al. 2015, section 3): matching costs in a window.

For every pixel of the first features, its scalar products with the second's pixels at
displacements of up to 20 px in steps of 2, over the number of channels; zero outside the image. As
all displacements are even, pixels of the same parity form four half-size images that never meet.
There, a block of 8 x 8 pixels and the up to 28 x 28 that it can meet are one matrix product, of
which each pixel keeps the 21 x 21 around itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

STRIDE = 2
RADIUS = 10  # in strides: 20 px
SIDE = 2 * RADIUS + 1
DISPLACEMENTS = SIDE * SIDE  # 441
BLOCK = 8  # of 8 x 8 to 1 x 32, the fastest: longer blocks multiply more that nobody keeps


def correlation(first: Tensor, second: Tensor) -> Tensor:
    """Matching costs; differentiable once.

    In float32 also under autocast, as in the published float16 mode: sums over 256 channels reach
    beyond float16's 65,504 before they are divided.

    Args:
        first, second: (B, C, H, W).

    Returns:
        (B, 441, H, W), channels last in memory: channel 21 j + i is the mean over C of
        first(y, x) second(y + 2 (j - 10), x + 2 (i - 10)).
    """
    dtype = torch.promote_types(first.dtype, torch.float32)
    costs: Tensor = _Correlation.apply(first.to(dtype), second.to(dtype))  # type: ignore[no-untyped-call]
    return costs


class _Correlation(torch.autograd.Function):
    """With its own backward, as autograd would keep every product for it."""

    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor) -> Tensor:
        ctx.save_for_backward(first, second)
        with torch.autocast(first.device.type, enabled=False):
            a, b = _split(first), _split(second)
            costs = a.new_empty(*a.shape[:3], SIDE, SIDE)
            for y, x in _blocks(a):
                block, met = a[:, y.own, x.own], b[:, y.met, x.met]
                products = block.flatten(1, 2) @ met.flatten(1, 2).mT
                window = _empty_window(block)
                window[..., y.inside, x.inside] = products.view(*block.shape[:3], *met.shape[1:3])
                costs[:, y.own, x.own] = _around_itself(window)
            return _join(costs.flatten(3) / first.shape[1], *first.shape[2:])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        first, second = ctx.saved_tensors
        with torch.autocast(first.device.type, enabled=False):
            a, b = _split(first), _split(second)
            costs_grad = (_split(grad) / first.shape[1]).view(*a.shape[:3], SIDE, SIDE)
            a_grad, b_grad = torch.empty_like(a), torch.zeros_like(b)
            for y, x in _blocks(a):
                block, met = a[:, y.own, x.own], b[:, y.met, x.met]
                window = _empty_window(block)
                _around_itself(window).copy_(costs_grad[:, y.own, x.own])
                products = window[..., y.inside, x.inside].flatten(3).flatten(1, 2)
                a_grad[:, y.own, x.own] = (products @ met.flatten(1, 2)).view(block.shape)
                b_grad[:, y.met, x.met] += (products.mT @ block.flatten(1, 2)).view(met.shape)
            return _join(a_grad, *first.shape[2:]), _join(b_grad, *first.shape[2:])


class _Span(NamedTuple):
    """Along one axis: a block, what it can meet, and where that lies in the block's window."""

    own: slice
    met: slice
    inside: slice


def _spans(size: int) -> list[_Span]:
    spans = []
    for start in range(0, size, BLOCK):
        stop = min(start + BLOCK, size)
        low, high = max(0, start - RADIUS), min(size, stop + RADIUS)
        inside = slice(low - start + RADIUS, high - start + RADIUS)
        spans.append(_Span(slice(start, stop), slice(low, high), inside))
    return spans


def _blocks(images: Tensor) -> Iterator[tuple[_Span, _Span]]:
    return ((y, x) for y in _spans(images.shape[1]) for x in _spans(images.shape[2]))


def _empty_window(block: Tensor) -> Tensor:
    """Zeros (4B, h, w, h + 20, w + 20): for each pixel of a block, all that the block can meet."""
    images, height, width, _ = block.shape
    return block.new_zeros(images, height, width, height + 2 * RADIUS, width + 2 * RADIUS)


def _around_itself(window: Tensor) -> Tensor:
    """View (4B, h, w, 21, 21) of a window: for each pixel, what is around that pixel."""
    image, y, x, row, column = window.stride()
    strides = (image, y + row, x + column, row, column)  # one px on, the neighbourhood is too
    return window.as_strided((*window.shape[:3], SIDE, SIDE), strides)


def _split(x: Tensor) -> Tensor:
    """(B, C, H, W) to its four parities (4B, ceil(H / 2), ceil(W / 2), C), contiguous."""
    x = F.pad(x, (0, x.shape[3] % STRIDE, 0, x.shape[2] % STRIDE))
    batch, channels, height, width = x.shape
    x = x.reshape(batch, channels, height // STRIDE, STRIDE, width // STRIDE, STRIDE)
    return x.permute(0, 3, 5, 2, 4, 1).flatten(0, 2).contiguous()


def _join(x: Tensor, height: int, width: int) -> Tensor:
    """The inverse of `_split`, channels last in memory."""
    x = x.reshape(-1, STRIDE, STRIDE, *x.shape[1:]).permute(0, 3, 1, 4, 2, 5)  # (B, h, 2, w, 2, C)
    return x.flatten(3, 4).flatten(1, 2)[:, :height, :width].permute(0, 3, 1, 2)
