"""What a process that makes pairs does; it imports no PyTorch, and starts in a second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.flow.dis import DisFlow
from pipeline.optical_flow.training.pairs import Pair, synthesise
from pipeline.pool import prepare_worker

Shapes = Sequence[tuple[int, ...]]
_file = Path()
_shapes: Shapes = ()


def start(textures: Path, shapes: Shapes) -> None:
    """Know where the textures lie, one behind the other in a file."""
    global _file, _shapes
    _file, _shapes = textures, shapes
    prepare_worker()


def make_pairs(
    generators: Sequence[np.random.Generator],
    height: int,
    width: int,
    motion_px: float,
    with_dis: bool,
) -> list[Pair]:
    """A pair of each generator, with DIS's flow if asked for; see `pairs.synthesise`."""
    pairs = [synthesise(_textures(), rng, height, width, motion_px) for rng in generators]
    if not with_dis:
        return pairs
    dis = DisFlow()
    return [
        replace(pair, dis=dis.estimate(pair.target[None], pair.source[None])[0]) for pair in pairs
    ]


@cache
def _textures() -> list[NDArray[np.uint8]]:
    """Mapped into memory, not copied."""
    mapped = np.memmap(_file, np.uint8, mode="r")
    sizes = [int(np.prod(shape)) for shape in _shapes]
    parts = np.split(mapped, np.cumsum(sizes)[:-1])
    return [np.asarray(part).reshape(shape) for part, shape in zip(parts, _shapes, strict=True)]
