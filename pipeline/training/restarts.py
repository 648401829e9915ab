"""A training that collapsed starts again with another seed, if asked.

The checkpoint knows its attempt, and is gone on from only if as many restarts are asked for:
otherwise the result would depend on what ran before. Killed after a collapse but before the next
attempt's first checkpoint, the training resumes the attempt that collapsed, collapses again, and
goes on as before.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from pipeline.params.training import Compute
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.collapse_watch import CollapseError
from pipeline.training.loop import train_from
from pipeline.training.run import Training

log = logging.getLogger("backdrop")
SEED_STEP = 1000
"""Far from the neighbouring seeds that experiments repeat a training with."""


def attempt_seed(seed: int, attempt: int) -> int:
    """The seed of an attempt; the first has the user's own."""
    return seed + SEED_STEP * attempt


def train_with_restarts(
    build: Callable[[int], Training], restarts: int, compute: Compute, checkpoint: Checkpoint
) -> Training:
    """Train `build(attempt)`, attempt 0, 1, ... until one does not collapse.

    Args:
        build: makes the training of an attempt.
        restarts: how many there may be; 0 where a collapse stops nothing.
        compute, checkpoint: of all attempts.

    Returns:
        The training that came to its end.

    Raises:
        CollapseError: the last of `restarts` + 1 attempts collapsed.
        BackdropError: as `pipeline.training.loop.train`.
    """
    state = checkpoint.load(restarts)
    attempt = int(state["attempt"]) if state else 0
    while True:
        training = build(attempt)
        try:
            train_from(state, training, compute, checkpoint)
        except CollapseError as error:
            if attempt >= restarts:
                raise
            log.warning("%s; starting over, attempt %d of %d", error, attempt + 2, restarts + 1)
            attempt, state = attempt + 1, None
        else:
            return training
