"""Run single stages through `dvc repro` in subprocesses that can all be stopped, children included.

DVC that is killed leaves the stage's command running, and the next run would write beside it.
Every `dvc` therefore leads a session of its own, and stopping means the whole process group.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import BackdropError

_CACHED = ("didn't change, skipping", "is cached - skipping run")  # DVC's words
_BUSY = "is busy, it is being blocked by:"  # DVC's, of another process; who that is comes below
_LINES_KEPT = 200
# DVC repeats these hints after each of some twenty stages; none of them helps to watch a run.
_HINTS = (
    *("To track the changes with git, run:", "To enable auto staging, run:", "Use `dvc push` to"),
    *("\tgit add ", "\tdvc config core.autostage true"),
)


@dataclass(frozen=True)
class Outcome:
    """How a stage ended; `message` is one line: the stage's or DVC's own `error:` if it failed."""

    ok: bool
    cached: bool
    message: str


class StageProcesses:
    """The `dvc` processes of one run of the project at `root`; may be used from many threads.

    Args:
        grace_s: seconds that `stop` leaves a stage to save a checkpoint and clean up.
    """

    def __init__(self, root: Path, grace_s: float = 30.0) -> None:
        self.root, self.grace_s = root, grace_s
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False
        self._lock = threading.Lock()

    def repro(self, stage: str, say: Callable[[str], None]) -> Outcome:
        """Bring one stage up to date; `say` gets each line of output but DVC's hints."""
        process = self._start(stage)
        if process is None:
            return Outcome(ok=False, cached=False, message="the run was stopped")
        lines: deque[str] = deque(maxlen=_LINES_KEPT)
        try:
            assert process.stdout is not None
            for line in map(str.rstrip, process.stdout):
                if line and not line.startswith(_HINTS):
                    lines.append(line)
                    say(line)
            code = process.wait()
        finally:
            _kill_group(process)
            with self._lock:
                self._running.discard(process)
        cached = any(words in line for line in lines for words in _CACHED)
        return Outcome(code == 0, cached, "" if code == 0 else _reason(lines, code))

    def stop(self) -> None:
        """End every running stage and let no other start; a second Ctrl-C ends them at once."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            _signal_group(process, signal.SIGTERM)
        deadline = time.monotonic() + self.grace_s
        try:
            for process in running:
                _wait_for_group(process, deadline)
        finally:
            for process in running:
                _kill_group(process)

    def _start(self, stage: str) -> subprocess.Popen[str] | None:
        # Under the lock: `stop` must see every process that was started.
        with self._lock:
            if self._stopped:
                return None
            process = subprocess.Popen(
                # Two stages that end together both want DVC's lock, for longer than it waits.
                [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item", stage],
                cwd=self.root,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            self._running.add(process)
            return process


def _environment() -> dict[str, str]:
    """Ours, with `python` (as `dvc.yaml` calls it) being the one that runs this."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1", "DVC_NO_ANALYTICS": "1"}


def _reason(lines: deque[str], code: int) -> str:
    """The stage's own `error:` line; else DVC's, that of its locks in our words; else the code."""
    if any(line.startswith("ERROR: ") and _BUSY in line for line in lines):
        others = dict.fromkeys(re.findall(r"^ +\((PID \d+)\): ", "\n".join(lines), re.MULTILINE))
        named = f" ({', '.join(others)})" if others else ""
        return str(
            BackdropError(
                f"another `dvc` or `backdrop run` is at work in this project{named}",
                remedy="wait for it, then run again",
            )
        )
    for prefix in ("error: ", "ERROR: "):
        told = [line for line in lines if line.startswith(prefix)]
        if told:
            return told[0].removeprefix(prefix)
    return f"dvc ended with exit code {code}"


def _signal_group(process: subprocess.Popen[str], number: int) -> bool:
    """Signal the group that `process` leads; False if nothing is left of it."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    return True


def _wait_for_group(process: subprocess.Popen[str], deadline: float) -> None:
    """Wait until nothing is left of the group, or for the monotonic clock's `deadline`.

    DVC ends before the stage that it started, so waiting for `process` alone would not do.
    """
    while time.monotonic() < deadline:
        process.poll()  # reaps it: a zombie would keep the group alive
        if not _signal_group(process, 0):
            return
        time.sleep(0.05)


def _kill_group(process: subprocess.Popen[str]) -> None:
    _signal_group(process, signal.SIGKILL)
    process.wait()
