"""The one training loop: optimizer, schedule, checkpoints, curves, progress.

Everything random in an iteration comes from `iteration_rng(seed, iteration)`, so that a training
resumed from a checkpoint takes bit for bit the steps that an uninterrupted one takes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.errors import BackdropError
from pipeline.params.training import Compute
from pipeline.progress import Progress
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.curves import Curves

CURVE_POINTS = 100
WARM_UP = 100  # iterations of rising learning rate
CLIP_NORM = 5.0
WEIGHT_DECAY = 1e-4

Step = Callable[[int], tuple[Tensor, dict[str, Tensor]]]


@dataclass
class Training:
    """What to train.

    Attributes:
        stage: names curves, checkpoint and progress.
        module: its parameters are trained.
        step: iteration -> loss and the terms to plot; draws its own batch.
        iterations: number of steps.
        learning_rate: peak of the schedule.
    """

    stage: str
    module: nn.Module
    step: Step
    iterations: int
    learning_rate: float
    sums: dict[str, float] = field(default_factory=dict)


def iteration_rng(seed: int, iteration: int, purpose: int = 0) -> np.random.Generator:
    """Randomness of one iteration alone, whatever came before."""
    return np.random.default_rng([seed, purpose, iteration])


def learning_rate_at(iteration: int, iterations: int, peak: float) -> float:
    """Linear warm-up, then a cosine to one hundredth of the peak."""
    rising = min(1.0, (iteration + 1) / WARM_UP)
    falling = 0.5 + 0.5 * math.cos(math.pi * iteration / iterations)
    return peak * rising * (0.01 + 0.99 * falling)


def train(training: Training, compute: Compute, checkpoint: Checkpoint) -> None:
    """Train to the end, from the start or from where an interrupted run stopped.

    Raises:
        BackdropError: the loss is no longer finite.
    """
    optimizer = torch.optim.AdamW(
        training.module.parameters(), lr=training.learning_rate, weight_decay=WEIGHT_DECAY
    )
    state = checkpoint.load()
    start = 0
    if state is not None:
        training.module.load_state_dict(state["module"])
        optimizer.load_state_dict(state["optimizer"])
        training.sums = dict(state["sums"])
        start = int(state["iteration"])
    curves = Curves(training.stage, state["history"] if state else [])
    training.module.train()
    with Progress(training.stage, training.iterations, "iterations") as progress:
        progress.resume_at(start)
        for iteration in range(start, training.iterations):
            loss = _iterate(training, optimizer, iteration, compute)
            _record(training, curves, iteration)
            progress.advance(1, f"loss {loss:.4f}")
            done = iteration + 1
            if done % compute.checkpoint_every == 0 and done < training.iterations:
                _save(checkpoint, training, optimizer, curves, done)
    curves.close()
    training.module.eval()


def _iterate(
    training: Training, optimizer: torch.optim.Optimizer, iteration: int, compute: Compute
) -> float:
    for group in optimizer.param_groups:
        group["lr"] = learning_rate_at(iteration, training.iterations, training.learning_rate)
    device = next(training.module.parameters()).device
    mixed = compute.precision == "bfloat16"
    with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
        loss, terms = training.step(iteration)
    value = float(loss.detach())
    if not math.isfinite(value):
        raise BackdropError(
            f"the loss became {value} at iteration {iteration}",
            where=training.stage,
            remedy="lower its learning_rate in params.yaml",
        )
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(training.module.parameters(), CLIP_NORM)
    optimizer.step()
    for name, term in terms.items():
        training.sums[name] = training.sums.get(name, 0.0) + float(term)
    return value


def _record(training: Training, curves: Curves, iteration: int) -> None:
    """One point per term, its mean over a hundredth of the training."""
    every = max(1, training.iterations // CURVE_POINTS)
    if (iteration + 1) % every == 0:
        means = {name: total / every for name, total in training.sums.items()}
        curves.log(iteration + 1, means)
        training.sums.clear()


def _save(
    checkpoint: Checkpoint,
    training: Training,
    optimizer: torch.optim.Optimizer,
    curves: Curves,
    iteration: int,
) -> None:
    checkpoint.save(
        {
            "module": training.module.state_dict(),
            "optimizer": optimizer.state_dict(),
            "history": curves.history,
            "sums": training.sums,
            "iteration": iteration,
        }
    )
