"""A convolution of the image enlarged by two, computed at the small size.

Both steps are linear: what a filter sees of the enlarged image is a weighted sum of the small one's
3x3 neighbourhood, with other weights for each of the four px that a small one becomes. A layer with
few outputs, the last of a decoder, is 3 to 4 times as fast like this, and a large map less is kept;
one with as many outputs as inputs gains nothing.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_SEEN = (
    ((0.75, 0.25, 0.0), (0.25, 0.75, 0.0), (0.0, 0.75, 0.25)),
    ((0.25, 0.75, 0.0), (0.0, 0.75, 0.25), (0.0, 0.25, 0.75)),
)
"""Of the first and of the second px that a small one becomes: what each of a filter's three places
sees of the small px before, at and after it, when the enlarging is bilinear."""


class EnlargedConv(nn.Conv2d):
    """`Upsample` and a 3x3 convolution in one: (B, I, H, W) to (B, O, 2H, 2W).

    The same but at the border, where the small image is padded with zeros and not the large one.
    """

    seen: Tensor

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, kernel_size=3)
        self.register_buffer("seen", torch.tensor(_SEEN), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, I, H, W) to (B, O, 2H, 2W), channels last in memory."""
        assert self.bias is not None
        with torch.autocast(x.device.type, enabled=False):  # so few weights: exact
            each = torch.einsum("oiuv,pua,qvb->pqoiab", self.weight, self.seen, self.seen)
        y = F.conv2d(x, each.flatten(0, 2), self.bias.repeat(4), padding=1)
        batch, _, height, width = y.shape
        y = y.permute(0, 2, 3, 1).reshape(batch, height, width, 2, 2, self.out_channels)
        y = y.permute(0, 1, 3, 2, 4, 5).reshape(batch, 2 * height, 2 * width, self.out_channels)
        return y.permute(0, 3, 1, 2)
