"""The frames of one video over several processes: for projects of fewer videos than cores.

A worker of `fan_out` has a video. Where there are cores left, it shares its frames out again:

    for number, mask in enumerate(in_order(partial(refine, setting), images, processes, video)):
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from pipeline.errors import BackdropError
from pipeline.pool import prepare_worker, worker_count

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")
AHEAD = 4  # items per process that are read before their turn
FEWEST = 16  # frames per process; to start one takes longer than to make these


def processes_for(frames: int, videos: int) -> int:
    """How many processes a video of so many frames may use, one of so many videos."""
    share = worker_count() // max(1, videos)
    return max(1, min(share, frames // FEWEST))


def in_order(
    make: Callable[[ItemT], ResultT], items: Iterable[ItemT], processes: int, where: str
) -> Iterator[ResultT]:
    """`make(item)` of all items, in their order, the same whatever the number of processes.

    Args:
        make: picklable, as are items and results.
        items: read as they are needed, in this process.
        processes: 1: here, one after the other.
        where: the video, for the error.

    Raises:
        BackdropError: what `make` raised; or a process died.
    """
    if processes == 1:
        yield from map(make, items)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, prepare_worker)
    waiting: deque[Future[ResultT]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(make, item))
            if len(waiting) >= AHEAD * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise BackdropError(
            "a process died at work on its frames; most often the system ran out of memory",
            where=where,
            remedy="run again with BACKDROP_WORKERS=1",
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
