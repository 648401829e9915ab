"""How long a GPU computes, of the time that passes: a network's kernels, over all streams.

timed = TimedNetwork(network)
...  # calls of `timed`, on any streams
timed.seconds()
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

import torch
from torch import Tensor

from models.flow.network import FlowNetwork

Span = tuple[float, float]


class TimedNetwork:
    """Marks begin and end of every call on the stream that it runs on; for CUDA alone."""

    def __init__(self, network: FlowNetwork) -> None:
        self.network, self.lock = network, threading.Lock()
        self.calls: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []
        self.origin = _mark()

    def __call__(self, target: Tensor, source: Tensor) -> Tensor:
        """As the network."""
        begin = _mark()
        flow = self.network(target, source)
        with self.lock:
            self.calls.append((begin, _mark()))
        return flow

    def seconds(self) -> float:
        """In which at least one call was at work, so far."""
        torch.cuda.synchronize()
        elapsed = self.origin.elapsed_time
        return covered((elapsed(begin), elapsed(end)) for begin, end in self.calls) / 1000


def covered(spans: Iterable[Span]) -> float:
    """Length of the union of spans.

    >>> covered([(0.0, 2.0), (5.0, 6.0), (1.0, 3.0)])
    4.0
    """
    total, reached = 0.0, float("-inf")
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total


def _mark() -> torch.cuda.Event:
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event
