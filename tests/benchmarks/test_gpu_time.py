"""The union of spans, and a network's time on a GPU where there is one."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.gpu_time import TimedNetwork, covered

SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)).map(sorted))


@given(SPANS)
def test_the_union_of_spans_is_the_count_of_what_they_hold(spans: list[list[int]]) -> None:
    held = {second for begin, end in spans for second in range(begin, end)}
    assert covered((float(begin), float(end)) for begin, end in spans) == len(held)


class Busy(torch.nn.Module):
    def forward(self, target: torch.Tensor, _source: torch.Tensor) -> torch.Tensor:
        for _ in range(20):
            target = target @ target
        return target


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_calls_on_two_streams_count_once() -> None:
    network = TimedNetwork(Busy())
    image = torch.eye(2048, device="cuda")
    torch.cuda.synchronize()
    for stream in (torch.cuda.Stream(), torch.cuda.Stream()):
        with torch.cuda.stream(stream):
            network(image, image)
    both = network.seconds()
    each = [begin.elapsed_time(end) / 1000 for begin, end in network.calls]
    assert max(each) <= both + 1e-4
    assert both <= sum(each) + 1e-4
