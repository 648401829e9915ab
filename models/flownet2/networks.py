"""FlowNetC, FlowNetS, FlowNetSD and FlowNetFusion: the networks that FlowNet2 is stacked from.

Layers and names follow NVIDIA's flownet2-pytorch (batchNorm=False), so that published weights fit.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from models.flownet2.correlation import DISPLACEMENTS, correlation
from models.flownet2.layers import SLOPE, convolution, scaled
from models.flownet2.pyramid import Layer, PyramidNetwork, Step

STEM = (
    Layer("conv1", 64, kernel=7, stride=2),
    Layer("conv2", 128, kernel=5, stride=2),
    Layer("conv3", 256, kernel=5, stride=2),
)
FINE_STEM = (
    Layer("conv0", 64),
    Layer("conv1", 64, stride=2),
    Layer("conv1_1", 128),
    Layer("conv2", 128, stride=2),
    Layer("conv2_1", 128),
)
CONV3 = Layer("conv3", 256, stride=2)
TAIL = (
    Layer("conv3_1", 256),
    Layer("conv4", 512, stride=2),
    Layer("conv4_1", 512),
    Layer("conv5", 512, stride=2),
    Layer("conv5_1", 512),
    Layer("conv6", 1024, stride=2),
    Layer("conv6_1", 1024),
)
STEPS = (Step(5, 512, 512), Step(4, 512, 256), Step(3, 256, 128), Step(2, 128, 64))
FUSION_STEPS = (Step(1, 128, 32), Step(0, 64, 16))
REDIRECTED = 32  # channels of the target's features that bypass the correlation
# He's initialisation keeps the scale of the input: of images in [0, 1] less their mean, about a
# sixth. Costs, products of two features, then start ten times smaller than what bypasses them, and
# training shrinks them until nothing is learnt (docs/flow.md). This gives both about unit scale.
FEATURE_GAIN = 6.0


class FlowNetC(PyramidNetwork):
    """Compares the features of both images explicitly, for large displacements.

    `levels` takes both images (B, 6, H, W) and gives five flows, 1/4 to 1/64 of the resolution.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__(width, STEPS, smooth=False, flow_bias=True)
        features = self.add_encoder(STEM, 3)
        with torch.no_grad():
            self.get_parameter("conv3.0.weight").mul_(FEATURE_GAIN)
        redirected = scaled(REDIRECTED, self.width)
        self.conv_redir = convolution(features, redirected, kernel=1)
        self.add_decoder(self.add_encoder(TAIL, redirected + DISPLACEMENTS))

    def levels(self, x: Tensor) -> list[Tensor]:
        """Flow at every level of the decoder, finest first, in the network's own unit."""
        images = torch.cat(x.chunk(2, dim=1))  # both at once: (2B, 3, H, W)
        stem = self.encode(STEM, images)
        target, source = stem[3].chunk(2)
        costs = F.leaky_relu(correlation(target, source), SLOPE)
        merged = torch.cat([self.conv_redir(target), costs], dim=1)
        return self.decode({2: stem[2].chunk(2)[0], **self.encode(TAIL, merged)})


class FlowNetS(PyramidNetwork):
    """Convolves both images stacked, and what an earlier network found, if there was one.

    `levels` takes (B, inputs, H, W) and gives five flows, 1/4 to 1/64 of the resolution.
    """

    def __init__(self, width: float = 1.0, inputs: int = 12) -> None:
        super().__init__(width, STEPS, smooth=False, flow_bias=False)
        self.add_decoder(self.add_encoder(STEM + TAIL, inputs))

    def levels(self, x: Tensor) -> list[Tensor]:
        """Flow at every level of the decoder, finest first, in the network's own unit."""
        return self.decode(self.encode(STEM + TAIL, x))


class FlowNetSD(PyramidNetwork):
    """FlowNetS for small displacements: small kernels, and smooth flow.

    `levels` takes both images (B, 6, H, W) and gives five flows, 1/4 to 1/64 of the resolution.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__(width, STEPS, smooth=True, flow_bias=True)
        self.add_decoder(self.add_encoder((*FINE_STEM, CONV3, *TAIL), 6))

    def levels(self, x: Tensor) -> list[Tensor]:
        """Flow at every level of the decoder, finest first, in the network's own unit."""
        return self.decode(self.encode((*FINE_STEM, CONV3, *TAIL), x))


class FlowNetFusion(PyramidNetwork):
    """Merges two flows at full resolution.

    `levels` takes (B, 11, H, W) and gives three flows, full resolution to 1/4, in px.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__(width, FUSION_STEPS, smooth=True, flow_bias=True)
        self.add_decoder(self.add_encoder(FINE_STEM, 11))

    def levels(self, x: Tensor) -> list[Tensor]:
        """Flow at every level of the decoder, finest first, in the network's own unit."""
        return self.decode(self.encode(FINE_STEM, x))
