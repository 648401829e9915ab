"""From which speed a pixel moves, and how well masks that are right agree with what moves."""

from __future__ import annotations

import h5py
import numpy as np
from numpy.typing import NDArray

MOVING = 0.5
"""Speed from which a pixel moves, over the speed that the video's flow images show at 0.76."""
LEAST_OVERLAP = 0.2
"""Of a video's masks and motion (IoU), below which they do not show the same thing."""


def moving_speed(flow: h5py.File) -> float:
    """Speed, px, from which a pixel of this video moves; of a slow one another than of a fast."""
    return MOVING * float(flow.attrs["scale_px"])


def speed_at(flow: h5py.File, number: int) -> NDArray[np.float32]:
    """Length of a frame's residual flow, (H, W) px."""
    x, y = np.moveaxis(flow["flow"][number].astype(np.float32), -1, 0)
    # Four times as fast as `linalg.norm` over an axis of two.
    return np.asarray(np.sqrt(x * x + y * y), np.float32)
