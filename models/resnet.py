"""ResNet-18 and -50 (He et al. 2016) as torchvision has them, up to an eighth of the resolution."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from torch import Tensor

from models.backbones import Stages
from models.published_weights import fit, resnet_entries
from models.torchvision_shim import fetch, resnet

WEIGHTS = {
    "resnet18": resnet.ResNet18_Weights.IMAGENET1K_V1,
    "resnet50": resnet.ResNet50_Weights.IMAGENET1K_V1,
}

BLOCKS = {"resnet18": (resnet.BasicBlock, 2, 2), "resnet50": (resnet.Bottleneck, 3, 4)}
"""Of each: the block, and how many `layer1` and `layer2` have."""


class ResNetStages(Stages):
    """Stem, `layer1` and `layer2`; what lies deeper is coarser than D's and S's maps.

    Args:
        kind: of network.
    """

    def __init__(self, kind: Literal["resnet18", "resnet50"]) -> None:
        super().__init__()
        block, first, second = BLOCKS[kind]
        network = resnet.ResNet(block, [first, second, 1, 1])
        self.conv1, self.bn1, self.relu = network.conv1, network.bn1, network.relu
        self.maxpool, self.layer1, self.layer2 = network.maxpool, network.layer1, network.layer2
        self.channels = (64, 64 * block.expansion, 128 * block.expansion)

    def forward(self, image: Tensor) -> list[Tensor]:
        """See `Stages`."""
        half = self.relu(self.bn1(self.conv1(image)))
        quarter = self.layer1(self.maxpool(half))
        return [half, quarter, self.layer2(quarter)]

    def load_published(self, state: Mapping[str, object]) -> None:
        """See `Stages`; namings as in `models/published_weights.py`."""
        wanted = self.state_dict()
        self.load_state_dict(fit(resnet_entries(state), wanted, {name: name for name in wanted}))


def download(kind: str) -> dict[str, Tensor]:
    """torchvision's ImageNet weights; raises as `models.torchvision_shim.fetch`."""
    return fetch(WEIGHTS[kind])
