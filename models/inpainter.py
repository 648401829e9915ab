"""Inpainting network I (3.2, 3.4): fills a hole from its surroundings.

Trained from scratch on the user's own videos. It need not generalise to new scenes; it must not
know the moving subject. Input is the image with the hole blanked, and the hole; an encoder to an
eighth of the resolution, dilated residual convolutions that see some 140 px each way (beyond it, as
in the middle of larger holes, only the global vector tells), that vector (which of the known views
is this?), and a decoder with skips.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.enlarged_conv import EnlargedConv
from models.layers import concatenate, conv_block
from models.matrix_forms import Upsample

DILATIONS = (1, 2, 4, 1, 2, 4)


class Inpainter(nn.Module):
    """I: (image, hole) -> image with the hole filled.

    Args:
        channels: of the first layer; the bottleneck has four times as many.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        c1, c2, c4 = channels, 2 * channels, 4 * channels
        self.down1 = conv_block(4, c1, kernel=5, stride=2)  # 1/2
        self.down2 = conv_block(c1, c2, stride=2)  # 1/4
        self.down3 = conv_block(c2, c4, stride=2)  # 1/8
        self.middle = nn.ModuleList(conv_block(c4, c4, dilation=d) for d in DILATIONS)
        self.view = nn.Sequential(nn.Linear(c4, c4), nn.ReLU(inplace=True), nn.Linear(c4, c4))
        self.up3 = nn.Sequential(Upsample(), conv_block(c4, c2))
        self.up2 = nn.Sequential(conv_block(2 * c2, c2), Upsample(), conv_block(c2, c1))
        self.up1 = nn.Sequential(conv_block(2 * c1, c1), EnlargedConv(c1, 3))

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        """Fill the hole.

        Args:
            image: (B, 3, H, W) in [0, 1]; H and W multiples of 8.
            hole: (B, 1, H, W), 1 where the image is hidden.

        Returns:
            (B, 3, H, W): the network's output inside the hole, the image outside it.
        """
        return torch.where(hole > 0.5, self.fill(image, hole), image)

    def fill(self, image: Tensor, hole: Tensor) -> Tensor:
        """The raw output everywhere, (B, 3, H, W), unclipped."""
        seen = torch.cat([(image - 0.5) * (1 - hole), hole], dim=1)
        half = self.down1(seen)
        quarter = self.down2(half)
        x = self.down3(quarter)
        for block in self.middle:
            x = x + block(x)
        x = x + self.view(x.mean(dim=(2, 3)))[:, :, None, None]
        x = self.up2(concatenate([self.up3(x), quarter]))
        output: Tensor = self.up1(concatenate([x, half]))
        return output + 0.5


def hole_loss(filled: Tensor, image: Tensor, hole: Tensor) -> Tensor:
    """Mean absolute error inside the hole.

    L1 rather than L2: its optimum is the median of what was seen there, and what was seen most is
    background (A1); L2's mean would mix the passing subject in.

    Returns:
        Scalar, in the units of the image.
    """
    error = F.l1_loss(filled, image, reduction="none").mean(dim=1, keepdim=True)
    return (error * hole).sum() / hole.sum().clamp(min=1)
