"""The networks of the paper: single ones, stacks, and FlowNet2 with everything.

In a stack, each network sees the images, the source warped by the flow so far, that flow and the
error left. Wherever flow is an input it is in px / 20, except to the fusion.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.flownet2.interface import TwoFrame, enlarged
from models.flownet2.networks import FlowNetC, FlowNetFusion, FlowNetS, FlowNetSD
from models.flownet2.warp import channel_norm, warp

QUARTER = 4  # the finest level of all networks but the fusion


class FlowNet2C(FlowNetC, TwoFrame):
    """FlowNetC alone."""


class FlowNet2S(FlowNetS, TwoFrame):
    """FlowNetS alone, on the two images."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__(width, inputs=6)


class FlowNet2SD(FlowNetSD, TwoFrame):
    """FlowNetSD alone, for small displacements."""


class FlowNet2CS(TwoFrame):
    """FlowNetC, corrected by a FlowNetS."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.flownetc = FlowNetC(width)
        self.flownets_1 = FlowNetS(width)

    def levels(self, x: Tensor) -> list[Tensor]:
        """Of `TwoFrame`."""
        return self.flownets_1.levels(_corrected(x, self.flownetc.levels(x)[0]))


class FlowNet2CSS(FlowNet2CS):
    """FlowNetC, corrected by two FlowNetS."""

    enlarging = "nearest"

    def __init__(self, width: float = 1.0) -> None:
        super().__init__(width)
        self.flownets_2 = FlowNetS(width)

    def levels(self, x: Tensor) -> list[Tensor]:
        """Of `TwoFrame`."""
        return self.flownets_2.levels(_corrected(x, super().levels(x)[0]))


class FlowNet2(FlowNet2CSS):
    """FlowNet2-CSS and FlowNet2-SD, fused at full resolution: 162,518,834 parameters at width 1."""

    unit = 1.0

    def __init__(self, width: float = 1.0) -> None:
        super().__init__(width)
        self.flownets_d = FlowNetSD(width)
        self.flownetfusion = FlowNetFusion(width)

    def levels(self, x: Tensor) -> list[Tensor]:
        """Of `TwoFrame`."""
        large = enlarged(TwoFrame.unit * super().levels(x)[0].float(), QUARTER, "nearest")
        # Within FlowNet2 alone, the published FlowNetSD predicts px times 20.
        fine = self.flownets_d.levels(x)[0].float() / TwoFrame.unit
        small = enlarged(fine, QUARTER, "nearest")
        lengths = [channel_norm(small), channel_norm(large)]
        errors = [_error(x, small), _error(x, large)]
        return self.flownetfusion.levels(torch.cat([x[:, :3], small, large, *lengths, *errors], 1))


def _corrected(x: Tensor, flow: Tensor) -> Tensor:
    """Input (B, 12, H, W) of the next network, from the pair and the finest flow (px / 20)."""
    return seen_by_next(x, enlarged(flow.float(), QUARTER, "bilinear"))


def seen_by_next(x: Tensor, flow: Tensor) -> Tensor:
    """What a network in a stack sees (B, 12, H, W): the pair (B, 6, H, W), the source warped by the
    flow so far (B, 2, H, W, px / 20), that flow, and the error left."""
    warped = warp(x[:, 3:], TwoFrame.unit * flow)
    return torch.cat([x, warped, flow, channel_norm(x[:, :3] - warped)], dim=1)


def _error(x: Tensor, flow: Tensor) -> Tensor:
    """(B, 1, H, W): how far the source, fetched along a flow in px, is from the target."""
    return channel_norm(x[:, :3] - warp(x[:, 3:], flow))
