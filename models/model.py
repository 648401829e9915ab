"""The whole model at inference: detector, crop, synthesis, mask back in the image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.boxes import rectangle_mask
from models.detector import Detector
from models.direct_detector import DirectDetector
from models.inpainter import Inpainter
from models.spatial_transformer import crop, focal_bump, uncrop
from models.synthesis import Synthesis


@dataclass(frozen=True)
class Prediction:
    """One subject per image.

    Attributes:
        probability: (B, C) of the cells.
        cell: (B,) the most probable one.
        box: (B, 4) `cx, cy, sx, sy` as shares of the image.
        mask: (B, 1, H, W) soft mask in [0, 1].
        background: (B, 3, H, W) the image with the box's hole inpainted.
    """

    probability: Tensor
    cell: Tensor
    box: Tensor
    mask: Tensor
    background: Tensor


class SegmentationModel(nn.Module):
    """D and S (Fig. 2).

    Args:
        detector: D.
        synthesis: S.
        window: side of the cropped window, px.
        focal: multiply the mask by the focal bump (FST) rather than leave it as it is.
    """

    bump: Tensor

    def __init__(
        self, detector: Detector | DirectDetector, synthesis: Synthesis, window: int, focal: bool
    ) -> None:
        super().__init__()
        self.detector, self.synthesis, self.window = detector, synthesis, window
        bump = focal_bump(window, window) if focal else torch.ones(1, 1, window, window)
        self.register_buffer("bump", bump, persistent=False)

    def synthesise(self, image: Tensor, boxes: Tensor, background: Tensor) -> tuple[Tensor, Tensor]:
        """Foreground and mask of the boxes' windows.

        Args:
            image, background: (B, 3, H, W) in [0, 1].
            boxes: (B, 4), with gradient.

        Returns:
            Foreground window (B, 3, h, w), and the mask in the image (B, 1, H, W) in [0, 1].
        """
        window = crop(image, boxes, self.window, self.window)
        behind = crop(background, boxes, self.window, self.window)
        foreground, logits = self.synthesis(window, behind)
        mask = uncrop(logits.sigmoid() * self.bump, boxes, *image.shape[2:])
        return foreground, mask

    @torch.no_grad()
    def predict(self, image: Tensor, inpainter: Inpainter) -> Prediction:
        """Segment the most probable cell's box: (B, 3, H, W) in [0, 1]."""
        proposals = self.detector(image)
        cell = proposals.logits.argmax(dim=1)
        box = proposals.box_at(cell)
        background = inpainter(image, rectangle_mask(box, *image.shape[2:])).clamp(0, 1)
        _, mask = self.synthesise(image, box, background)
        return Prediction(proposals.probability, cell, box, mask, background)
