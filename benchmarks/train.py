"""Training throughput of each network, before and after tuning, and where a model step's time goes.

    python -m benchmarks.train [--preset demo] [--seconds N] [--threads N] [--form FORM ...]
                               [--network NAME ...]

Random images of a preset's sizes: no artifacts are needed. A step is forward, backward and
AdamW. Time is CPU time over threads (wall time on a GPU), the least of some steps: others who share
the machine only ever make it longer. Work is counted by torch's FLOP counter, backward included.
The peak is the fastest of square matrix products and of a large convolution, of the same type with
the same threads, tried anew before every measurement. Every form adds to the one before, but for
the last, which is float32.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from benchmarks.clock import Clock, peak
from benchmarks.flops import flop_counter
from benchmarks.training_work import Bench, Work
from pipeline.device import set_up
from pipeline.kept_memory import keeping_freed_memory
from pipeline.params.preset import preset_names
from pipeline.params.training import Compute
from pipeline.training.compiling import compile_networks
from pipeline.training.optimiser import WEIGHT_DECAY, adamw


@dataclass(frozen=True)
class Form:
    """A way to run a step."""

    channels_last: bool = True
    fused: bool = True
    precision: torch.dtype = torch.float32
    compiled: bool = False


FORMS = {
    "float32, NCHW": Form(channels_last=False, fused=False),
    "+ channels last": Form(fused=False),
    "+ fused AdamW": Form(),
    "+ bfloat16": Form(precision=torch.bfloat16),
    "+ compiled": Form(precision=torch.bfloat16, compiled=True),
    "compiled, float32": Form(compiled=True),
}


def step_of(work: Work, form: Form, device: torch.device) -> Callable[[], None]:
    optimizer = (
        adamw(work.trained, 1e-3)
        if form.fused
        else torch.optim.AdamW(work.trained.parameters(), lr=1e-3, weight_decay=WEIGHT_DECAY)
    )
    mixed = form.precision == torch.bfloat16

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
            loss = work.loss()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(work.trained.parameters(), 5.0)
        optimizer.step()

    return step


def throughput(
    device: torch.device, clock: Clock, preset: str, forms: list[str], networks: list[str]
) -> None:
    peaks: dict[torch.dtype, dict[str, float]] = {}
    lines = []
    for name in networks:
        for label in forms:
            form = FORMS[label]
            tried = peak(clock, form.precision, device)
            best = peaks.setdefault(form.precision, tried)
            best.update({kind: max(rate, best[kind]) for kind, rate in tried.items()})
            torch.manual_seed(0)
            work = Bench(device, form.channels_last, preset).works()[name]()
            step = step_of(work, form, device)
            with flop_counter() as counter:
                step()
            compile_networks(form.compiled, *work.networks)
            first, took = clock.once(step), clock.least(step)
            lines.append((name, label, work.batch / took, took, counter.get_total_flops(), first))
            told = f"{1000 * took:.1f} ms, {counter.get_total_flops() / took / 1e9:.1f} GFLOP/s"
            print(f"measured: {name}, {label}: {told}", file=sys.stderr, flush=True)
    for dtype, rates in peaks.items():
        told = ", ".join(f"{rate / 1e9:.0f} by {kind}" for kind, rate in rates.items())
        print(f"peak GFLOP/s in {str(dtype).removeprefix('torch.')}: {told}")
    print("\n| network | form | images/s | ms per step | GFLOP/s | share of peak | first step |")
    print("|---|---|---|---|---|---|---|")
    for name, label, images, took, flops, first in lines:
        rate, most = flops / took, max(peaks[FORMS[label].precision].values())
        print(
            f"| {name} | {label} | {images:.0f} | {1000 * took:.1f} | {rate / 1e9:.1f} "
            f"| {rate / most:.0%} | {first:.1f} s |"
        )


def parts(device: torch.device, clock: Clock, preset: str) -> None:
    """Each part of a model step alone, and what they leave of the whole."""
    bench = Bench(device, True, preset)
    whole, synthesis, detector = bench.model_step(2.0), bench.synthesis(), bench.detector()
    rgb, flow, features = *whole.networks[2:4], whole.networks[4].features
    images, twin = bench.images(whole.batch), bench.images(whole.batch).requires_grad_()
    hole = torch.zeros(whole.batch, 1, *images.shape[2:], device=device)
    hole[..., 20:50, 30:70] = 1
    step_of(whole, Form(), device)()  # leaves gradients for the optimizer to apply
    optimizer = adamw(whole.trained, 1e-3)

    @torch.no_grad()
    def inpaint() -> None:
        rgb(images, hole), flow(images, hole)

    def optimise() -> None:
        nn.utils.clip_grad_norm_(whole.trained.parameters(), 5.0)
        optimizer.step()

    def perceive() -> None:
        features(images)
        sum(m.square().mean() for m in features(twin)).backward()

    alone = {
        "data": lambda: (bench.images(whole.batch), bench.images(whole.batch)),
        "inpainters, forward": inpaint,
        "D": lambda: detector.loss().backward(),
        "S": lambda: synthesis.loss().backward(),
        "perceptual features": perceive,
        "optimiser and clipping": optimise,
    }
    seconds = {name: (work(), clock.least(work))[1] for name, work in alone.items()}
    total = clock.least(step_of(whole, Form(), device))
    seconds["the rest: crops, losses, masks"] = total - sum(seconds.values())
    step = f"a model step with perceptual features ({1000 * total:.0f} ms)"
    print(f"\n| part of {step} | ms | share |\n|---|---|---|")
    for name, took in seconds.items():
        print(f"| {name} | {1000 * took:.1f} | {took / total:.0%} |")


def main() -> None:
    parser = argparse.ArgumentParser(description="Throughput of every training")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--form", nargs="*", choices=list(FORMS), default=list(FORMS))
    parser.add_argument("--preset", default="demo", choices=preset_names())
    parser.add_argument("--network", nargs="*", metavar="NAME", help="by default all")
    options = parser.parse_args()
    networks = list(Bench(torch.device("cpu"), True, options.preset).works())
    chosen = networks if options.network is None else options.network
    if unknown := set(chosen) - set(networks):
        parser.error(f"--network: {sorted(unknown)[0]!r} is none of {networks}")
    device = set_up(Compute(threads=options.threads))
    clock = Clock(device, options.threads, options.seconds)
    with keeping_freed_memory():  # as in a training
        throughput(device, clock, options.preset, options.form, chosen)
        parts(device, clock, options.preset)


if __name__ == "__main__":
    main()
