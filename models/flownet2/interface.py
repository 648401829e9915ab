"""What every FlowNet2 variant is used through: two images of any size in, flow in px out."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

COARSEST = 64  # px; sizes must be multiples of the coarsest level's cell


class TwoFrame(nn.Module, ABC):
    """A network that finds the optical flow between two images.

    The published weights were made for values of [0, 255] in RGB, less the mean, over 255; for
    images in [0, 1] that is less the mean alone.

    Attributes:
        unit: px that 1 means in the network's own flow; published networks predict px / 20.
        enlarging: interpolation of the finest prediction to full resolution.
    """

    unit = 20.0
    enlarging = "bilinear"

    def forward(self, target: Tensor, source: Tensor) -> Tensor:
        """Flow on the target's grid.

        Args:
            target, source: (B, 3, H, W) RGB in [0, 1], of any size.

        Returns:
            float32 (B, 2, H, W): displacement to the right and downwards, px, such that
            target(x) ~ source(x + flow(x)).

        Raises:
            ValueError: an image is not finite.
        """
        height, width = target.shape[2:]
        x = padded(centred(target, source))  # what is repeated beyond the border is not averaged
        finest = self._in_px(x)[0]
        flow = enlarged(finest, x.shape[2] // finest.shape[2], self.enlarging)
        return flow[..., :height, :width]

    def pyramid(self, target: Tensor, source: Tensor) -> list[Tensor]:
        """The last network's predictions at all its levels, for training.

        Gradients reach the earlier networks of a stack too, through warped images and flow.

        Args:
            target, source: (B, 3, H, W) RGB in [0, 1]; H and W multiples of 64.

        Returns:
            float32 (B, 2, H / n, W / n), finest first, all in px of the full resolution; n is 4, 8,
            16, 32, 64, and with fusion 1, 2, 4.

        Raises:
            ValueError: an image is not finite.
        """
        return self._in_px(centred(target, source))

    def _in_px(self, x: Tensor) -> list[Tensor]:
        return [self.unit * flow.float() for flow in self.levels(x)]

    @abstractmethod
    def levels(self, x: Tensor) -> list[Tensor]:
        """Flow, finest first, in units of `unit`, from a centred pair (B, 6, H, W)."""


def enlarged(flow: Tensor, factor: int, mode: str) -> Tensor:
    """Flow at `factor` times its size; its values are px of the full resolution already."""
    if factor == 1:
        return flow
    corners = False if mode == "bilinear" else None
    return F.interpolate(flow, scale_factor=factor, mode=mode, align_corners=corners)


def padded(image: Tensor) -> Tensor:
    """To multiples of 64 px, on the right and below, by repeating the border."""
    below, right = (-side % COARSEST for side in image.shape[2:])
    return F.pad(image, (0, right, 0, below), mode="replicate") if below or right else image


def centred(target: Tensor, source: Tensor) -> Tensor:
    """(B, 6, H, W) without the mean of each pair and channel over both images."""
    means = [image.mean(dim=(2, 3), keepdim=True) for image in (target, source)]
    for name, mean in zip(("target", "source"), means, strict=True):
        if not torch.isfinite(mean).all():
            raise ValueError(f"the {name} image has values that are not finite")
    mean = (means[0] + means[1]) / 2
    return torch.cat([target - mean, source - mean], dim=1)
