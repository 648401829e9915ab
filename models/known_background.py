"""Known backgrounds B in the inpainter's place (3.1): a still camera, or pictures given.

B holds everywhere and not in the hole alone: what a box leaves out then costs O, Eq. (3), which
trains D without G.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.inpainter import Inpainter
from models.matrix_forms import median

GRID = 24
"""Pixels per side that are compared with the backgrounds, about."""


class KnownBackground(nn.Module):
    """(image, hole) -> background, as an `Inpainter` is called.

    Of several backgrounds (cameras), each image takes the one that fits best outside its hole, in
    the image's light: per colour shifted by the median difference.

    Args:
        count: V, how many backgrounds.
        height, width: their size, px.
    """

    backgrounds: Tensor
    coverage: Tensor

    def __init__(self, count: int, height: int, width: int) -> None:
        super().__init__()
        self.register_buffer("backgrounds", torch.zeros(count, 3, height, width))  # in [0, 1]
        self.register_buffer("coverage", torch.zeros(count, 1, height, width))  # share of frames

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        """The background of each image.

        Args:
            image: (B, 3, H, W) in [0, 1], of the backgrounds' size.
            hole: (B, 1, H, W), 1 where the image is not to be looked at.

        Returns:
            (B, 3, H, W), no gradient; inside the hole and outside it.
        """
        best, shift = self.match(image, hole)
        return self.backgrounds[best] + shift[:, :, None, None]

    @torch.no_grad()
    def match(self, image: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
        """Which background fits, (B,) int64, and the shift (B, 3) from its light to the image's."""
        rows, columns = (max(1, size // GRID) for size in image.shape[2:])
        seen, known = (x[:, :, ::rows, ::columns].flatten(2) for x in (image, self.backgrounds))
        hidden = hole[:, None, :, ::rows, ::columns].flatten(3) > 0.5  # (B, 1, 1, P)
        difference = (seen[:, None] - known).masked_fill(hidden, float("nan"))  # (B, V, 3, P)
        shift = median(difference).nan_to_num(0)  # all hidden: no shift
        error = median((difference - shift[..., None]).abs()).mean(dim=2)  # (B, V)
        best = error.nan_to_num(0).argmin(dim=1)
        return best, shift[torch.arange(len(image), device=image.device), best]


BackgroundModel = Inpainter | KnownBackground
"""What stands behind the subject: inpainted from the surroundings, or known."""
