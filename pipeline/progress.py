"""Progress with an ETA: a bar in a terminal, a line every few seconds in a log."""

from __future__ import annotations

import logging
import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import (
    Progress as Bar,
)

log = logging.getLogger("backdrop")

EVERY_S = 10.0  # between two lines where there is no terminal


class Progress:
    """Counts `total` items of `label`; `advance(n, note)` after each.

    with Progress("compute_flow", total=400, unit="frames") as progress:
        progress.advance(8, "clip_3")

    """

    def __init__(self, label: str, total: int, unit: str = "") -> None:
        self.label, self.total, self.unit = label, total, unit
        self.done = 0
        self.started = self.spoken = time.monotonic()
        self.begun = 0
        self.bar: Bar | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self.bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
                console=Console(stderr=True),
            )
            self.task = self.bar.add_task(self.label, total=self.total, note="")
            self.bar.start()
        return self

    def resume_at(self, done: int) -> None:
        """Start counting at `done`: what an earlier run finished is not part of the ETA."""
        self.done = self.begun = done
        if self.bar:
            self.bar.update(self.task, completed=done)

    def advance(self, count: int = 1, note: str = "") -> None:
        """Count `count` more items; `note` stands behind the ETA."""
        self.done += count
        if self.bar:
            self.bar.update(self.task, advance=count, note=note)
        elif time.monotonic() - self.spoken >= EVERY_S:
            self.spoken = time.monotonic()
            log.info("%s", self.line(note))

    def line(self, note: str = "") -> str:
        """`label 12/40 frames (30%), ETA 0:42` and the note; `ETA ?` before anything is done."""
        rate = (self.done - self.begun) / max(time.monotonic() - self.started, 1e-9)
        left = int((self.total - self.done) / rate) if rate > 0 else None
        eta = "?" if left is None else f"{left // 60}:{left % 60:02d}"
        share = 100 * self.done // max(self.total, 1)
        text = f"{self.label} {self.done}/{self.total} {self.unit}".rstrip()
        return f"{text} ({share}%), ETA {eta}" + (f"  {note}" if note else "")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.bar:
            self.bar.stop()
        if kind is None:
            seconds = time.monotonic() - self.started
            log.info("%s: %d %s in %.1f s", self.label, self.done, self.unit or "items", seconds)
