"""Detector D (3): a fully convolutional, YOLO-like network; a probability and a box per cell."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.backbones import Stages
from models.boxes import cell_centres
from models.layers import conv_block, in_float32_at_last, standardise
from models.matrix_forms import pool

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


class Trunk(nn.Module):
    """Features of an image, pooled to the grid.

    Args:
        grid: cells per side.
        channels: of the first layer; the features have four times as many.
        stages: encoder to start from; None: from scratch.
    """

    def __init__(self, grid: int, channels: int, stages: Stages | None) -> None:
        super().__init__()
        self.grid, self.stages = grid, stages
        c1, c2, c4 = channels, 2 * channels, 4 * channels
        self.layers = (
            conv_block(stages.channels[-1], c4)
            if stages is not None
            else nn.Sequential(
                conv_block(3, c1, kernel=5, stride=2),
                conv_block(c1, c2, stride=2),
                conv_block(c2, c2),
                conv_block(c2, c4, stride=2),
                conv_block(c4, c4),
            )
        )

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] to (B, 4 * channels, G, G)."""
        x = standardise(image)
        if self.stages is not None:
            x = self.stages(x)[-1]
        return pool(self.layers(x), self.grid)


def start_boxes_at(
    last: nn.Conv2d | nn.Linear, scale: float, smallest: float, largest: float
) -> None:
    """Make a head's last layer say `no offset, this size` whatever its input."""
    share = (scale - smallest) / (largest - smallest)
    assert last.bias is not None
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    last.bias.data[2:] = torch.logit(torch.tensor(share))


class Detector(nn.Module):
    """D: image -> proposals.

    Args:
        grid: cells per side, C = grid * grid.
        channels: of the first layer.
        scale_min, scale_max: range of a box's sides, shares of the image.
        offset_limit: largest distance from cell centre to box centre, in box sides.
        initial_scale: box side before training.
        stages: encoder of the trunk; None: from scratch.
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
        stages: Stages | None = None,
    ) -> None:
        super().__init__()
        self.grid, self.offset_limit = grid, offset_limit
        self.scale_min, self.scale_max = scale_min, scale_max
        c2, c4 = 2 * channels, 4 * channels
        self.trunk = Trunk(grid, channels, stages)
        self.logit_head = nn.Sequential(conv_block(c4, c4), conv_block(c4, c2), nn.Conv2d(c2, 1, 1))
        self.box_head = nn.Sequential(conv_block(c4, c4), conv_block(c4, c2), nn.Conv2d(c2, 4, 1))
        self.register_buffer("centres", cell_centres(grid), persistent=False)
        last = self.box_head[-1]
        assert isinstance(last, nn.Conv2d)
        start_boxes_at(last, initial_scale, scale_min, scale_max)

    def forward(self, image: Tensor) -> Proposals:
        """(B, 3, H, W) in [0, 1] to proposals."""
        features = self.trunk(image)
        logits = in_float32_at_last(self.logit_head, features).flatten(1)  # (B, C)
        damped = BOX_GRADIENT * features + (1 - BOX_GRADIENT) * features.detach()
        raw = in_float32_at_last(self.box_head, damped)  # (B, 4, g, g)
        boxes = self.decode(raw.flatten(2).transpose(1, 2))
        centre = boxes[..., :2].detach()
        outside = ((centre < 0) | (centre > 1)).any(dim=2)
        outside &= ~outside.all(dim=1, keepdim=True)  # some cell must be left to draw
        return Proposals(logits.masked_fill(outside, float("-inf")), boxes)

    def decode(self, raw: Tensor) -> Tensor:
        """Raw head outputs (B, C, 4), float32, to boxes (B, C, 4) within the limits."""
        size = self.scale_min + (self.scale_max - self.scale_min) * raw[..., 2:].sigmoid()
        offset = self.offset_limit * size * raw[..., :2].tanh()
        return torch.cat([self.centres + offset, size], dim=2)
