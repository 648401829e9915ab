"""Perceptual features for L (3.4): an ImageNet network's."""

from __future__ import annotations

from torch import Tensor, nn

from models.backbones import Stages


class PerceptualFeatures(nn.Module):
    """Frozen maps at a half, a quarter and an eighth of the resolution.

    Args:
        stages: a trained network's.
    """

    def __init__(self, stages: Stages) -> None:
        super().__init__()
        self.stages = stages.eval().requires_grad_(False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) standardised to three maps."""
        maps: list[Tensor] = self.stages(image)
        return maps

    def train(self, mode: bool = True) -> PerceptualFeatures:
        """Stay in evaluation mode: the batch norms keep ImageNet's statistics."""
        del mode
        return super().train(False)
