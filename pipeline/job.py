"""One video's work, as stages hand it to processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

DataT = TypeVar("DataT")


@dataclass(frozen=True)
class Job(Generic[DataT]):
    """One video's work.

    Args:
        video: its name; the result is `VIDEO.h5`.
        size: its frames.
        identity: tells this video's inputs from others, e.g. their sha256; a finished video of
            another identity is done again.
        data: what the worker needs, picklable.
    """

    video: str
    size: int
    identity: str
    data: DataT
