"""Reads from disk what the next iteration needs while the present one computes.

For data too large for memory: a GPU would wait for each batch to be read and decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]


class ReadAhead:
    """One thread that reads what is said to be needed next; what is read is the same either way.

    Args:
        read: places -> images. Runs in the thread and in the caller's, perhaps at once.
    """

    def __init__(self, read: Callable[[Sequence[int]], Images]) -> None:
        self._read = read
        self._thread = ThreadPoolExecutor(1, "read-ahead")
        self._expected: list[int] | None = None
        self._coming: Future[Images] | None = None

    def expect(self, places: Sequence[int]) -> None:
        """Begin to read these places."""
        self._expected = list(places)
        self._coming = self._thread.submit(self._read, self._expected)

    def take(self, places: Sequence[int]) -> Images:
        """The images of these places, once; raises what `read` raised.

        Other places than the expected ones are read at once, and leave those to be taken later.
        """
        if self._coming is None or list(places) != self._expected:
            return self._read(places)
        coming, self._coming = self._coming, None
        return coming.result()
