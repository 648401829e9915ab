"""The convolution block and the image standardisation that every network of ours shares."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def conv_block(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    """Convolution that keeps the size (over the stride), batch norm and ReLU."""
    padding = dilation * (kernel - 1) // 2
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class _Dense(torch.autograd.Function):
    """The same, with a gradient that on a CPU has no gaps between its pixels."""

    @staticmethod
    def forward(_ctx: FunctionCtx, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(_ctx: FunctionCtx, gradient: Tensor) -> Tensor:
        if gradient.device.type != "cpu":
            return gradient
        last = gradient.stride(1) == 1
        return gradient.contiguous(
            memory_format=torch.channels_last if last else torch.contiguous_format
        )


def concatenate(maps: Sequence[Tensor]) -> Tensor:
    """Maps (B, C_i, H, W) to (B, sum of C_i, H, W).

    The gradients of `torch.cat` are slices of one tensor; where channels are last, a CPU takes 5 to
    8 times as long for those of bilinear enlarging and of ReLU if they come with such gaps.
    """
    return torch.cat([_Dense.apply(x) for x in maps], dim=1)  # type: ignore[no-untyped-call]


def in_float32_at_last(head: nn.Sequential, x: Tensor) -> Tensor:
    """A head's output, its last layer kept from autocast: bfloat16 leaves 8 bits of a position."""
    x = head[:-1](x)
    with torch.autocast(x.device.type, enabled=False):
        output: Tensor = head[-1](x.float())
    return output


def standardise(image: Tensor) -> Tensor:
    """(B, 3, H, W) in [0, 1] to ImageNet's zero mean and unit deviation.

    The losses are computed in these units, in which the paper's weights make sense: the mask prior
    competes with squared errors of order one, not of order 0.01.
    """
    statistics = _imagenet if torch.compiler.is_compiling() else _kept
    mean, std = statistics(image.device, image.dtype)
    return (image - mean) / std


@torch.inference_mode(mode=False)  # usable in training whoever asks first
def _imagenet(device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Mean and deviation, (3, 1, 1)."""
    mean, std = (
        torch.tensor(values, device=device, dtype=dtype)[:, None, None]
        for values in (IMAGENET_MEAN, IMAGENET_STD)
    )
    return mean, std


_kept = cache(_imagenet)  # a copy to a GPU waits for all its work; the compiler keeps its own
