"""The one training loop: optimizer, schedule, average, watch, checkpoints, curves, progress.

Everything random in an iteration comes from `iteration_rng(seed, iteration)`, so that a training
resumed from a checkpoint takes bit for bit the steps that an uninterrupted one takes.
"""

from __future__ import annotations

import logging

import numpy as np

from pipeline.device import in_bfloat16
from pipeline.kept_memory import keeping_freed_memory
from pipeline.params.training import Compute
from pipeline.progress import Progress
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.curves import Curves, History
from pipeline.training.interruption import Interruption
from pipeline.training.run import Run, State, Training
from pipeline.training.watch import best

__all__ = ["Training", "iteration_rng", "train", "train_from"]

log = logging.getLogger("backdrop")
CURVE_POINTS = 100


def iteration_rng(seed: int, iteration: int, purpose: int = 0) -> np.random.Generator:
    """Randomness of one iteration alone, whatever came before."""
    return np.random.default_rng([seed, purpose, iteration])


def train(training: Training, compute: Compute, checkpoint: Checkpoint) -> History:
    """Train to the end, from the start or from where an interrupted run stopped.

    The first SIGINT or SIGTERM takes effect when the iteration at hand is saved, a second at once.

    Returns:
        The points of its curves.

    Raises:
        BackdropError: the loss is no longer finite, or the watch gives up.
    """
    return train_from(checkpoint.load(), training, compute, checkpoint)


def train_from(
    state: State | None, training: Training, compute: Compute, checkpoint: Checkpoint
) -> History:
    """As `train`, from a checkpoint's state; None: from the start."""
    run = Run(training, state)
    curves = Curves(training.stage, state["history"] if state else training.earlier)
    training.module.train()
    mixed = in_bfloat16(compute, next(training.module.parameters()).device)
    with (
        Progress(training.stage, training.iterations, "iterations") as progress,
        Interruption() as interruption,
        keeping_freed_memory(),
    ):
        progress.resume_at(run.start)
        for iteration in range(run.start, training.iterations):
            if run.stalled:  # perhaps in an earlier run, which was interrupted there
                break
            loss = run.iterate(iteration, mixed)
            progress.advance(1, f"loss {loss:.4f}")
            done = iteration + 1
            _record(run, curves, done)
            due = done % compute.checkpoint_every == 0 and done < training.iterations
            interrupted = interruption.asked  # once: it may come between two looks
            if due or interrupted:
                checkpoint.save({**run.state(done), "history": curves.history})
            if interrupted:
                log.info("%s: saved after iteration %d", training.stage, done)
                break
    curves.close()
    if run.best is not None:
        kept = run.trail[best(run.trail)]
        log.info(
            "%s: keeps iteration %d, score %.3f", training.stage, kept["iteration"], kept["score"]
        )
    run.finish()
    return curves.history


def _record(run: Run, curves: Curves, done: int) -> None:
    """Points of the curves: each term's mean over a hundredth of the training, and the looks."""
    training = run.training
    every = max(1, training.iterations // CURVE_POINTS)
    if done % every == 0:
        means = {name: total / count for name, (total, count) in training.sums.items()}
        if run.average is not None:
            means["ema_distance"] = run.average.distance(run.module)
        curves.log(done, means)
        training.sums.clear()
    if training.watch is not None and training.watch.due(done, training.iterations):
        seen = run.look(training.watch, done)
        curves.log(done, {f"watch/{name}": value for name, value in seen.items()})
