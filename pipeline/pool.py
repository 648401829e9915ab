"""Jobs over all cores: one process per core, progress by frames, errors that name the video.

Workers are spawned, not forked: HDF5 handles, decoders and thread pools do not survive a fork.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from ctypes import Array, c_longlong
from functools import partial
from multiprocessing.process import BaseProcess
from typing import Protocol, TypeVar

import cv2

from pipeline.errors import BackdropError, no_gpu_memory
from pipeline.progress import Progress

FOR_CHILDREN = {
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    # A worker that is stopped leaves its own pool's semaphores; they are removed, and warned of.
    "PYTHONWARNINGS": "ignore:resource_tracker",
}
NOT_STARTED = -1

Advance = Callable[[int], None]


class Sized(Protocol):
    """What the pool asks of a job: the video it is about and its size in the progress's unit."""

    @property
    def video(self) -> str:
        """Name of the video."""

    @property
    def size(self) -> int:
        """Work in it, e.g. frames."""


JobT = TypeVar("JobT", bound=Sized)
ResultT = TypeVar("ResultT")


def run_jobs(
    jobs: Sequence[JobT],
    worker: Callable[[JobT, Advance], ResultT],
    progress: Progress,
    workers: int | None = None,
) -> dict[str, ResultT]:
    """Run `worker(job, advance)` for every job in processes; results by video.

    `worker` must be importable (a function of a module, or a `partial` of one) and calls
    `advance(n)` after every n units of work. A video that fails does not stop the others.
    There are `workers` processes, by default one per core.

    Raises:
        BackdropError: the first failed video's (in the order of `jobs`), after all others have
            ended, with the number of failures; or a worker process died.
    """
    if not jobs:
        return {}
    context = multiprocessing.get_context("spawn")
    counters: Array[c_longlong] = context.RawArray(c_longlong, [NOT_STARTED] * len(jobs))
    workers = min(workers or worker_count(), len(jobs))
    others = set(multiprocessing.active_children())
    with (
        for_children(),
        ProcessPoolExecutor(workers, context, _start_worker, (counters, workers)) as pool,
    ):
        futures: dict[Future[ResultT], int] = {}
        children: set[BaseProcess] = set()
        try:
            # Large videos first: the last worker to finish then holds the others up least.
            for index in sorted(range(len(jobs)), key=lambda i: -jobs[i].size):
                futures[pool.submit(_work, worker, jobs[index], index)] = index
            children = set(multiprocessing.active_children()) - others
            return _collect(futures, jobs, counters, progress)
        except BrokenProcessPool as error:
            # The pool's own thread collects the exit codes; asked beside it, they may be lost.
            pool.shutdown(wait=True)
            raise _died(futures, jobs, counters, children) from error
        except BaseException:
            for child in set(multiprocessing.active_children()) - others:
                _stop(child)
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def worker_count() -> int:
    """Processes at work at once: `BACKDROP_WORKERS`, or the number of cores that this one may use.

    Raises:
        BackdropError: the variable is not a whole number of at least 1.
    """
    value = os.environ.get("BACKDROP_WORKERS", "")
    if not value:
        usable = getattr(os, "sched_getaffinity", None)  # not on macOS
        return len(usable(0)) if usable else os.cpu_count() or 1
    if not value.isdecimal() or int(value) < 1:
        raise BackdropError(
            f"must be a whole number of at least 1 (found {value!r})",
            where="environment variable BACKDROP_WORKERS",
        )
    return int(value)


def _collect(
    futures: dict[Future[ResultT], int],
    jobs: Sequence[JobT],
    counters: Array[c_longlong],
    progress: Progress,
) -> dict[str, ResultT]:
    """Wait for all futures, showing progress; a video's error is kept until the others ended."""
    results: dict[int, ResultT] = {}
    failures: dict[int, BackdropError] = {}
    pending, before = set(futures), progress.done
    while pending:
        ended, pending = wait(pending, timeout=0.2, return_when=FIRST_COMPLETED)
        for future in ended:
            index = futures[future]
            try:
                results[index] = future.result()
                counters[index] = jobs[index].size
            except BackdropError as error:
                failures[index] = error
        _show(progress, before, jobs, counters)
    if failures:
        raise _summary(failures, len(jobs))
    return {jobs[index].video: results[index] for index in sorted(results)}


def _show(
    progress: Progress, before: int, jobs: Sequence[JobT], counters: Array[c_longlong]
) -> None:
    done = [min(max(count, 0), job.size) for count, job in zip(counters, jobs, strict=True)]
    running = [
        job.video
        for job, count in zip(jobs, counters, strict=True)
        if NOT_STARTED < count < job.size
    ]
    progress.advance(before + sum(done) - progress.done, ", ".join(running[:3]))


def _summary(failures: dict[int, BackdropError], total: int) -> BackdropError:
    """The first failure, and how many there are; with one failure of one video, itself."""
    first = failures[min(failures)]
    if total == 1:
        return first
    kept = "the work on the others is kept" if len(failures) < total else "no video was finished"
    return BackdropError(
        f"{first.what} ({len(failures)} of {total} videos failed; {kept})",
        where=first.where,
        remedy=first.remedy,
    )


def _died(
    futures: dict[Future[ResultT], int],
    jobs: Sequence[JobT],
    counters: Array[c_longlong],
    children: Iterable[BaseProcess],
) -> BackdropError:
    why, cure = why_died(children)
    whole = {i for f, i in futures.items() if f.done() and f.exception() is None}
    started = [
        job.video for i, job in enumerate(jobs) if counters[i] != NOT_STARTED and i not in whole
    ]
    return BackdropError(
        f"a worker process died while at work on {', '.join(started) or 'its first video'}; {why}",
        remedy=f"{cure}; finished videos are kept",
    )


def why_died(children: Iterable[BaseProcess]) -> tuple[str, str]:
    """Why a process of a broken pool died, and what to do; the pool must be shut down."""
    # SIGTERM is how the pool ends the others, SIGKILL what a system does that is out of memory.
    ends = {child.exitcode or 0 for child in children} - {0, -signal.SIGTERM, -signal.SIGKILL}
    if not ends:
        return "most often the system ran out of memory", "run again with BACKDROP_WORKERS=1"
    crash = ", ".join(signal.Signals(-e).name if e < 0 else f"exit code {e}" for e in sorted(ends))
    return f"it crashed ({crash})", "take that video out"


def _stop(child: BaseProcess) -> None:
    """Ask, wait, insist."""
    child.terminate()
    child.join(timeout=5.0)
    if child.is_alive():
        child.kill()


@contextmanager
def for_children() -> Iterator[None]:
    """Give children one thread each; libraries read these variables when they are loaded."""
    before = {name: os.environ.get(name) for name in FOR_CHILDREN}
    os.environ.update(FOR_CHILDREN)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


_counters: Array[c_longlong] | None = None  # of this worker process
_at_once = 1  # jobs, this worker's among them


def cores_per_job() -> int:
    """How many cores the job of this worker may use: the machine's, shared out between the jobs."""
    return max(1, worker_count() // _at_once)


def _start_worker(counters: Array[c_longlong], at_once: int) -> None:
    global _counters, _at_once
    _counters, _at_once = counters, at_once
    prepare_worker()


def prepare_worker() -> None:
    """Make a fresh process a worker: one thread, stopped by its parent and by its parent's end."""
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which stops us
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent killed outright cannot stop its workers: they would go on writing unseen."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def _work(worker: Callable[[JobT, Advance], ResultT], job: JobT, index: int) -> ResultT:
    """One job inside a worker; each job has its own counter, so no lock is needed."""
    assert _counters is not None
    _counters[index] = 0
    try:
        return worker(job, partial(_advance, _counters, index))
    except RuntimeError as error:
        raise no_gpu_memory(error, job.video) from error


def _advance(counters: Array[c_longlong], index: int, count: int) -> None:
    counters[index] += count
