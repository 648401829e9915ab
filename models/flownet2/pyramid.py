"""What the four FlowNets share: convolutions down a pyramid, and flow at every level back up.

Level n has 1/2^n of the image's resolution. Modules carry the published names, flat.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.flownet2.layers import (
    convolution,
    deconvolution,
    flow_doubling,
    flow_head,
    scaled,
    smoothing,
    snap,
)


class Layer(NamedTuple):
    """A convolution of the encoder; channels at width 1."""

    name: str  # conv{level} or conv{level}_1
    channels: int
    kernel: int = 3
    stride: int = 1

    @property
    def level(self) -> int:
        """Of its output."""
        return int(self.name[4])


class Step(NamedTuple):
    """A level of the decoder; channels at width 1."""

    level: int
    skip: int  # from the encoder's same level
    up: int  # from the level below


class PyramidNetwork(nn.Module):
    """Encoder and decoder of a FlowNet.

    Args:
        width: scales the channels of every layer; 1 is the published network.
        steps: of the decoder, coarse to fine.
        smooth: convolve once more in front of each flow head but the first.
        flow_bias: of the layers that double the flow.
    """

    def __init__(self, width: float, steps: Sequence[Step], smooth: bool, flow_bias: bool) -> None:
        super().__init__()
        self.width, self.steps = snap(width), steps
        self.smooth, self.flow_bias = smooth, flow_bias

    def add_encoder(self, layers: Sequence[Layer], inputs: int) -> int:
        """Add convolutions, one after the other; returns the channels of the last."""
        for layer in layers:
            outputs = scaled(layer.channels, self.width)
            self.add_module(layer.name, convolution(inputs, outputs, layer.kernel, layer.stride))
            inputs = outputs
        return inputs

    def add_decoder(self, inputs: int) -> None:
        """Add the layers of all steps, on top of an encoder that ends with so many channels."""
        self.add_module(f"predict_flow{self.steps[0].level + 1}", flow_head(inputs))
        for level, skip, up in self.steps:
            outputs = scaled(up, self.width)
            self.add_module(f"deconv{level}", deconvolution(inputs, outputs))
            self.add_module(f"upsampled_flow{level + 1}_to_{level}", flow_doubling(self.flow_bias))
            inputs = scaled(skip, self.width) + outputs + 2
            if self.smooth:
                self.add_module(f"inter_conv{level}", smoothing(inputs, outputs))
            self.add_module(f"predict_flow{level}", flow_head(outputs if self.smooth else inputs))

    def encode(self, layers: Sequence[Layer], x: Tensor) -> dict[int, Tensor]:
        """Last output of each level."""
        features = {}
        for layer in layers:
            x = features[layer.level] = self._run(layer.name, x)
        return features

    def decode(self, features: Mapping[int, Tensor]) -> list[Tensor]:
        """Flow at every level, finest first."""
        coarsest = self.steps[0].level + 1
        x = features[coarsest]
        flows = [self._run(f"predict_flow{coarsest}", x)]
        for level, _, _ in self.steps:
            up = self._run(f"deconv{level}", x)
            coarse = self._run(f"upsampled_flow{level + 1}_to_{level}", flows[0])
            x = torch.cat([features[level], up, coarse], dim=1)
            seen = self._run(f"inter_conv{level}", x) if self.smooth else x
            flows.insert(0, self._run(f"predict_flow{level}", seen))
        return flows

    def _run(self, name: str, x: Tensor) -> Tensor:
        output: Tensor = self.get_submodule(name)(x)
        return output
