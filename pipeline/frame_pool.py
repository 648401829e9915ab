"""The frames of one video over several processes: for projects of fewer videos than cores.

A worker of `fan_out` has a video. Where there are cores left, it shares its frames out again:

    for number, mask in enumerate(in_order(refine_one, images, processes_for(frames), video)):
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess
from typing import TypeVar

from pipeline.errors import BackdropError
from pipeline.pool import cores_per_job, prepare_worker, why_died

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")
AHEAD = 4  # items per process that are read before their turn
FEWEST = 16  # frames per process; to start one takes longer than to make these
MOST = 16  # processes; one process reads for all of them


def processes_for(frames: int) -> int:
    """How many processes this worker's video may use for so many frames."""
    return max(1, min(cores_per_job(), frames // FEWEST, MOST))


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
        BackdropError: a process died. What `make` or `items` raise comes at its place.
    """
    if processes == 1:
        yield from map(make, items)
        return
    others = set(multiprocessing.active_children())
    children: set[BaseProcess] = set()
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, prepare_worker)
    waiting: deque[Future[ResultT]] = deque()
    source = iter(items)
    try:
        while True:
            try:
                item = next(source)
            except Exception as error:  # the end, or an error to tell after the items before it
                unread = error
                break
            waiting.append(pool.submit(make, item))
            if len(children) < processes:
                children |= set(multiprocessing.active_children()) - others
            if len(waiting) >= AHEAD * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        pool.shutdown(wait=True)  # it collects the exit codes
        why, cure = why_died(children)
        raise BackdropError(
            f"a process died at work on its frames; {why}", where=where, remedy=cure
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    if not isinstance(unread, StopIteration):
        raise unread
