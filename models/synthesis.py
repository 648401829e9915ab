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
import torch.nn.functional as F
from torch import Tensor, nn

from models.backbones import Stages
from models.enlarged_conv import EnlargedConv
from models.layers import concatenate, conv_block, standardise
from models.matrix_forms import Upsample


class WindowEncoder(nn.Module):
    """What S sees, as maps at full, half, quarter and an eighth of the window's resolution.

    Args:
        inputs: channels seen, 3 or, with the inpainted window and the difference, 9.
        channels: of the full resolution; twice and four times as many deeper.
        stages: encoder of the window to start from; None: from scratch.
    """

    def __init__(self, inputs: int, channels: int, stages: Stages | None) -> None:
        super().__init__()
        self.stages = stages
        c1, c2, c4 = channels, 2 * channels, 4 * channels
        self.enter = conv_block(inputs, c1)
        if stages is None:
            self.down = nn.ModuleList(
                nn.Sequential(conv_block(first, then, stride=2), conv_block(then, then))
                for first, then in ((c1, c2), (c2, c4), (c4, c4))
            )
        else:  # a published encoder sees three channels; the difference joins its maps
            self.down = nn.ModuleList(
                conv_block(width + (inputs > 3) * 3, then)
                for width, then in zip(stages.channels, (c2, c4, c4), strict=True)
            )

    def forward(self, seen: Tensor) -> list[Tensor]:
        """(B, inputs, h, w) standardised: window, inpainted window, absolute difference."""
        maps = [self.enter(seen)]
        if self.stages is None:
            for down in self.down:
                maps.append(down(maps[-1]))
            return maps
        difference = seen[:, 6:]
        for down, x in zip(self.down, self.stages(seen[:, :3]), strict=True):
            if difference.shape[1] > 0:
                difference = F.avg_pool2d(difference, 2)
                x = concatenate([x, difference])
            maps.append(down(x))
        return maps


class Synthesis(nn.Module):
    """S: window (and inpainted window) -> foreground, mask.

    Args:
        channels: of the first layer.
        see_background: take the inpainted window as a second input.
        stages: encoder of the window to start from; None: from scratch.
    """

    def __init__(self, channels: int, see_background: bool, stages: Stages | None = None) -> None:
        super().__init__()
        self.see_background = see_background
        c1, c2, c4 = channels, 2 * channels, 4 * channels
        self.encoder = WindowEncoder(9 if see_background else 3, channels, stages)
        self.foreground = nn.Sequential(
            Upsample(), conv_block(c4, c2), Upsample(), conv_block(c2, c1), EnlargedConv(c1, 3)
        )  # fmt: skip
        self.up3 = nn.Sequential(Upsample(), conv_block(c4, c4))
        self.up2 = nn.Sequential(conv_block(2 * c4, c2), Upsample(), conv_block(c2, c2))
        self.up1 = nn.Sequential(conv_block(2 * c2, c1), Upsample(), conv_block(c1, c1))
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
        maps, prior = self._encode(window, background)
        return self.foreground(maps[-1]) + 0.5, self._decode_mask(maps, prior)

    def mask_logits(self, window: Tensor, background: Tensor) -> Tensor:
        """The mask logits of `forward` alone, which is all that a prediction needs."""
        return self._decode_mask(*self._encode(window, background))

    def _encode(self, window: Tensor, background: Tensor) -> tuple[list[Tensor], Tensor | float]:
        """Maps of what S sees, and the logits that it starts from."""
        seen = standardise(window)
        prior: Tensor | float = 0.0
        if self.see_background:
            behind = standardise(background)
            difference = seen - behind
            distance = (difference.square().mean(dim=1, keepdim=True) + 1e-4).sqrt()
            prior = self.gain * (distance - self.offset)
            seen = torch.cat([seen, behind, difference.abs()], dim=1)
        return self.encoder(seen), prior

    def _decode_mask(self, maps: list[Tensor], prior: Tensor | float) -> Tensor:
        full, half, quarter, code = maps
        x = self.up2(concatenate([self.up3(code), quarter]))
        x = self.up1(concatenate([x, half]))
        learnt: Tensor = self.mask(concatenate([x, full]))
        return learnt + prior
