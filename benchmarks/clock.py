"""Seconds of a piece of work on a machine that others use too, and the machine's peak."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from pipeline.device import place


class Clock:
    """Seconds of work per call, by CPU time over threads, or by wall time on a GPU."""

    def __init__(self, device: torch.device, threads: int, seconds: float) -> None:
        self.cuda, self.threads, self.seconds = device.type == "cuda", threads, seconds

    def once(self, work: Callable[[], object]) -> float:
        if self.cuda:
            torch.cuda.synchronize()
        began = time.perf_counter() if self.cuda else time.process_time()
        work()
        if self.cuda:
            torch.cuda.synchronize()
            return time.perf_counter() - began
        return (time.process_time() - began) / self.threads

    def least(self, work: Callable[[], object]) -> float:
        times: list[float] = []
        while sum(times) < self.seconds or len(times) < 3:
            times.append(self.once(work))
        return min(times)


def peak(clock: Clock, dtype: torch.dtype, device: torch.device) -> dict[str, float]:
    """FLOP/s of the fastest square matrix product, and of a large convolution.

    The second is the fairer peak for float32 on AMD's processors: the library behind `torch.mm`
    (MKL) leaves their AVX-512 unused, the one behind convolutions (oneDNN) does not.
    """
    rates = {"torch.mm": 0.0, "3x3 convolution": 0.0}
    size = 2 if device.type == "cpu" else 16  # a GPU is not filled by less
    for side in (256 * size, 512 * size):
        a, b = (torch.rand(side, side, device=device).to(dtype) for _ in range(2))
        torch.mm(a, b)
        took = clock.least(partial(torch.mm, a, b))
        rates["torch.mm"] = max(rates["torch.mm"], 2 * side**3 / took)
    layer = place(nn.Conv2d(256, 256, 3, padding=1, bias=False), device).to(dtype)
    side = 16 * size
    pixels = torch.rand(1, side, side, 256, device=device).permute(0, 3, 1, 2).to(dtype)
    with torch.no_grad():
        layer(pixels)
        took = clock.least(partial(layer, pixels))
    rates["3x3 convolution"] = 2 * layer.weight.numel() * side**2 / took
    return rates
