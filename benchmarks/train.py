"""Training throughput of each network, before and after tuning, and where a model step's time goes.

    python -m benchmarks.train [--seconds N] [--threads N] [--form FORM ...] [--network NAME ...]

Random images of the demo preset's sizes: no artifacts are needed. A step is forward, backward and
AdamW. Time is CPU time over threads (wall time on a GPU), the least of some steps: others who share
the machine only ever make it longer. Work is counted by torch's FLOP counter, backward included.
The peak is the fastest of square matrix products and of a large convolution, of the same type with
the same threads, tried anew before every measurement. Every form adds to the one before, but for
the last, which is float32.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from models.backbones import make_stages
from models.flow.loss import multi_scale_epe
from models.flownet2.weights import VARIANTS
from models.inpainter import Inpainter
from models.objectives import exact_background_objective
from models.perceptual import PerceptualFeatures
from models.reconstruction import ReconstructionLoss
from models.student import Student
from pipeline.device import place, set_up
from pipeline.networks import build_model
from pipeline.params.preset import load_preset
from pipeline.params.schema import Params
from pipeline.params.training import Compute
from pipeline.params.training import Inpainter as InpainterParams
from pipeline.training.compiling import compile_networks
from pipeline.training.inpainter_step import inpainter_step
from pipeline.training.model_step import Batch, Frozen, model_loss
from pipeline.training.optimiser import WEIGHT_DECAY, adamw
from pipeline.training.student_step import student_loss


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
    "+ compiled (float32)": Form(compiled=True),
}


@dataclass(frozen=True)
class Work:
    """A network's loss, what it trains, all networks that it runs, and its images per step."""

    loss: Callable[[], Tensor]
    trained: nn.Module
    networks: list[nn.Module]
    batch: int


class Bench:
    """Networks and data of the demo's sizes.

    Args:
        device: cpu or cuda.
        channels_last: memory format of weights and images.
    """

    def __init__(self, device: torch.device, channels_last: bool) -> None:
        self.params = Params.model_validate(load_preset("demo").params)
        self.device, self.channels_last = device, channels_last
        network = self.params.network
        self.stored = np.random.default_rng(0).integers(
            0, 256, (256, network.height, network.width, 3), np.uint8
        )

    def images(self, batch: int) -> Tensor:
        """A batch as `TrainingFrames` makes it: (B, 3, H, W) in [0, 1]."""
        chosen = self.stored[np.arange(batch) * 7 % len(self.stored)]
        images = torch.from_numpy(chosen).to(self.device).permute(0, 3, 1, 2).float() / 255
        return images if self.channels_last else images.contiguous()

    def put(self, module: nn.Module) -> nn.Module:
        return place(module, self.device) if self.channels_last else module.to(self.device)

    def inpainter(self, params: InpainterParams) -> Work:
        network = Inpainter(params.channels)
        self.put(network)
        images = self.images(params.batch_size)
        rng = np.random.default_rng(0)
        return Work(
            lambda: inpainter_step(network, images, params, rng),
            network, [network], params.batch_size,
        )  # fmt: skip

    def detector(self) -> Work:
        params = self.params.train_model
        network = build_model(params).detector
        self.put(network)
        images = self.images(params.batch_size)
        density = torch.rand(params.batch_size, params.detector.grid**2, device=self.device)

        def loss() -> Tensor:
            proposals = network(images)
            return (
                exact_background_objective(proposals.probability, density) + proposals.boxes.sum()
            )

        return Work(loss, network, [network], params.batch_size)

    def synthesis(self) -> Work:
        params = self.params.train_model
        model = build_model(params)
        self.put(model)
        images = self.images(params.batch_size)
        boxes = torch.tensor([0.5, 0.5, 0.4, 0.4], device=self.device)
        boxes = boxes.repeat(params.batch_size, 1).requires_grad_()

        def loss() -> Tensor:
            foreground, mask = model.synthesise(images, boxes, images.flip(0))
            return foreground.mean() + mask.mean()

        return Work(loss, model.synthesis, [model.synthesis], params.batch_size)

    def model_step(self, perceptual: float) -> Work:
        params = self.params.train_model
        size = params.batch_size
        model = build_model(params)
        sections = self.params.train_inpainter
        rgb, flow = (Inpainter(s.channels).eval() for s in (sections.rgb, sections.flow))
        features = PerceptualFeatures(make_stages("imagenet")) if perceptual > 0 else None
        distance = ReconstructionLoss(1.0, perceptual, features)
        for module in (model, rgb.requires_grad_(False), flow.requires_grad_(False), distance):
            self.put(module)
        frozen = Frozen(rgb, flow, 1.0, 1.0, distance)
        generator = torch.Generator().manual_seed(0)

        def loss() -> Tensor:
            ok = torch.ones(size, device=self.device)
            batch = Batch(self.images(size), self.images(size), ok, flipped=False)
            return model_loss(model, frozen, batch, params, generator)[0]

        networks = [model.detector, model.synthesis, rgb, flow, distance]
        return Work(loss, model, networks, size)

    def student(self) -> Work:
        params = self.params.self_train
        network = Student(params.channels, params.encoder == "imagenet")
        self.put(network)
        side = min(params.longest_side, self.params.extract_frames.longest_side)
        images = self.images(params.batch_size)
        images = F.interpolate(images, scale_factor=side / max(images.shape[2:]))
        label = (images[:, :2] > 0.5).float()  # a mask, and the trust in it
        stack = torch.cat([images, label], dim=1)
        rng = np.random.default_rng(0)
        return Work(
            lambda: student_loss(network, stack, params, rng)[0],
            network, [network], params.batch_size,
        )  # fmt: skip

    def flow_network(self) -> Work:
        params = self.params.train_flow
        network = VARIANTS[params.variant](params.width)
        self.put(network)
        size = params.crop_height, params.crop_width
        images = F.interpolate(self.images(2 * params.batch_size), size)
        flow = torch.rand(params.batch_size, 2, *size, device=self.device)

        def loss() -> Tensor:
            return multi_scale_epe(network.pyramid(*images.chunk(2)), flow)

        return Work(loss, network, [network], params.batch_size)

    def works(self) -> dict[str, Callable[[], Work]]:
        sections = self.params.train_inpainter
        return {
            "inpainter, frames": lambda: self.inpainter(sections.rgb),
            "inpainter, flow": lambda: self.inpainter(sections.flow),
            "D": self.detector,
            "S": self.synthesis,
            "model step": lambda: self.model_step(0.0),
            "model step, perceptual": lambda: self.model_step(2.0),
            "student step": self.student,
            "flow network, pairs": self.flow_network,
        }


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


def throughput(device: torch.device, clock: Clock, forms: list[str], networks: list[str]) -> None:
    peaks: dict[torch.dtype, dict[str, float]] = {}
    lines = []
    for name in networks:
        for label in forms:
            form = FORMS[label]
            tried = peak(clock, form.precision, device)
            best = peaks.setdefault(form.precision, tried)
            best.update({kind: max(rate, best[kind]) for kind, rate in tried.items()})
            torch.manual_seed(0)
            work = Bench(device, form.channels_last).works()[name]()
            step = step_of(work, form, device)
            with FlopCounterMode(display=False) as counter:
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


def parts(device: torch.device, clock: Clock) -> None:
    """Each part of a model step alone, and what they leave of the whole."""
    bench = Bench(device, channels_last=True)
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
    print(f"\n| part of a model step ({1000 * total:.0f} ms) | ms | share |\n|---|---|---|")
    for name, took in seconds.items():
        print(f"| {name} | {1000 * took:.1f} | {took / total:.0%} |")


def main() -> None:
    parser = argparse.ArgumentParser(description="Throughput of every training")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--form", nargs="*", choices=list(FORMS), default=list(FORMS))
    networks = list(Bench(torch.device("cpu"), channels_last=True).works())
    parser.add_argument("--network", nargs="*", choices=networks, default=networks)
    options = parser.parse_args()
    device = set_up(Compute(threads=options.threads))
    clock = Clock(device, options.threads, options.seconds)
    throughput(device, clock, options.form, options.network)
    parts(device, clock)


if __name__ == "__main__":
    main()
