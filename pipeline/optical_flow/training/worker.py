"""What a process that makes pairs does; it imports no PyTorch, and starts in a second."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.optical_flow.training.pairs import Pair, synthesise
from pipeline.pool import prepare_worker

_textures: list[NDArray[np.uint8]] = []


def start(textures: Path, shapes: Sequence[tuple[int, ...]]) -> None:
    """Find the textures in a file, where they lie one behind the other; nothing is copied."""
    prepare_worker()
    mapped = np.memmap(textures, np.uint8, mode="r")
    begin = 0
    for shape in shapes:
        end = begin + int(np.prod(shape))
        _textures.append(np.asarray(mapped[begin:end]).reshape(shape))
        begin = end


def make_pairs(
    generators: Sequence[np.random.Generator], height: int, width: int, motion_px: float
) -> list[Pair]:
    """A pair of each generator; see `pairs.synthesise`."""
    return [synthesise(_textures, rng, height, width, motion_px) for rng in generators]
