"""Convolutions of the FlowNets, and how `width` scales their channels."""

from __future__ import annotations

import math

from torch import nn

SLOPE = 0.1  # of the leaky ReLUs
WIDTHS = 128  # the widest layers have 1024 channels, in steps of 8


def snap(width: float) -> float:
    """The nearest width that a network's widest layer, and so a state dict, tells apart.

    Raises:
        ValueError: the width is not positive.
    """
    if not width > 0:
        raise ValueError(f"width must be positive, not {width}")
    return max(1, round(width * WIDTHS)) / WIDTHS


def scaled(channels: int, width: float) -> int:
    """Channels of a layer at a width: a multiple of 8, at least 8."""
    return max(8, 8 * round(channels * width / 8))


def convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution that keeps the size (over the stride), and leaky ReLU."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=(kernel - 1) // 2)
    return nn.Sequential(_initialised(conv), nn.LeakyReLU(SLOPE, inplace=True))


def deconvolution(inputs: int, outputs: int) -> nn.Sequential:
    """Transposed convolution that doubles the size, and leaky ReLU."""
    conv = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)
    return nn.Sequential(_initialised(conv), nn.LeakyReLU(SLOPE, inplace=True))


def smoothing(inputs: int, outputs: int) -> nn.Sequential:
    """Convolution without activation, in front of a flow head."""
    return nn.Sequential(_initialised(nn.Conv2d(inputs, outputs, 3, padding=1)))


def flow_head(inputs: int) -> nn.Conv2d:
    """Features to flow; an untrained head says that nothing moves."""
    head = nn.Conv2d(inputs, 2, 3, padding=1)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)  # type: ignore[arg-type]
    return head


def flow_doubling(bias: bool) -> nn.ConvTranspose2d:
    """Flow to twice the size, learned."""
    return nn.ConvTranspose2d(2, 2, 4, stride=2, padding=1, bias=bias)


def _initialised(conv: nn.Conv2d | nn.ConvTranspose2d) -> nn.Module:
    """Keeps the scale of activations (He et al. 2015) with zero biases.

    By the inputs that an output has in fact: torch's `kaiming_normal_` takes a transposed
    convolution's outputs for them and forgets its stride.
    """
    area = conv.kernel_size[0] * conv.kernel_size[1]
    skipped = conv.stride[0] * conv.stride[1] if isinstance(conv, nn.ConvTranspose2d) else 1
    gain = nn.init.calculate_gain("leaky_relu", SLOPE)
    nn.init.normal_(conv.weight, std=gain / math.sqrt(conv.in_channels * area / skipped))
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv
