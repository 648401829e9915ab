"""Images of the training videos by their number: in memory where they fit, else read as needed."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.image_batches import as_batch
from pipeline.progress import Progress
from pipeline.training.kept_images import KeptImages
from pipeline.training.read_ahead import ReadAhead

log = logging.getLogger("backdrop")
AT_ONCE = 64  # images read between two signs of progress

Images = NDArray[np.uint8]
Read = Callable[[Sequence[int]], Images]
Place = tuple[str, int]  # video, frame


class ImageStore:
    """Images that a training draws from.

    Args:
        what: they are, for the log.
        shape: (N, H, W, C).
        read: numbers -> uint8 (B, H, W, C); perhaps in a thread.
        cache_mib: memory that they may take.
    """

    def __init__(
        self, what: str, shape: tuple[int, int, int, int], read: Read, cache_mib: int
    ) -> None:
        self.cached: KeptImages | None = None
        self.ahead = ReadAhead(read)
        size_mib = math.prod(shape) / 2**20
        if size_mib <= cache_mib:
            self.cached = KeptImages(_read_all(what, shape, read))
        else:
            log.info("%s take %.0f MiB: read from disk as needed", what, size_mib)

    def batch(self, numbers: Sequence[int], device: torch.device) -> Tensor:
        """These images: (B, C, H, W) in [0, 1], channels last in memory."""
        if self.cached is None:
            return as_batch(self.ahead.take(numbers), device)
        return self.cached.batch(numbers, device)

    def release(self) -> None:
        """Give the memory back: from now on images are read as they are asked for."""
        self.cached = None

    def expect(self, numbers: Sequence[int]) -> None:
        """Say which batch comes next, so that a thread reads it where it is not in memory."""
        if self.cached is None:
            self.ahead.expect(numbers)


def by_video(
    places: Sequence[Place], numbers: Sequence[int]
) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    """The rows of a batch with their frames, video by video: its files are opened once.

    Args:
        places: of all images, a video's beside each other.
        numbers: of the batch's images.

    >>> places = [("a", 0), ("a", 1), ("b", 0)]
    >>> list(by_video(places, [1, 2, 0]))
    [('a', [(2, 0), (0, 1)]), ('b', [(1, 0)])]
    """
    order = sorted(range(len(numbers)), key=lambda row: numbers[row])
    for video, rows in groupby(order, key=lambda row: places[numbers[row]][0]):
        yield video, [(row, places[numbers[row]][1]) for row in rows]


def _read_all(what: str, shape: tuple[int, int, int, int], read: Read) -> Images:
    images = np.empty(shape, np.uint8)
    with Progress(f"read {what}", len(images), "frames") as progress:
        for first in range(0, len(images), AT_ONCE):
            some = range(len(images))[first : first + AT_ONCE]
            images[some.start : some.stop] = read(some)
            progress.advance(len(some))
    return images
