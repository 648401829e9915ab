"""Checkpoints of an interrupted training, outside DVC's outs so that the run cache stays usable."""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from pipeline.errors import BackdropError
from pipeline.store.atomic import sweep, write_bytes
from pipeline.store.checkpoint_file import DAMAGE, load_tensors
from pipeline.store.paths import CHECKPOINTS

log = logging.getLogger("backdrop")


@dataclass(frozen=True)
class Checkpoint:
    """The checkpoint of one training stage.

    Attributes:
        stage: e.g. `train_model`.
        fingerprint: of params, inputs and code; see `pipeline.fingerprint`.
        resume: `auto` starts over where the fingerprint differs, `never` always does, `require`
            refuses to start over.
    """

    stage: str
    fingerprint: str
    resume: Literal["auto", "never", "require"]

    @property
    def path(self) -> Path:
        """Where it lies; it exists only while a training is unfinished."""
        return CHECKPOINTS / f"{self.stage}.pt"

    def save(self, state: dict[str, Any]) -> None:
        """Write `state` atomically; a path's name would get into torch.save's bytes."""
        buffer = io.BytesIO()
        torch.save({**state, "fingerprint": self.fingerprint}, buffer)
        write_bytes(self.path, buffer.getvalue())

    def load(self, restarts: int = 0) -> dict[str, Any] | None:
        """The state to go on from, or None to start at the beginning.

        What a killed run had half-written of one is removed.

        Args:
            restarts: how many there may be, see `pipeline.training.restarts`. A later attempt is
                not gone on from: what ran before must not show in the result.

        Raises:
            BackdropError: `require`, and there is none to go on from.
        """
        sweep(self.path)
        if self.resume == "never":
            return None
        problem = "there is no checkpoint"
        if self.path.exists():
            state = self._read()
            if state is None:
                problem = "the checkpoint is damaged"
            elif state["fingerprint"] != self.fingerprint:
                problem = "the checkpoint was made with other params, data, code or libraries"
            elif state.get("attempt", 0) > restarts:
                problem = (
                    f"the checkpoint is of attempt {state['attempt'] + 1}, and these params "
                    f"(restarts, watch.collapse) allow {restarts + 1}"
                )
            else:
                log.info("%s: going on from iteration %d", self.stage, state["iteration"])
                return state
            if self.resume == "auto":
                log.info("%s: %s; starting over", self.stage, problem)
        if self.resume == "require":
            raise BackdropError(
                f"compute.resume is 'require', but {problem}",
                where=str(self.path),
                remedy="restore what it was made with, or set compute.resume to 'auto'",
            )
        return None

    def remove(self) -> None:
        """The training is finished: the next run of the stage starts afresh."""
        self.path.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any] | None:
        """What the file holds, None if it is damaged."""
        with self.path.open("rb") as file:
            try:
                state = load_tensors(file)
            except DAMAGE:
                return None
        return state if isinstance(state, dict) and "fingerprint" in state else None
