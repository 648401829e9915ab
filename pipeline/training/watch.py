"""Watching a training from outside: a look every so often, and what the looks say together.

Nothing here knows ground truth, nor what is trained. Every decision is a function of the trail of
looks alone; the trail is in the checkpoint, so a resumed training decides as an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Look = dict[str, float]
"""Values of one look. `score`, higher is better, is what `patience` waits for."""
Trail = list[Look]
"""All looks of a training so far; each also holds its `iteration`."""


@dataclass(frozen=True)
class Watch:
    """What to look at and what to do about it.

    Attributes:
        every: iterations from one look to the next; the end is looked at, too, unless there was a
            look less than half of that before it.
        look: called with the network in evaluation mode, without gradient, and with the weights
            that would be kept if the training ended here. It must draw no global randomness.
        judge: raises if the trail so far says that going on is in vain.
        patience: looks without a better score after which the training stops and the weights of the
            best look are kept; 0: neither.
        after: iterations before which nobody looks: what a warm-up does not train yet is no better
            for waiting.
    """

    every: int
    look: Callable[[], Look]
    judge: Callable[[Trail], None]
    patience: int = 0
    after: int = 0

    def due(self, done: int, total: int) -> bool:
        """Whether to look after `done` of `total` iterations."""
        since = done % self.every
        just_before = done - since > self.after and 2 * since < self.every
        return done > self.after and (since == 0 or (done == total and not just_before))


def best(trail: Trail) -> int:
    """Position of the look with the highest score, the first of equals."""
    return max(range(len(trail)), key=lambda place: trail[place]["score"])


def stalled(trail: Trail, patience: int) -> bool:
    """Whether the last `patience` looks were all no better than one before."""
    return patience > 0 and len(trail) - 1 - best(trail) >= patience
