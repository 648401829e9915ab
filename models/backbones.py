"""Encoders that D, S and the perceptual features may start from: maps at 1/2, 1/4 and 1/8.

`make_stages("resnet18")` has random weights; `load_published` takes those of a state dict.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

from models.layers import IMAGENET_MEAN, IMAGENET_STD
from models.published_weights import fit

Encoder = Literal["imagenet", "resnet18", "resnet50"]
LAST_BLOCKS = (1, 3, 5)
"""Of EfficientNet-Lite0's stages at a half, a quarter and an eighth of the resolution."""


class Stages(nn.Module):
    """The first three resolutions of a network for images standardised as ImageNet's.

    Attributes:
        channels: C_i of the maps at a half, a quarter and an eighth of the resolution.
    """

    channels: tuple[int, int, int]

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W), H and W multiples of 8, to maps (B, C_i, H / 2^i, W / 2^i)."""
        raise NotImplementedError

    def load_published(self, state: Mapping[str, object]) -> None:
        """Take the weights that a published state dict has for these layers.

        Raises:
            ValueError: some are missing or of another shape; one line names three at most.
        """
        raise NotImplementedError


class _Depthwise(nn.Module):
    """A depthwise convolution of EfficientNet-Lite0, in the forms that a CPU is fast in.

    oneDNN's gradients for 5x5 filters and for strides take five to ten times as long in bfloat16 as
    in float32, and padding apart from the convolution costs as much as the convolution does.
    """

    def __init__(self, theirs: nn.Conv2d) -> None:
        super().__init__()
        assert isinstance(theirs.static_padding, nn.ZeroPad2d)
        self.weight, self.stride = theirs.weight, theirs.stride
        self.border = left, right, top, bottom = theirs.static_padding.padding
        self.even = (left, top) == (right, bottom)
        self.padding = (top, left) if self.even else (0, 0)
        self.exact = max(theirs.kernel_size) > 3 or max(theirs.stride) > 1

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H / stride, W / stride), of the same dtype."""
        if not self.exact or x.device.type != "cpu":
            return self._convolve(x)
        with torch.autocast("cpu", enabled=False):
            return self._convolve(x.to(self.weight.dtype)).to(x.dtype)

    def _convolve(self, x: Tensor) -> Tensor:
        x = x if self.even else F.pad(x, self.border)
        return F.conv2d(x, self.weight, None, self.stride, self.padding, groups=x.shape[1])


class EfficientNetStages(Stages):
    """EfficientNet-Lite0's (Liu 2020, Apache-2.0); a small network for a CPU.

    Its weights were made for values of [0, 255] less 127, over 128, of which images standardised
    as ImageNet's have 2.2 times the contrast: they are brought to that before the stem.
    """

    channels = (16, 24, 40)
    scale: Tensor
    offset: Tensor

    def __init__(self) -> None:
        super().__init__()
        mean, std = (
            torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD)
        )
        self.register_buffer("scale", 255 * std / 128, persistent=False)
        self.register_buffer("offset", (255 * mean - 127) / 128, persistent=False)
        network = EfficientNet.from_name("efficientnet-lite0")
        self.stem = nn.Sequential(network._conv_stem, network._bn0, nn.ReLU6())
        for block in network._blocks:
            block._depthwise_conv = _Depthwise(block._depthwise_conv)
        starts = (0, *LAST_BLOCKS[:-1])
        self.stages = nn.ModuleList(
            nn.Sequential(*network._blocks[first:last])
            for first, last in zip(starts, LAST_BLOCKS, strict=True)
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """See `Stages`."""
        x = self.stem(self.scale * image + self.offset)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def load_published(self, state: Mapping[str, object]) -> None:
        """See `Stages`; names as in the PyPI package."""
        theirs = {name: self._published_name(name) for name in self.state_dict()}
        self.load_state_dict(fit(state, self.state_dict(), theirs))

    def _published_name(self, name: str) -> str:
        part, index, rest = name.split(".", 2)
        if part == "stem":
            return f"{('_conv_stem', '_bn0')[int(index)]}.{rest}"
        block, rest = rest.split(".", 1)
        return f"_blocks.{(0, *LAST_BLOCKS)[int(index)] + int(block)}.{rest}"


def make_stages(kind: Encoder) -> Stages:
    """The encoder of that name with random weights."""
    if kind == "imagenet":
        return EfficientNetStages()
    from models.resnet import ResNetStages  # torchvision's import takes seconds: only where used

    return ResNetStages(kind)
