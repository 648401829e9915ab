"""A video's frames over several processes: the same results, in their order, read as needed."""

from __future__ import annotations

import os
import signal
from functools import partial

import pytest

from pipeline.errors import BackdropError
from pipeline.frame_pool import AHEAD, FEWEST, MOST, in_order, processes_for
from pipeline.job import Job
from pipeline.pool import Advance, Sized, run_jobs
from pipeline.progress import Progress


def tagged(text: str, number: int) -> tuple[str, int]:
    return f"{text} {number}", os.getpid()


def refuse(number: int) -> int:
    if number == 5:
        raise BackdropError("cannot be refined", where="clip_0, frame 5")
    return number


def be_killed(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def crash(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGSEGV)
    return number


def test_results_come_in_order_from_other_processes():
    here = list(in_order(partial(tagged, "frame"), range(20), 1, "clip_0"))
    there = list(in_order(partial(tagged, "frame"), range(20), 2, "clip_0"))
    assert [text for text, _ in there] == [text for text, _ in here]
    assert {process for _, process in here} == {os.getpid()}
    assert os.getpid() not in {process for _, process in there}


def test_no_more_is_read_than_is_soon_needed():
    read = []

    def items():
        for number in range(100):
            read.append(number)
            yield number

    results = in_order(refuse_nothing, items(), 2, "clip_0")
    assert next(results) == 0
    assert len(read) == 2 * AHEAD
    results.close()


def refuse_nothing(number: int) -> int:
    return number


def test_an_error_comes_at_its_frame():
    results = in_order(refuse, range(20), 2, "clip_0")
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(BackdropError, match="clip_0, frame 5: cannot be refined"):
        next(results)


@pytest.mark.parametrize(
    ("end", "told"),
    [(be_killed, "out of memory — run again with BACKDROP_WORKERS=1"), (crash, "SIGSEGV")],
)
def test_a_process_that_dies_is_told_with_the_video(end, told):
    with pytest.raises(BackdropError, match=f"^clip_0: a process died .*{told}"):
        list(in_order(end, range(20), 2, "clip_0"))


def test_an_item_that_cannot_be_read_is_told_after_those_before_it():
    def items():
        yield from range(6)
        raise BackdropError("is cut short", where="clip_0.h5")

    for processes in (1, 2):
        results = in_order(refuse_nothing, items(), processes, "clip_0")
        assert [next(results) for _ in range(6)] == list(range(6))
        with pytest.raises(BackdropError, match=r"clip_0\.h5: is cut short"):
            next(results)


def fill_the_gpu(job: Sized, advance: Advance) -> int:
    if job.video == "clip_1":
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    return job.size


def test_a_video_that_fills_the_gpu_is_told_after_the_others_ended():
    jobs = [Job(f"clip_{number}", 10, "", None) for number in range(3)]
    told = r"^clip_1: the GPU's memory.*\(1 of 3 videos failed; the work on the others is kept\)"
    with Progress("test", 30, "frames") as progress, pytest.raises(BackdropError, match=told):
        run_jobs(jobs, fill_the_gpu, progress, workers=1)


def share(job: Sized, advance: Advance) -> int:
    advance(job.size)
    return processes_for(1000)


@pytest.mark.parametrize(("cores", "videos", "each"), [(4, 1, 4), (4, 3, 1), (40, 2, MOST)])
def test_cores_are_shared_out_between_the_videos(cores, videos, each, monkeypatch):
    monkeypatch.setenv("BACKDROP_WORKERS", str(cores))
    jobs = [Job(f"clip_{number}", 1000, "", None) for number in range(videos)]
    with Progress("test", 1000 * videos, "frames") as progress:
        assert set(run_jobs(jobs, share, progress).values()) == {each}


def test_short_videos_get_fewer(monkeypatch):
    monkeypatch.setenv("BACKDROP_WORKERS", "8")
    assert processes_for(1000) == 8
    assert processes_for(3 * FEWEST) == 3
    assert processes_for(3) == 1
