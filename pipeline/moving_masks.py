"""A video's masks without what never moves in its flow."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

import h5py
import numpy as np
from numpy.typing import NDArray

from models.moving_parts import MovingParts
from pipeline.evaluation.motion import moving_speed

Mask = NDArray[np.bool_]


def moving_masks(
    read: Callable[[int], Mask], flow: h5py.File, cuts: Collection[int], least: float
) -> Iterator[Mask]:
    """The masks `(H, W)` in order; all of the video is looked at before the first.

    Args:
        read: the mask of a frame; called twice for each, so that few are in memory.
        flow: of the same frames, as `compute_flow` writes it.
        cuts: frames that begin a new shot.
        least: share of a part's px from which it moves, see `MovingParts.select`.
    """
    speed_px, count = moving_speed(flow), len(flow["flow"])
    parts = MovingParts()
    for number in range(count):
        mask = read(number)
        speed = np.linalg.norm(flow["flow"][number].astype(np.float32), axis=-1)
        parts.add(mask, speed > speed_px, flow["valid"][number] > 0, cut=number in cuts)
    for number in range(count):
        yield parts.select(number, read(number), least)
