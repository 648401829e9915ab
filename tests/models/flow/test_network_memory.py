"""Threads that share one network and the memory of its device."""

from __future__ import annotations

import threading
import weakref

import numpy as np
import pytest
import torch
from helpers_motion import texture

from models.flow.estimator import OutOfMemoryError
from models.flow.network import NetworkFlow

THREADS = 4
SECONDS = 30  # none of these takes one; a thread that still waits then hangs


class SharedMemory(torch.nn.Module):
    """Fits so many pairs at a time, of all threads together.

    Every thread's first call waits for the other threads', so that all are under way together.
    """

    def __init__(self, room, threads=THREADS):
        super().__init__()
        self.room, self.pairs, self.calls = room, 0, 0
        self.lock, self.own = threading.Lock(), threading.local()
        self.together = threading.Barrier(threads)

    def forward(self, target, source):
        with self.lock:
            self.pairs += len(target)
            self.calls += 1
        try:
            if not hasattr(self.own, "met"):
                self.own.met = self.together.wait(SECONDS)
            if self.pairs > self.room:
                raise torch.OutOfMemoryError
            return (target - source)[:, :2]
        finally:
            if not hasattr(self.own, "left"):  # nobody's memory is free before all were refused
                self.own.left = self.together.wait(SECONDS)
            with self.lock:
                self.pairs -= len(target)


def in_threads(work, count=THREADS):
    """Results or errors of `work(0)`, `work(1)`, ... at once; fails where one hangs."""
    found = [None] * count

    def keep(number):
        try:
            found[number] = work(number)
        except Exception as error:
            found[number] = error

    threads = [threading.Thread(target=keep, args=(n,), daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert not any(thread.is_alive() for thread in threads)
    return found


def pairs(number, count=3):
    frames = np.stack([texture(32, 40, seed=10 * number + n) for n in range(count + 1)])
    return frames[:-1], frames[1:]


def estimator(network, batch=1):
    return NetworkFlow("shared", network, torch.device("cpu"), batch=batch)


@pytest.mark.parametrize(("room", "batch"), [(1, 1), (2, 1), (1, 2)])
def test_where_the_threads_pairs_do_not_fit_together_they_take_turns(room, batch):
    flow = estimator(SharedMemory(room), batch)
    found = in_threads(lambda number: flow.estimate(*pairs(number)))
    for number, result in enumerate(found):
        target, source = pairs(number)
        expected = (target.astype(np.float32) - source)[..., :2] / 255
        assert np.allclose(result, expected, atol=1e-6)


@pytest.mark.parametrize(
    "words",
    [
        "FIND was unable to find an engine to execute this computation",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "CUDA error: out of memory",
    ],
)
def test_what_libraries_say_of_too_little_memory_halves_the_batch(words):
    class Refusing(torch.nn.Module):
        def forward(self, target, source):
            if len(target) > 1:
                raise RuntimeError(words)
            return (target - source)[:, :2]

    flow = estimator(Refusing(), batch=3)
    assert flow.estimate(*pairs(0)).shape == (3, 32, 40, 2)
    assert flow.batch == 1


def test_another_error_is_not_taken_for_it():
    class Broken(torch.nn.Module):
        def forward(self, target, source):
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(RuntimeError, match="illegal memory access"):
        estimator(Broken()).estimate(*pairs(0))


def test_one_pair_that_never_fits_ends_every_thread():
    flow = estimator(SharedMemory(0))
    for error in in_threads(lambda number: flow.estimate(*pairs(number))):
        assert isinstance(error, OutOfMemoryError)
        assert "one pair alone" in str(error)


def test_threads_do_not_wait_for_each_other_while_memory_lasts():
    network = SharedMemory(THREADS)  # whose first calls end only once all four are under way
    flow = estimator(network)
    found = in_threads(lambda number: flow.estimate(*pairs(number, count=1)))
    assert [result.shape for result in found] == [(1, 32, 40, 2)] * THREADS
    assert network.calls == THREADS


def test_a_failed_attempt_holds_no_memory_while_it_is_repeated():
    held = []

    class Once(torch.nn.Module):
        def forward(self, target, source):
            activations = target - source
            held.append((weakref.ref(activations), weakref.ref(target)))
            if len(held) == 1:
                raise torch.OutOfMemoryError
            assert all(reference() is None for reference in held[0])
            return activations[:, :2]

    assert estimator(Once()).estimate(*pairs(0, count=1)).shape == (1, 32, 40, 2)
    assert len(held) == 2
