"""A training on its way: all that changes while it runs, which is all that a checkpoint holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.errors import BackdropError
from pipeline.params.optimisation import Optimisation
from pipeline.training.average import WeightAverage, copy_state
from pipeline.training.curves import History
from pipeline.training.optimiser import adamw, learning_rate_at
from pipeline.training.watch import Look, Trail, Watch, best, stalled

Step = Callable[[int], tuple[Tensor, dict[str, Tensor]]]
State = dict[str, Any]


@dataclass
class Training:
    """What to train.

    Attributes:
        stage: names curves, checkpoint and progress.
        module: its parameters are trained.
        step: iteration -> loss and the terms to plot; draws its own batch.
        iterations: number of steps.
        learning_rate: peak of the schedule.
        optimisation: schedule, clipping, averaging.
        watch: looks at the network every so often; None: nobody does.
        attempt: counts restarts, see `pipeline.training.restarts`.
        earlier: points of trainings before it that its curves begin with.
        sums: of each term since the last point of the curves, and of how many iterations: the
            model's terms begin where the warm-up ends.
    """

    stage: str
    module: nn.Module
    step: Step
    iterations: int
    learning_rate: float
    optimisation: Optimisation = field(default_factory=Optimisation)
    watch: Watch | None = None
    attempt: int = 0
    earlier: History = field(default_factory=list)
    sums: dict[str, tuple[float, int]] = field(default_factory=dict)


class Run:
    """Weights, optimizer, average, trail and best look of a training.

    Args:
        training: what to train.
        state: of `state()`, to go on from; None: from the start.
    """

    def __init__(self, training: Training, state: State | None) -> None:
        self.training, self.module = training, training.module
        self.optimizer = adamw(self.module, training.learning_rate)
        self.start, self.trail = 0, Trail()
        self.best: dict[str, Tensor] | None = None
        self.average: WeightAverage | None = None
        if training.optimisation.ema > 0:
            self.average = WeightAverage(self.module, training.optimisation.ema)
        if state is not None:
            self._load(state)

    def iterate(self, iteration: int, mixed: bool) -> float:
        """One step of the optimizer; returns the loss and adds the terms to the training's sums.

        Raises:
            BackdropError: the loss, its gradient, or what a step draws from, is no longer finite.
        """
        training, options = self.training, self.training.optimisation
        rate = learning_rate_at(
            iteration, training.iterations, training.learning_rate, options.schedule
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        device = next(self.module.parameters()).device
        try:
            with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
                loss, terms = training.step(iteration)
        except FloatingPointError as error:
            raise self._diverged(str(error), iteration) from error
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.module.parameters(), options.clip_norm)
        self.optimizer.step()
        if self.average is not None:
            self.average.update(self.module, iteration)
        told = torch.stack([v.detach().float() for v in (loss, norm, *terms.values())])
        value, grad_norm, *values = told.tolist()  # one wait for the device, not one per term
        for what, number in (("loss", value), ("gradient's norm", grad_norm)):
            if not math.isfinite(number):
                raise self._diverged(f"the {what} became {number}", iteration)
        named = dict(zip(terms, values, strict=True))
        for name, term in {**named, "grad_norm": grad_norm, "learning_rate": rate}.items():
            total, count = training.sums.get(name, (0.0, 0))
            training.sums[name] = total + term, count + 1
        return float(value)

    def _diverged(self, what: str, iteration: int) -> BackdropError:
        return BackdropError(
            f"{what} at iteration {iteration}",
            where=self.training.stage,
            remedy="lower its learning_rate in params.yaml",
        )

    def look(self, watch: Watch, done: int) -> Look:
        """Look at the network after `done` iterations; the weights of the best look are kept.

        Raises:
            BackdropError: `watch.judge` gives up.
        """
        with self._kept_weights():
            self.module.eval()
            with torch.no_grad(), torch.compiler.set_stance("force_eager"):
                seen = watch.look()
            self.module.train()
            self.trail.append({"iteration": done, **seen})
            if watch.patience > 0 and best(self.trail) == len(self.trail) - 1:
                self.best = copy_state(self.module)
        watch.judge(self.trail)
        return seen

    @property
    def stalled(self) -> bool:
        """Whether the watch's patience is at its end."""
        watch = self.training.watch
        return watch is not None and bool(self.trail) and stalled(self.trail, watch.patience)

    def finish(self) -> None:
        """Leave the module with the weights to keep: of the best look, the average, or the last."""
        if self.best is not None:
            self.module.load_state_dict(self.best)
        elif self.average is not None:
            self.module.load_state_dict(self.average.state)
        self.module.eval()

    def state(self, iteration: int) -> State:
        """All that a checkpoint needs after `iteration` iterations."""
        return {
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state if self.average else None,
            "best": self.best,
            "trail": self.trail,
            "sums": self.training.sums,
            "attempt": self.training.attempt,
            "iteration": iteration,
        }

    def _load(self, state: State) -> None:
        self.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average is not None:
            self.average.load(state["average"])
        self.best, self.trail = state["best"], list(state["trail"])
        self.training.sums = dict(state["sums"])
        self.start = int(state["iteration"])

    @contextmanager
    def _kept_weights(self) -> Iterator[None]:
        with self.average.in_place_of(self.module) if self.average else nullcontext():
            yield
