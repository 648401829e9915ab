"""The student of self-training: one image to its soft mask, at full resolution (beyond the paper).

A U-Net. Its encoder is trained from scratch, or is EfficientNet-Lite0, begun from ImageNet.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from models.backbones import EfficientNetStages, Stages
from models.layers import concatenate, conv_block, standardise
from models.matrix_forms import Upsample

STRIDE = 16
"""Sides are padded to a multiple of it."""


class _Scratch(Stages):
    """Maps at a half, a quarter and an eighth of the resolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = (2 * channels, 4 * channels, 6 * channels)
        inputs = (3, *self.channels[:-1])
        self.stages = nn.ModuleList(
            nn.Sequential(conv_block(before, after, stride=2), conv_block(after, after))
            for before, after in zip(inputs, self.channels, strict=True)
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        maps = []
        for stage in self.stages:
            image = stage(image)
            maps.append(image)
        return maps


class Student(nn.Module):
    """Image -> mask logits.

    Args:
        channels: of the full-resolution layers; deeper ones have up to 8 times as many.
        imagenet: the encoder is EfficientNet-Lite0; its weights are to be loaded.
    """

    def __init__(self, channels: int, imagenet: bool) -> None:
        super().__init__()
        c1, c2, c4, c6, c8 = (times * channels for times in (1, 2, 4, 6, 8))
        self.enter = conv_block(3, c1)  # 1
        self.encoder: Stages = EfficientNetStages() if imagenet else _Scratch(channels)
        e2, e4, e8 = self.encoder.channels
        self.code = nn.Sequential(  # 1/16
            conv_block(e8, c8, stride=2), conv_block(c8, c8, dilation=2), conv_block(c8, c6)
        )
        self.up8 = conv_block(c6 + e8, c4)
        self.up4 = conv_block(c4 + e4, c2)
        self.up2 = conv_block(c2 + e2, c2)
        self.up1 = conv_block(c2 + c1, c1)
        self.larger = Upsample()
        self.mask = nn.Conv2d(c1, 1, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """Decode the image.

        Args:
            image: (B, 3, H, W) in [0, 1], any size.

        Returns:
            Mask logits (B, 1, H, W).
        """
        height, width = image.shape[2:]
        padding = (0, -width % STRIDE, 0, -height % STRIDE)
        seen = standardise(F.pad(image, padding, mode="replicate"))
        full = self.enter(seen)
        half, quarter, eighth = self.encoder(seen)
        x = self.up8(concatenate([self.larger(self.code(eighth)), eighth]))
        x = self.up4(concatenate([self.larger(x), quarter]))
        x = self.up2(concatenate([self.larger(x), half]))
        x = self.up1(concatenate([self.larger(x), full]))
        logits: Tensor = self.mask(x)
        return logits[..., :height, :width]
