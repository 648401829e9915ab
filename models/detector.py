"""Detector D (3): a fully convolutional, YOLO-like network; a probability and a box per cell."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.backbones import CHANNELS, Eighth
from models.boxes import cell_centres
from models.layers import conv_block, standardise

BOX_GRADIENT = 0.1
"""Share of O's gradient that reaches the trunk: at full strength it swamps G's, which trains p."""


@dataclass(frozen=True)
class Proposals:
    """What D says of a batch.

    Attributes:
        logits: (B, C); minus infinity where the box's centre left the image.
        boxes: (B, C, 4) `cx, cy, sx, sy` as shares of the image.
    """

    logits: Tensor
    boxes: Tensor

    @property
    def probability(self) -> Tensor:
        """P: (B, C), sums to one over the cells."""
        return self.logits.softmax(dim=1)

    def box_at(self, cells: Tensor) -> Tensor:
        """Boxes of the given cells: (B,) indices to (B, 4)."""
        return self.boxes[torch.arange(len(cells), device=cells.device), cells]


class Detector(nn.Module):
    """D: image -> proposals.

    Args:
        grid: cells per side, C = grid * grid.
        channels: of the first layer.
        scale_min, scale_max: range of a box's sides, shares of the image.
        offset_limit: largest distance from cell centre to box centre, in box sides.
        initial_scale: box side before training.
        imagenet: start from EfficientNet-Lite0's weights rather than from scratch.
    """

    centres: Tensor

    def __init__(
        self,
        grid: int,
        channels: int,
        scale_min: float,
        scale_max: float,
        offset_limit: float,
        initial_scale: float,
        imagenet: bool = False,
    ) -> None:
        super().__init__()
        self.grid, self.offset_limit = grid, offset_limit
        self.scale_min, self.scale_max = scale_min, scale_max
        c1, c2, c4 = channels, 2 * channels, 4 * channels
        self.trunk = (
            nn.Sequential(Eighth(), conv_block(CHANNELS[-1], c4))
            if imagenet
            else nn.Sequential(
                conv_block(3, c1, kernel=5, stride=2),
                conv_block(c1, c2, stride=2),
                conv_block(c2, c2),
                conv_block(c2, c4, stride=2),
                conv_block(c4, c4),
            )
        )
        self.logit_head = nn.Sequential(conv_block(c4, c4), conv_block(c4, c2), nn.Conv2d(c2, 1, 1))
        self.box_head = nn.Sequential(conv_block(c4, c4), conv_block(c4, c2), nn.Conv2d(c2, 4, 1))
        self.register_buffer("centres", cell_centres(grid), persistent=False)
        share = (initial_scale - scale_min) / (scale_max - scale_min)
        last = self.box_head[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        nn.init.zeros_(last.weight)  # every box starts at its cell's centre, with one size
        nn.init.zeros_(last.bias)
        last.bias.data[2:] = torch.logit(torch.tensor(share))

    def forward(self, image: Tensor) -> Proposals:
        """(B, 3, H, W) in [0, 1] to proposals."""
        features = F.adaptive_avg_pool2d(self.trunk(standardise(image)), self.grid)
        logits = self.logit_head(features).flatten(1)  # (B, C)
        damped = BOX_GRADIENT * features + (1 - BOX_GRADIENT) * features.detach()
        raw = self.box_head(damped).flatten(2).transpose(1, 2)  # (B, C, 4)
        boxes = self.decode(raw)
        centre = boxes[..., :2].detach()
        outside = ((centre < 0) | (centre > 1)).any(dim=2)
        return Proposals(logits.masked_fill(outside, float("-inf")), boxes)

    def initial_boxes(self) -> Tensor:
        """(C, 4) boxes before training: at their cells' centres, all of one size."""
        last = self.box_head[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        return self.decode(last.bias.detach().expand(1, len(self.centres), 4))[0]

    def decode(self, raw: Tensor) -> Tensor:
        """Raw head outputs (B, C, 4) to boxes (B, C, 4) within the limits."""
        size = self.scale_min + (self.scale_max - self.scale_min) * raw[..., 2:].sigmoid()
        offset = self.offset_limit * size * raw[..., :2].tanh()
        return torch.cat([self.centres + offset, size], dim=2)
