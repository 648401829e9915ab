"""Synthesis network S: a window to its foreground and mask.

A bottleneck encoder-decoder. The foreground is decoded from the bottleneck alone, so that it only
approximates the window and leaves to the background what the background explains (3.1). The mask
has skip connections (+0.17 J in trials): it must be sharp, and it invents no colours.

With `see_background` the window of the inpainted background is a second input. At test time it
comes from the same single image. The network then learns what *differs*, which carries over to
subjects never seen, where a mask from appearance alone learns the clothes of the training subjects.
Its mask starts as background subtraction and is refined from there.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.layers import conv_block, standardise, upsample


class Synthesis(nn.Module):
    """S: window (and inpainted window) -> foreground, mask.

    Args:
        channels: of the first layer.
        see_background: take the inpainted window as a second input.
    """

    def __init__(self, channels: int, see_background: bool) -> None:
        super().__init__()
        self.see_background = see_background
        c1, c2, c4 = channels, 2 * channels, 4 * channels
        self.enter = conv_block(9 if see_background else 3, c1)  # 1
        self.down1 = nn.Sequential(conv_block(c1, c2, stride=2), conv_block(c2, c2))  # 1/2
        self.down2 = nn.Sequential(conv_block(c2, c4, stride=2), conv_block(c4, c4))  # 1/4
        self.down3 = nn.Sequential(conv_block(c4, c4, stride=2), conv_block(c4, c4))  # 1/8
        self.foreground = nn.Sequential(
            upsample(), conv_block(c4, c2), upsample(), conv_block(c2, c1),
            upsample(), nn.Conv2d(c1, 3, 3, padding=1),
        )  # fmt: skip
        self.up3 = nn.Sequential(upsample(), conv_block(c4, c4))
        self.up2 = nn.Sequential(conv_block(2 * c4, c2), upsample(), conv_block(c2, c2))
        self.up1 = nn.Sequential(conv_block(2 * c2, c1), upsample(), conv_block(c1, c1))
        # Until S has learnt better, the mask is what differs: a threshold on the distance.
        # Soft, so that what is learnt can overrule it: at a gain of 8 the mask kept the holes where
        # the subject has the colours of what is behind it (docs/experiments.md).
        self.gain = nn.Parameter(torch.tensor(3.0))
        self.offset = nn.Parameter(torch.tensor(0.5))
        self.mask = nn.Sequential(conv_block(2 * c1, c1), nn.Conv2d(c1, 1, 3, padding=1))

    def forward(self, window: Tensor, background: Tensor) -> tuple[Tensor, Tensor]:
        """Decode the window.

        Args:
            window: (B, 3, h, w) in [0, 1], h and w multiples of 8.
            background: (B, 3, h, w), the inpainted window; unused without `see_background`.

        Returns:
            Foreground (B, 3, h, w), unclipped, and mask logits (B, 1, h, w).
        """
        seen = standardise(window)
        prior: Tensor | float = 0.0
        if self.see_background:
            behind = standardise(background)
            difference = seen - behind
            distance = (difference.square().mean(dim=1, keepdim=True) + 1e-4).sqrt()
            prior = self.gain * (distance - self.offset)
            seen = torch.cat([seen, behind, difference.abs()], dim=1)
        full = self.enter(seen)
        half = self.down1(full)
        quarter = self.down2(half)
        code = self.down3(quarter)
        foreground = self.foreground(code) + 0.5
        x = self.up2(torch.cat([self.up3(code), quarter], dim=1))
        x = self.up1(torch.cat([x, half], dim=1))
        return foreground, self.mask(torch.cat([x, full], dim=1)) + prior
