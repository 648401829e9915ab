"""A video's frames over several processes: the same results, in their order, read as needed."""

from __future__ import annotations

import os
from functools import partial

import pytest

from pipeline.errors import BackdropError
from pipeline.frame_pool import AHEAD, in_order, processes_for


def tagged(text: str, number: int) -> tuple[str, int]:
    return f"{text} {number}", os.getpid()


def refuse(number: int) -> int:
    if number == 5:
        raise BackdropError("cannot be refined", where="clip_0, frame 5")
    return number


def die(number: int) -> int:
    if number == 3:
        os._exit(9)
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


def test_a_process_that_dies_is_told_with_the_video():
    with pytest.raises(BackdropError, match=r"^clip_0: a process died .*BACKDROP_WORKERS=1"):
        list(in_order(die, range(20), 2, "clip_0"))


def test_cores_are_shared_between_videos_and_short_ones_get_fewer(monkeypatch):
    monkeypatch.setenv("BACKDROP_WORKERS", "8")
    assert processes_for(1000, videos=1) == 8
    assert processes_for(1000, videos=3) == 2
    assert processes_for(1000, videos=20) == 1
    assert processes_for(40, videos=1) == 2
    assert processes_for(3, videos=1) == 1
