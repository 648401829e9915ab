"""Resampling, sums and medians for which CUDA has no deterministic kernel, in other forms.

On a GPU the gradients of `grid_sample` and of pooling to a grid are added up in whatever order the
threads finish, and `cumsum` may be, too: a training would never end with the same bytes twice.
These work along rows and columns apart from each other, so that two products of matrices, which add
in a fixed order, do the same. For bilinear enlarging PyTorch has a deterministic form, which sorts
indices; by two, it is a mean of neighbours. On a CPU PyTorch's own kernels are deterministic, and
faster: they are used there, and wherever nobody asked for determinism
(https://docs.pytorch.org/docs/stable/generated/torch.use_deterministic_algorithms.html).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def needed(x: Tensor) -> bool:
    """Whether PyTorch's own kernels would not give the same bytes again."""
    return x.is_cuda and torch.are_deterministic_algorithms_enabled()


def resample(image: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Weighted sums along both axes, in at least float32 also under autocast: weights are exact.

    Args:
        image: (B, C, H, W).
        rows: (h, H) or (B, h, H) weights of the image's rows in each new one.
        columns: (w, W) or (B, w, W) likewise.

    Returns:
        (B, C, h, w) of the image's dtype.
    """
    if rows.dim() == 3:
        rows, columns = rows[:, None], columns[:, None]
    with torch.autocast(image.device.type, enabled=False):
        dtype = torch.promote_types(image.dtype, rows.dtype)
        exact, rows, columns = (x.to(dtype) for x in (image, rows, columns))
        along = exact @ columns.transpose(-1, -2)
        both = (along.transpose(-1, -2) @ rows.transpose(-1, -2)).transpose(-1, -2)
    return both.to(image.dtype)


def bilinear_weights(position: Tensor, size: int, *, clamp: bool) -> Tensor:
    """What each pixel of an axis contributes to values between pixels.

    Args:
        position: (..., n) px, 0 being the centre of the first; gradients flow to it.
        size: N, pixels of the axis.
        clamp: beyond the border the border's value; else zero.

    Returns:
        (..., n, N) in [0, 1].
    """
    before = position.detach().floor()
    if clamp:
        at_border = (position <= 0) | (position >= size - 1)
        position = torch.where(at_border, position.detach().clamp(0, size - 1), position)
        before = before.clamp(0, max(0, size - 2))
    before = before[..., None]
    share = position[..., None] - before
    pixel = torch.arange(size, device=position.device, dtype=position.dtype)
    return (pixel == before) * (1 - share) + (pixel == before + 1) * share


def pooling_weights(size: int, cells: int, device: torch.device) -> Tensor:
    """(cells, size): the mean over a cell's pixels, cells as `adaptive_avg_pool2d` divides them."""
    cell = torch.arange(cells, device=device)[:, None]
    first, end = cell * size // cells, -(-(cell + 1) * size // cells)
    pixel = torch.arange(size, device=device)
    return ((pixel >= first) & (pixel < end)) / (end - first)


def pool(x: Tensor, cells: int) -> Tensor:
    """`adaptive_avg_pool2d`: (B, C, H, W) to (B, C, cells, cells)."""
    if not needed(x):
        return F.adaptive_avg_pool2d(x, cells)
    height, width = (pooling_weights(size, cells, x.device) for size in x.shape[2:])
    return resample(x, height, width)


class Upsample(nn.Upsample):
    """Bilinear, by two."""

    def __init__(self) -> None:
        super().__init__(scale_factor=2, mode="bilinear", align_corners=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, 2H, 2W)."""
        if not needed(x):
            return super().forward(x)
        last = x.is_contiguous(memory_format=torch.channels_last)
        larger = _doubled(_doubled(x, 2), 3)
        return larger.contiguous(memory_format=torch.channels_last) if last else larger


def _doubled(x: Tensor, axis: int) -> Tensor:
    """Between every two neighbours along the axis, a quarter and three quarters of the way."""
    size = x.shape[axis]
    first, last = x.narrow(axis, 0, 1), x.narrow(axis, size - 1, 1)
    before = torch.cat([first, x.narrow(axis, 0, size - 1)], dim=axis)
    after = torch.cat([x.narrow(axis, 1, size - 1), last], dim=axis)
    sides = [x.lerp(neighbour, 0.25) for neighbour in (before, after)]  # rounds once in bfloat16
    return torch.stack(sides, dim=axis + 1).flatten(axis, axis + 1)


def running_sum(x: Tensor) -> Tensor:
    """`cumsum` along the last axis of (B, N), in the dtype of x also under autocast."""
    if not needed(x):
        return x.cumsum(dim=1)
    with torch.autocast(x.device.type, enabled=False):
        return x @ torch.ones(x.shape[1], x.shape[1], device=x.device, dtype=x.dtype).triu()


def median(x: Tensor) -> Tensor:
    """`nanmedian` of the last axis; of an even number of values the lower one in the middle.

    Its values are the same each time on a GPU, but not the indices that come with them.
    """
    if not needed(x):
        return x.nanmedian(dim=-1).values
    return x.nanquantile(0.5, dim=-1, interpolation="lower")
