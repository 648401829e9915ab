"""The whole model at inference: detector, crop, synthesis, mask back in the image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.boxes import rectangle_mask
from models.detector import Detector, Proposals
from models.direct_detector import DirectDetector
from models.extent import mask_extent
from models.known_background import BackgroundModel
from models.selection import Limits, apart, select
from models.spatial_transformer import crop, focal_bump, uncrop
from models.synthesis import Synthesis

ONE = Limits()
"""The single subject that the model is trained on."""


@dataclass(frozen=True)
class Prediction:
    """The subjects of each image, by falling probability; one unless more were asked for.

    Attributes:
        probability: (B, C) of the cells.
        cells: (B, K) of the subjects.
        found: (B, K) bool, false where an image has fewer than K; those found come first.
        boxes: (B, K, 4) `cx, cy, sx, sy` as shares of the image.
        masks: (B, K, H, W) soft masks in [0, 1]; 0 where not found.
        background: (B, 3, H, W) the image with the box's hole inpainted, or the known background.
    """

    probability: Tensor
    cells: Tensor
    found: Tensor
    boxes: Tensor
    masks: Tensor
    background: Tensor

    @property
    def cell(self) -> Tensor:
        """(B,) the most probable cell."""
        return self.cells[:, 0]

    @property
    def box(self) -> Tensor:
        """(B, 4) its box."""
        return self.boxes[:, 0]

    @property
    def mask(self) -> Tensor:
        """(B, 1, H, W) soft mask of all subjects together."""
        return self.masks.amax(dim=1, keepdim=True)


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
        foreground, logits = self.synthesis(*self._windows(image, boxes, background))
        return foreground, self._in_image(logits, boxes, image)

    def _windows(self, image: Tensor, boxes: Tensor, background: Tensor) -> tuple[Tensor, Tensor]:
        """The boxes' windows of the image and of the background, (B, 3, h, w)."""
        side = self.window
        return crop(image, boxes, side, side), crop(background, boxes, side, side)

    def _in_image(self, logits: Tensor, boxes: Tensor, image: Tensor) -> Tensor:
        """A window's mask logits as mask (B, 1, H, W) in the image."""
        return uncrop(logits.sigmoid() * self.bump, boxes, *image.shape[2:])

    @torch.no_grad()
    def predict(
        self, image: Tensor, inpainter: BackgroundModel, limits: Limits = ONE, looks: int = 1
    ) -> Prediction:
        """Segment the boxes of the most probable cells.

        All subjects' holes are inpainted together, so that none is in another's background.

        Args:
            image: (B, 3, H, W) in [0, 1].
            inpainter: fills the holes.
            limits: how many subjects.
            looks: each after the first looks again, at the box of the mask found before: D's boxes
                are loose. The image is the same one, and so is the box of an empty mask.
        """
        proposals: Proposals = self.detector(image)
        cells, found = select(proposals, limits)
        boxes = [proposals.box_at(cell) for cell in cells.unbind(dim=1)]
        background, masks = self._look(image, boxes, inpainter)
        for _ in range(looks - 1):
            boxes = [
                mask_extent(mask[:, 0], self.detector.scale_min, box)
                for mask, box in zip(masks, boxes, strict=True)
            ]
            background, masks = self._look(image, boxes, inpainter)
        fitted = torch.stack(boxes, dim=1)
        found = apart(fitted, found, limits.overlap)
        row = torch.arange(len(image), device=image.device)[:, None]
        order = row, (~found).to(torch.uint8).argsort(dim=1, stable=True)  # those found come first
        return Prediction(
            proposals.probability,
            cells[order],
            found[order],
            fitted[order],
            (torch.cat(masks, dim=1) * found[:, :, None, None])[order],
            background,
        )

    def _look(
        self, image: Tensor, boxes: list[Tensor], inpainter: BackgroundModel
    ) -> tuple[Tensor, list[Tensor]]:
        """Background (B, 3, H, W) behind all boxes (B, 4), and each one's mask (B, 1, H, W)."""
        holes = [rectangle_mask(box, *image.shape[2:]) for box in boxes]
        background = inpainter(image, torch.stack(holes).amax(dim=0)).clamp(0, 1)
        masks = []
        for box in boxes:
            logits = self.synthesis.mask_logits(*self._windows(image, box, background))
            masks.append(self._in_image(logits, box, image))
        return background, masks
