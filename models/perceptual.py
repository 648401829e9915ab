"""Perceptual features for L (3.4): an ImageNet network's, scaled so that every map counts alike."""

from __future__ import annotations

from torch import Tensor, nn

from models.backbones import Stages


class PerceptualFeatures(nn.Module):
    """Frozen maps at a half, a quarter and an eighth of the resolution.

    Each is divided by its own standard deviation over the batch's pixels: the distance is in
    standardised units, as the pixel loss is, and the paper's 1:2 keeps its meaning.

    Args:
        stages: a trained network's.
    """

    def __init__(self, stages: Stages) -> None:
        super().__init__()
        self.stages = stages.eval().requires_grad_(False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) standardised to three maps."""
        maps: list[Tensor] = self.stages(image)
        return [x / x.detach().std(dim=(0, 2, 3), keepdim=True).clamp(min=1e-3) for x in maps]

    def train(self, mode: bool = True) -> PerceptualFeatures:
        """Stay in evaluation mode: the batch norms keep ImageNet's statistics."""
        del mode
        return super().train(False)
