"""Spatial transformers T and T^-1 (Eq. 1) and the focal bump of the FST (Rhodin et al. 2019).

T crops a box from an image into a fixed window; T^-1 puts a window back where it came from. T pads
with the border (a box may reach beyond the image), T^-1 with zeros (nothing is outside the window).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from models import matrix_forms


def crop(image: Tensor, boxes: Tensor, height: int, width: int) -> Tensor:
    """T: sample the boxes into windows.

    Args:
        image: (B, C, H, W).
        boxes: (B, 4) `cx, cy, sx, sy` as shares of the image; gradients flow to them.
        height, width: size of the window, px.

    Returns:
        (B, C, height, width).
    """
    scale, centre = boxes[:, 2:], 2 * boxes[:, :2] - 1
    return _sample(image, scale, centre, height, width, padding="border")


def uncrop(window: Tensor, boxes: Tensor, height: int, width: int) -> Tensor:
    """T^-1: put windows back into an image that is zero elsewhere.

    Args:
        window: (B, C, h, w).
        boxes: (B, 4) as given to `crop`.
        height, width: size of the image, px.

    Returns:
        (B, C, height, width).
    """
    scale = 1 / boxes[:, 2:]
    centre = -(2 * boxes[:, :2] - 1) * scale
    return _sample(window, scale, centre, height, width, padding="zeros")


def focal_bump(height: int, width: int) -> Tensor:
    """A smooth window, 1 in the middle and 0 at the border, that multiplies the mask of S.

    What lies near the box's border is dimmed, so that the reconstruction improves when the box
    moves onto the object: the gradient that pulls the box. It is flat in the middle (1 - x^8), for
    the mask itself must not be shaped by it.

    Returns:
        (1, 1, height, width) in [0, 1].
    """
    y = (torch.arange(height) + 0.5) / height * 2 - 1
    x = (torch.arange(width) + 0.5) / width * 2 - 1
    return ((1 - y[:, None] ** 8) * (1 - x[None, :] ** 8))[None, None]


def _sample(
    source: Tensor, scale: Tensor, centre: Tensor, height: int, width: int, padding: str
) -> Tensor:
    """Bilinear sampling of `source` on the axis-aligned grid `scale * x + centre`."""
    if matrix_forms.needed(source):
        border = padding == "border"
        return _sample_by_matrices(source, scale, centre, (height, width), clamp=border)
    zero = torch.zeros_like(scale[:, 0])
    theta = torch.stack(
        [
            torch.stack([scale[:, 0], zero, centre[:, 0]], dim=1),
            torch.stack([zero, scale[:, 1], centre[:, 1]], dim=1),
        ],
        dim=1,
    )  # (B, 2, 3)
    return sample_affine(source, theta, height, width, padding)


def sample_affine(source: Tensor, theta: Tensor, height: int, width: int, padding: str) -> Tensor:
    """Bilinear sampling; where, is exact also under autocast: bfloat16 has no tenths of a px.

    Args:
        source: (B, C, H, W).
        theta: (B, 2, 3), from the new image to the source; both reach from -1 to 1.
        height, width: of the new image, px.
        padding: what lies beyond the source, as `grid_sample` names it.

    Returns:
        (B, C, height, width).
    """
    with torch.autocast(source.device.type, enabled=False):
        grid = F.affine_grid(theta, [len(source), 1, height, width], align_corners=False)
    return F.grid_sample(source, grid, padding_mode=padding, align_corners=False)


def _sample_by_matrices(
    source: Tensor, scale: Tensor, centre: Tensor, size: tuple[int, int], *, clamp: bool
) -> Tensor:
    """The same, in at least float32 also under autocast."""
    columns, rows = (
        matrix_forms.bilinear_weights(
            _pixels(scale[:, axis, None], centre[:, axis, None], n, pixels), pixels, clamp=clamp
        )
        for axis, (n, pixels) in enumerate(zip(size[::-1], source.shape[:1:-1], strict=True))
    )
    exact = source.to(torch.promote_types(source.dtype, torch.float32))
    return matrix_forms.resample(exact, rows, columns)


def _pixels(scale: Tensor, centre: Tensor, count: int, pixels: int) -> Tensor:
    """Where on an axis of so many pixels each of `count` samples lies: (B, count) px."""
    x = (torch.arange(count, device=scale.device, dtype=scale.dtype) + 0.5) / count * 2 - 1
    return ((scale * x + centre + 1) * pixels - 1) / 2
