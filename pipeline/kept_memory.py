"""During a training, what tensors free is kept for the next ones."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

TRIM_THRESHOLD, MMAP_MAX = -1, -4
"""M_TRIM_THRESHOLD and M_MMAP_MAX of glibc's malloc.h."""
NEVER = -1
DEFAULT_MMAP_MAX = 65536
LARGEST_TRIM_THRESHOLD = 64 << 20
"""To which glibc raises the threshold by itself, where large blocks come and go."""


@contextmanager
def keeping_freed_memory() -> Iterator[None]:
    """Within it, glibc keeps what is freed, and hands it back to the system at the end.

    By default it asks the kernel for each block above a threshold of 32 MiB at most, and hands it
    back at once; the kernel clears it page by page each time, which is a third of a training step
    at 640x360 px. Other C libraries are left alone.
    """
    try:
        library = ctypes.CDLL(None)
        mallopt, trim = library.mallopt, library.malloc_trim
    except (AttributeError, OSError, TypeError):  # musl; macOS; Windows
        yield
        return
    mallopt(MMAP_MAX, 0)
    mallopt(TRIM_THRESHOLD, NEVER)
    try:
        yield
    finally:
        mallopt(MMAP_MAX, DEFAULT_MMAP_MAX)
        mallopt(TRIM_THRESHOLD, LARGEST_TRIM_THRESHOLD)
        trim(0)
