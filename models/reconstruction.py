"""Compositing F (Eq. 1) and the distance L between two images."""

from __future__ import annotations

from torch import Tensor, nn

from models.layers import standardise
from models.spatial_transformer import uncrop

LEAST_VARIANCE = 1e-6
"""Of a map of features; of an image of one colour nothing is to be seen."""


def composite(foreground: Tensor, mask: Tensor, background: Tensor, boxes: Tensor) -> Tensor:
    """F = T^-1(fg) * T^-1(S) + B * (1 - T^-1(S)).  Eq. (1)

    Args:
        foreground: (B, 3, h, w) window.
        mask: (B, 1, H, W) T^-1(S), already in the image.
        background: (B, 3, H, W).
        boxes: (B, 4) of the windows.
    """
    height, width = background.shape[2:]
    return uncrop(foreground, boxes, height, width) * mask + background * (1 - mask)


class ReconstructionLoss(nn.Module):
    """L = pixel * L2 + perceptual * L2 of features, both per image, in standardised units (3.4).

    Each map of features is measured in standard deviations of the wanted image's map, so that maps
    count alike and the paper's 1:2 keeps its meaning.

    Args:
        pixel, perceptual: weights, 1 and 2 in the paper.
        features: image (B, 3, H, W) standardised -> list of feature maps; None without weights.
    """

    def __init__(self, pixel: float, perceptual: float, features: nn.Module | None) -> None:
        super().__init__()
        self.pixel, self.perceptual, self.features = pixel, perceptual, features

    def forward(self, reconstruction: Tensor, image: Tensor) -> Tensor:
        """Distance of two images (B, 3, H, W) in [0, 1]; returns (B,)."""
        ours, theirs = standardise(reconstruction), standardise(image)
        loss = self.pixel * (ours - theirs).square().mean(dim=(1, 2, 3))
        if self.features is not None and self.perceptual > 0:
            pairs = zip(self.features(ours), self.features(theirs), strict=True)
            for mine, wanted in pairs:
                loss = loss + self.perceptual * _relative_distance(mine, wanted.detach())
        return loss


def _relative_distance(mine: Tensor, wanted: Tensor) -> Tensor:
    """Mean square of the difference over the wanted map's variance: (B, C, h, w) to (B,)."""
    variance = wanted.var(dim=(2, 3), correction=0).mean(dim=1)
    error = (mine - wanted).square().mean(dim=(1, 2, 3))
    return error / variance.clamp(min=LEAST_VARIANCE)
