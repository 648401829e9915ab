"""The control that keeps a mask honest: a fixed soft ellipse in the predicted box.

A model whose masks do not clearly beat it has learnt boxes only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def ellipse_mask(
    boxes: NDArray[np.float32], height: int, width: int, scale: float
) -> NDArray[np.float32]:
    """Soft ellipses `(N, H, W)`: 1 at the box centre, 0.5 on the ellipse with axes `scale * sides`.

    The profile is Gaussian in the elliptical radius r, `2^(-r^2)`, so a scale and a threshold say
    much the same without CRF, but not with it.

    Args:
        boxes: `(N, 4)` x, y, width, height in px; x, y is the top-left corner, and the image spans
            `[0, width] x [0, height]`, pixel centres at halves.
        scale: ellipse axes over box sides, above 0.

    Raises:
        ValueError: a box side or the scale is not positive.

    >>> ellipse_mask(np.array([[0.0, 0.0, 3.0, 3.0]], np.float32), 3, 3, 1.0)[0, 1, 1]
    np.float32(1.0)
    """
    boxes = np.asarray(boxes, dtype=np.float64)
    if scale <= 0 or (boxes[:, 2:] <= 0).any():
        raise ValueError("box sides and scale must be positive")
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    semi_axes = scale * boxes[:, 2:] / 2
    across = (np.arange(width) + 0.5 - centres[:, :1]) / semi_axes[:, :1]  # (N, W)
    down = (np.arange(height) + 0.5 - centres[:, 1:]) / semi_axes[:, 1:]  # (N, H)
    return np.asarray(
        np.exp2(-(down**2))[:, :, None] * np.exp2(-(across**2))[:, None, :], dtype=np.float32
    )
