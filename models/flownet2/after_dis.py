"""DIS, corrected by a network: FlowNet2-CS with DIS in FlowNetC's place.

In an hour on a CPU a network learns to correct DIS, but not to find flow as well as DIS does
(docs/flow.md).
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from models.flow.dis import DisFlow
from models.flownet2.interface import TwoFrame, centred, enlarged, padded
from models.flownet2.networks import FlowNetS
from models.flownet2.variants import QUARTER, seen_by_next


class DisCorrected(TwoFrame):
    """A FlowNetS that adds to DIS's flow what is missing; untrained, it adds nothing.

    DIS runs on the CPU, also where the network is on a GPU.
    """

    unit = 5.0  # corrections are shorter than flow

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.flownets = FlowNetS(width)

    def forward(self, target: Tensor, source: Tensor) -> Tensor:
        """Of `TwoFrame`."""
        height, width = target.shape[2:]
        x, first = padded(centred(target, source)), padded(dis_flow(target, source))
        return self._finest(first, self._missing(x, first))[..., :height, :width]

    def pyramid(self, target: Tensor, source: Tensor, first: Tensor | None = None) -> list[Tensor]:
        """Of `TwoFrame`, with the full resolution in front of the levels.

        Args:
            target, source: (B, 3, H, W) RGB in [0, 1]; H and W multiples of 64.
            first: DIS's flow (B, 2, H, W) px, where it is known already.
        """
        x = centred(target, source)
        if first is None:
            first = dis_flow(target, source)
        missing = self._missing(x, first)
        means = [F.adaptive_avg_pool2d(first, (m.shape[2], m.shape[3])) for m in missing]
        levels = [mean + m for mean, m in zip(means, missing, strict=True)]
        return [self._finest(first, missing), *levels]

    def levels(self, x: Tensor) -> list[Tensor]:
        """Corrections, finest first, in units of `unit`, from a centred pair and DIS's flow in
        px / 20: (B, 8, H, W)."""
        return self.flownets.levels(seen_by_next(x[:, :6], x[:, 6:]))

    def _missing(self, x: Tensor, first: Tensor) -> list[Tensor]:
        """Corrections in px at every level, finest first."""
        return self._in_px(torch.cat([x, first / TwoFrame.unit], dim=1))

    def _finest(self, first: Tensor, missing: list[Tensor]) -> Tensor:
        """The corrected flow at full resolution, px."""
        return first + enlarged(missing[0], QUARTER, self.enlarging)


def dis_flow(target: Tensor, source: Tensor) -> Tensor:
    """DIS's flow (B, 2, H, W), px, of finite images (B, 3, H, W) in [0, 1]; on their device."""
    flows = DisFlow().estimate(_bytes(target), _bytes(source))
    return torch.from_numpy(flows).permute(0, 3, 1, 2).contiguous().to(target.device)


def _bytes(images: Tensor) -> NDArray[np.uint8]:
    """uint8 (B, H, W, 3)."""
    levels = (images.detach().float() * 255).round().clamp(0, 255).byte()
    return np.asarray(levels.permute(0, 2, 3, 1).contiguous().cpu().numpy(), np.uint8)
