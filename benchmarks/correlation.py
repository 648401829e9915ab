"""FlowNetC's correlation layer: time and memory against the naive forms, on the CPU, one thread.

    python -m benchmarks.correlation

`shifts` multiplies with one shifted copy per displacement; `unfolded` with all 441 at once, left
out where that takes over 4 GiB. Each measurement has a process of its own; time is CPU time, the
least of some runs; memory is what the process grows by at its peak, inputs not counted.
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable

import psutil
import torch
import torch.nn.functional as F
from torch import Tensor

from models.flownet2.correlation import RADIUS, SIDE, STRIDE, correlation

SIZES = ((1, 256, 48, 64), (8, 256, 48, 64), (8, 64, 12, 16))
REACH = RADIUS * STRIDE
ALLOWED = 4 << 30  # bytes of all shifted copies
SECONDS = 5  # of repetitions


def _shifted(second: Tensor) -> Iterable[Tensor]:
    height, width = second.shape[2:]
    padded = F.pad(second, (REACH, REACH, REACH, REACH))
    for y in range(0, SIDE * STRIDE, STRIDE):
        for x in range(0, SIDE * STRIDE, STRIDE):
            yield padded[..., y : y + height, x : x + width]


def shifts(first: Tensor, second: Tensor) -> Tensor:
    return torch.stack([(first * other).mean(dim=1) for other in _shifted(second)], dim=1)


def unfolded(first: Tensor, second: Tensor) -> Tensor:
    everything = torch.stack(list(_shifted(second)), dim=1)  # (B, 441, C, H, W)
    return (first[:, None] * everything).mean(dim=2)


FORMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "ours": correlation,
    "shifts": shifts,
    "unfolded": unfolded,
}


def least(work: Callable[[], object]) -> str:
    """CPU time of the fastest run."""
    times: list[float] = []
    while sum(times) < SECONDS and len(times) < 10:
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return f"{1000 * min(times):.0f} ms"


def growth(work: Callable[[], object]) -> str:
    """How far the process has grown at its peak by the end of a run."""
    before = psutil.Process().memory_info().rss
    work()
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before / 2**20:.0f} MiB"


def measure(form: str, size: tuple[int, ...], how: Callable[[Callable[[], object]], str]) -> str:
    """Forward, and forward with backward."""
    torch.set_num_threads(1)
    correlate = FORMS[form]
    first, second = (torch.randn(size, requires_grad=True) for _ in range(2))
    costs_grad = torch.randn(size[0], SIDE * SIDE, *size[2:])

    def forward() -> None:
        with torch.no_grad():
            correlate(first, second)

    def both() -> None:
        first.grad = second.grad = None
        correlate(first, second).backward(costs_grad)  # type: ignore[no-untyped-call]

    return f"{how(forward):>10}{how(both):>10}"


def apart(form: str, size: str, how: str) -> str:
    """`measure` in a process of its own."""
    # Else glibc keeps freed blocks that it cannot reuse, and the process seems to need them.
    environment = os.environ | ({"MALLOC_MMAP_THRESHOLD_": "65536"} if how == "growth" else {})
    command = [sys.executable, "-m", "benchmarks.correlation", "--one", form, size, how]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return done.stdout.rstrip()


def main() -> None:
    """Print a line per size and form."""
    parser = argparse.ArgumentParser(description="Time and memory of the correlation layer")
    parser.add_argument("--one", nargs=3, help="form, size and measure, in this process")
    one = parser.parse_args().one
    if one:
        how = {"least": least, "growth": growth}[one[2]]
        print(measure(one[0], tuple(map(int, one[1].split("x"))), how))
        return
    print(f"{'B x C x H x W':14}{'form':10}" + 2 * f"{'forward':>10}{'+backward':>10}")
    for size in SIZES:
        for form in FORMS:
            if form == "unfolded" and 4 * math.prod(size) * SIDE * SIDE > ALLOWED:
                continue
            named = "x".join(map(str, size))
            spent, grown = (apart(form, named, how) for how in ("least", "growth"))
            print(f"{named:14}{form:10}{spent}{grown}", flush=True)


if __name__ == "__main__":
    main()
