"""Inpainting errors of all cells at D's initial boxes, computed once, to warm D up on (3.2).

While the boxes have not moved, G needs no sampling: the error of every cell is a table, and D's
probabilities train on the exact sum over cells (Eq. 2's form). The table also tells, before any
training, whether training can work: the ratio between the subject's and the background's error.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.boxes import rectangle_mask
from models.known_background import BackgroundModel
from models.layers import standardise
from models.matrix_forms import median

HOLES_PER_PASS = 2
"""Cells half a grid apart share a pass, as long as no two holes of a pass overlap."""


def mean_in_hole(filled: Tensor, image: Tensor, hole: Tensor) -> Tensor:
    """L(I(I, b), I) / a(b) of Eq. (4), one value per image; of L its pixel part alone.

    Outside the hole an inpainter leaves the image itself, so that the image-wide mean over the
    hole's share of the pixels is the mean inside the hole; a known background is not looked at
    there.

    Args:
        filled: (B, 3, H, W), perhaps somewhat beyond [0, 1]: an inpainter's output is not clipped.
        image: (B, 3, H, W) in [0, 1].
        hole: (B, 1, H, W), clipped at the border: a box reaching out gains nothing by it.

    Returns:
        (B,) mean squared error, standardised units.
    """
    error = squared_error(filled, image)
    return (error * hole).sum(dim=(1, 2, 3)) / hole.sum(dim=(1, 2, 3)).clamp(min=1)


def squared_error(filled: Tensor, image: Tensor) -> Tensor:
    """(B, 1, H, W) squared difference in standardised units, mean over the colours."""
    return (standardise(filled) - standardise(image)).square().mean(dim=1, keepdim=True)


@torch.no_grad()
def cell_errors(inpainter: BackgroundModel, image: Tensor, boxes: Tensor) -> Tensor:
    """Error density of every cell.

    Args:
        image: (B, 3, H, W) in [0, 1].
        boxes: (C, 4) the initial boxes, the same for every image.

    Returns:
        (B, C).
    """
    batch, _, height, width = image.shape
    holes = rectangle_mask(boxes, height, width)  # (C, 1, H, W)
    errors = image.new_zeros(batch, len(boxes))
    stride = _stride(holes)
    for first in range(stride):
        together = holes[first::stride]
        joint = together.amax(dim=0, keepdim=True).expand(batch, -1, -1, -1)
        error = squared_error(inpainter(image, joint), image)  # (B, 1, H, W)
        pixels = together.sum(dim=(1, 2, 3)).clamp(min=1)
        inside = torch.einsum("bohw,cohw->bc", error, together) / pixels
        errors[:, first::stride] = inside
    return errors


def _stride(holes: Tensor) -> int:
    """From a cell to the next one of its pass; in a joint hole each would look harder to fill."""
    stride = max(1, len(holes) // HOLES_PER_PASS)
    most = torch.stack([holes[first::stride].sum(dim=0).amax() for first in range(stride)]).amax()
    return stride if most <= 1 else len(holes)


@dataclass(frozen=True)
class ErrorScale:
    """How to bring G of frames and G of flow images to one scale.

    Attributes:
        spread: standard deviation of the table, over cells within an image.
        contrast: largest over median error within an image, median over images.
    """

    spread: float
    contrast: float


def error_scale(table: Tensor, least: float = 1e-6) -> ErrorScale:
    """Scale and contrast of a table (B, C); of an empty one 1 and 0, for nothing stands out.

    Args:
        table: mean squared errors in ImageNet's deviations.
        least: spread of a table in which nothing but the inpainter's own noise stands out.
    """
    if not len(table):
        return ErrorScale(1.0, 0.0)
    spread = float(table.std(dim=1).mean().clamp(min=least))
    contrast = float((table.amax(dim=1) / median(table).clamp(min=1e-6)).median())
    return ErrorScale(spread, contrast)
