"""Floating point operations of a training step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count


def flop_counter() -> FlopCounterMode:
    """PyTorch's counter, which takes a grouped convolution's weight gradient for a dense one.

    For a depthwise layer that is as many times too much as it has channels.
    """
    backward = {torch.ops.aten.convolution_backward: _gradients}
    return FlopCounterMode(display=False, custom_mapping=backward)


def _gradients(
    grad_out: Sequence[int],
    images: Sequence[int],
    weight: Sequence[int],
    _bias: Any,
    _stride: Any,
    _padding: Any,
    _dilation: Any,
    transposed: bool,
    _output_padding: Any,
    _groups: int,
    wanted: Sequence[bool],
    **_: Any,
) -> int:
    """Each of the two gradients takes what the forward pass took; arguments as of the operator."""
    one = conv_flop_count(list(images), list(weight), list(grad_out), transposed=transposed)
    return one * (int(wanted[0]) + int(wanted[1]))
