"""A video's masks without what never moves in its flow."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import h5py
import numpy as np
from numpy.typing import NDArray

from models.camera_path import CameraPath
from models.moving_parts import MovingParts
from models.resting_parts import RestingParts
from pipeline.evaluation.motion import moving_speed, speed_at

Mask = NDArray[np.bool_]
KEPT = 16  # masks in memory: those near a frame are read again and again


@dataclass(frozen=True)
class Motion:
    """What is known of a video's motion.

    Attributes:
        flow: as `compute_flow` writes it.
        camera: of the pairs that the flow belongs to.
        cuts: frames that begin a new shot.
    """

    flow: h5py.File
    camera: CameraPath
    cuts: Collection[int]

    @cached_property
    def speed_px(self) -> float:
        """From which a px moves."""
        return moving_speed(self.flow)

    def at(self, number: int) -> tuple[Mask, Mask]:
        """What moves in a frame, and where that is known, (H, W) each."""
        moving = speed_at(self.flow, number) > self.speed_px
        return moving, np.asarray(self.flow["valid"][number] > 0)


def moving_masks(read: Callable[[int], Mask], motion: Motion, least: float) -> Iterator[Mask]:
    """The masks `(H, W)` in order; all of the video is looked at before the first.

    Args:
        read: the mask of a frame; called several times, so that few are in memory.
        motion: of the same frames.
        least: share of a part's px from which it moves, see `MovingParts.resting`.
    """
    read, count = lru_cache(KEPT)(read), len(motion.flow["flow"])
    parts = MovingParts()
    for number in range(count):
        parts.add(read(number), *motion.at(number), cut=number in motion.cuts)
    places = RestingParts(motion.camera, lambda t, way: parts.part(t, read(t), way))
    for number in range(count):
        for way, part in parts.resting(number, read(number), least).items():
            places.add(number, way, part)
    for number in range(count):
        kept = read(number).copy()
        for part in parts.resting(number, read(number), least).values():
            kept &= ~part
        moving, known = motion.at(number)
        # Of a pair that failed nothing is known; else only of a strip along the border.
        yield places.select(number, kept, moving) if known.any() else kept
