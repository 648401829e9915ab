"""What tensors free is kept for the next ones."""

from __future__ import annotations

import ctypes
import logging

log = logging.getLogger("backdrop")
MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1
"""M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of glibc's malloc.h."""
LARGEST_KEPT = 1 << 30
NEVER_TRIM = -1


def keep_freed_memory() -> None:
    """Tell the C library to keep freed blocks of up to 1 GiB in this process.

    By default glibc asks the kernel for every block above 32 MiB and hands it back at once; the
    kernel clears it page by page each time, which is a third of a training step at 640x360 px. Of
    other libraries than glibc nothing is asked.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # musl; macOS; Windows
        return
    if not (mallopt(MMAP_THRESHOLD, LARGEST_KEPT) and mallopt(TRIM_THRESHOLD, NEVER_TRIM)):
        log.debug("the C library does not keep freed memory: large images train more slowly")
