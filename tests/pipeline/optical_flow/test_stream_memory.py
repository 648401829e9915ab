"""How far the threads run ahead of whoever takes their results."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from helpers_motion import pan, write_videos

from pipeline.frames import FrameReader
from pipeline.optical_flow.choose import Choice, choose_estimator
from pipeline.optical_flow.stream import LEAST_RUN, FlowStream, StabilisedPair
from pipeline.params.flow import ComputeFlow
from pipeline.store import paths

COUNT = 20 * LEAST_RUN  # pairs


class Counting:
    """Counts the pairs that it was given, there and back."""

    name, batch = "counting", 1

    def __init__(self, asked):
        self.asked = asked

    def estimate(self, targets, sources, parts=None):
        self.asked.extend(range(len(targets)))
        return np.ones((*targets.shape[:3], 2), np.float32)


def wait_for(reached: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not reached() and time.monotonic() < until:
        time.sleep(0.01)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_two_runs_a_thread_are_in_memory_while_results_wait(tmp_path, monkeypatch, threads):
    monkeypatch.chdir(tmp_path)
    asked = []
    monkeypatch.setattr(Choice, "make", lambda self: Counting(asked))
    write_videos({"a": pan(COUNT + 1, (16, 24), 1.0)})
    choice = choose_estimator(ComputeFlow(backend="dis", confidence=False, change_levels=0.0))
    pairs = [StabilisedPair(t, t + 1, np.eye(3), None) for t in range(COUNT)]
    with FrameReader(paths.video_file(paths.FRAMES, "a")) as reader:
        results = FlowStream(reader, choice, threads).flows(pairs)
        targets = [next(results).target]
        most = 2 * threads * LEAST_RUN
        wait_for(lambda: len(asked) >= most)
        time.sleep(0.3)  # for what must not come
        assert len(asked) == most
        targets += [result.target for result in results]
    assert targets == list(range(COUNT))
    assert len(asked) == COUNT
