"""Boxes and the grid of cells.

A box is `(cx, cy, sx, sy)`: centre and full side lengths as shares of the image's width and height,
so that it means the same at every resolution. The image spans [0, 1] in both directions, and pixel
`i` of `n` has its centre at `(i + 0.5) / n` (`align_corners=False` throughout).
"""

from __future__ import annotations

import torch
from torch import Tensor

HOLE_SCALE = 1.1
"""The erased window over the box (3.4): raises the chance that the object is fully covered."""
EDGE = 2.0
"""px inside its border over which the gradient of a hole is spread."""


def cell_centres(grid: int) -> Tensor:
    """Centres of the C = grid*grid cells, row by row.

    Returns:
        (C, 2) x and y in (0, 1).

    >>> cell_centres(2)[:2].tolist()
    [[0.25, 0.25], [0.75, 0.25]]
    """
    ticks = (torch.arange(grid) + 0.5) / grid
    y, x = torch.meshgrid(ticks, ticks, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=1)


def initial_boxes(grid: int, scale: float) -> Tensor:
    """(C, 4) D's boxes before training: at their cells' centres, all with sides of `scale`."""
    return torch.cat([cell_centres(grid), torch.full((grid * grid, 2), scale)], dim=1)


def rectangle_mask(boxes: Tensor, height: int, width: int, scale: float = HOLE_SCALE) -> Tensor:
    """Pixels whose centre lies in the scaled box: the hole that the inpainter fills.

    Args:
        boxes: (B, 4). Gradients do not flow to them: a hole is a discrete set of pixels.
        height, width: size of the image, px.
        scale: the hole's sides over the box's.

    Returns:
        (B, 1, H, W), 1 inside and 0 outside; clipped at the image's border.
    """
    cx, cy, sx, sy = (value[:, None] for value in boxes.detach().unbind(dim=1))
    x = (torch.arange(width, device=boxes.device) + 0.5) / width
    y = (torch.arange(height, device=boxes.device) + 0.5) / height
    inside_x = (x - cx).abs() <= scale * sx / 2  # (B, W)
    inside_y = (y - cy).abs() <= scale * sy / 2  # (B, H)
    return (inside_y[:, None, :, None] & inside_x[:, None, None, :]).to(boxes.dtype)


def rectangle_with_gradient(boxes: Tensor, height: int, width: int) -> Tensor:
    """`rectangle_mask` in value, with the gradient of one whose edges fall over `EDGE` px.

    For the ablations in which a hole's place is not a constant. What is inpainted in it remains
    one: the inpainter sees the discrete hole.

    Returns:
        (B, 1, H, W).
    """
    cx, cy, sx, sy = (value[:, None] for value in boxes.unbind(dim=1))
    x = (torch.arange(width, device=boxes.device) + 0.5) / width
    y = (torch.arange(height, device=boxes.device) + 0.5) / height
    depth_x = (HOLE_SCALE * sx / 2 - (x - cx).abs()) * width  # px from the edge, positive inside
    depth_y = (HOLE_SCALE * sy / 2 - (y - cy).abs()) * height
    soft_x, soft_y = ((depth / EDGE).clamp(0, 1) for depth in (depth_x, depth_y))
    soft = soft_y[:, None, :, None] * soft_x[:, None, None, :]
    return rectangle_mask(boxes, height, width) + (soft - soft.detach())


def boxes_to_pixels(boxes: Tensor, height: int, width: int) -> Tensor:
    """(N, 4) centre-size shares to (N, 4) `x, y, w, h` in px with `x, y` the top-left corner."""
    size = boxes.new_tensor([width, height])
    top_left = (boxes[:, :2] - boxes[:, 2:] / 2) * size
    return torch.cat([top_left, boxes[:, 2:] * size], dim=1)


def boxes_from_pixels(boxes: Tensor, height: int, width: int) -> Tensor:
    """Inverse of `boxes_to_pixels`."""
    size = boxes.new_tensor([width, height])
    centre = (boxes[:, :2] + boxes[:, 2:] / 2) / size
    return torch.cat([centre, boxes[:, 2:] / size], dim=1)


def box_iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of boxes (..., 4) with others (..., 4): (...)."""
    low = torch.maximum(*(b[..., :2] - b[..., 2:] / 2 for b in (boxes, others)))
    high = torch.minimum(*(b[..., :2] + b[..., 2:] / 2 for b in (boxes, others)))
    shared = (high - low).clamp(min=0).prod(dim=-1)
    return shared / (boxes[..., 2:].prod(dim=-1) + others[..., 2:].prod(dim=-1) - shared)
