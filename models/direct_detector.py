"""Direct regression, the alternative of Fig. 10(d): D says one box for the image, and no p.

There is one cell, C = 1, and its probability is 1. Neither O nor G chooses among proposals any
more: both can only pull at the one box, which in the paper diverges.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.backbones import Stages
from models.detector import Proposals, Trunk, start_boxes_at
from models.layers import conv_block, in_float32_at_last


class DirectDetector(nn.Module):
    """D without proposals: a box from the features of the whole image.

    Args:
        pooled: side of the feature map that the box is regressed from.
        channels: of the first layer.
        scale_min, scale_max: range of the box's sides, shares of the image.
        initial_scale: box side before training.
        stages: encoder of the trunk; None: from scratch.
    """

    grid = 1

    def __init__(
        self,
        pooled: int,
        channels: int,
        scale_min: float,
        scale_max: float,
        initial_scale: float,
        stages: Stages | None = None,
    ) -> None:
        super().__init__()
        self.scale_min, self.scale_max = scale_min, scale_max
        c1, c4 = channels, 4 * channels
        self.trunk = Trunk(pooled, channels, stages)
        last = nn.Linear(c4, 4)
        start_boxes_at(last, initial_scale, scale_min, scale_max)
        self.box_head = nn.Sequential(
            conv_block(c4, c1),
            nn.Flatten(),
            nn.Linear(c1 * pooled * pooled, c4),
            nn.ReLU(inplace=True),
            last,
        )

    def forward(self, image: Tensor) -> Proposals:
        """(B, 3, H, W) in [0, 1] to a single proposal of probability 1, its centre anywhere."""
        raw = in_float32_at_last(self.box_head, self.trunk(image)).sigmoid()  # (B, 4)
        size = self.scale_min + (self.scale_max - self.scale_min) * raw[:, 2:]
        boxes = torch.cat([raw[:, :2], size], dim=1)[:, None]
        return Proposals(boxes.new_zeros(len(boxes), 1), boxes)
