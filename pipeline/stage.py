"""How a stage starts: logging, the stage's lock, and errors as one line.

if __name__ == "__main__":
    run_stage("extract_frames", main)
"""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import TypeVar

from filelock import FileLock, Timeout

from pipeline.errors import (
    INTERRUPTED,
    BackdropError,
    cannot_be_made,
    no_gpu_memory,
    no_space,
)
from pipeline.params.read import PARAMS_FILE, same_params
from pipeline.store.atomic import write_bytes
from pipeline.store.paths import LOCKS

EnumT = TypeVar("EnumT", bound=StrEnum)


def run_stage(name: str, main: Callable[[], None]) -> None:
    """Run `main` under the stage's lock; exit 1 with a line on a user's mistake, 130 on Ctrl-C."""
    start_log()
    signal.signal(signal.SIGTERM, _terminate)
    try:
        with stage_lock(name):
            _check_params()
            with same_params():
                main()
    except BackdropError as error:
        print(f"error: {name}: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:  # what libraries write meets a full disk, too
        print(f"error: {name}: {no_space(error, str(Path.cwd()))}", file=sys.stderr)
        sys.exit(1)
    except RuntimeError as error:
        print(f"error: {name}: {no_gpu_memory(error)}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print(f"{name}: interrupted; run it again to go on", file=sys.stderr)
        sys.exit(INTERRUPTED)


def _check_params() -> None:
    """Tell a mistake in any section now, and not hours later by the stage that reads it.

    Not imported, so that the schemas of other stages are none of this one's dependencies: they do
    not change what it does.
    """
    if PARAMS_FILE.exists():
        importlib.import_module("pipeline.params.check").check_params()


def wanted(kind: type[EnumT], module: str) -> EnumT:
    """The one word of `kind` that the command line gives; anything else ends the process."""
    words = [word.value for word in kind]
    if len(sys.argv) != 2 or sys.argv[1] not in words:
        sys.exit(f"usage: python -m {module} {'|'.join(words)}")
    return kind(sys.argv[1])


def start_log() -> None:
    """Let log lines, progress among them, appear on stderr; `BACKDROP_LOG` sets their level."""
    asked = os.environ.get("BACKDROP_LOG", "INFO")
    level = logging.getLevelNamesMapping().get(asked.upper())
    if level is None:
        sys.exit(f"error: environment variable BACKDROP_LOG: {asked!r} is no level; INFO is one")
    logging.basicConfig(
        level=level,
        format="%(asctime)s %(message)s",
        datefmt="%H:%M:%S",
        stream=sys.stderr,
    )


def stage_lock(name: str) -> FileLock:
    """An acquired lock: a stage left running by a killed `dvc` must not be written beside.

    Its holder's process id lies beside it: to try for the lock empties the lock file itself.

    Raises:
        BackdropError: another live process holds it, or the project's folder is read-only.
    """
    holder = LOCKS / f"{name}.pid"
    try:
        LOCKS.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_be_made(LOCKS, error) from error
    lock = FileLock(LOCKS / f"{name}.lock")
    try:
        lock.acquire(timeout=0)
    except OSError as error:
        if isinstance(error, Timeout):
            raise BackdropError(
                "another process is still running this stage",
                where=str(LOCKS / f"{name}.lock"),
                # DVC never records it, and a run after its end would begin anew.
                remedy=f"stop it{_how_to_stop(holder)} and run again, which goes on from there",
            ) from error
        raise cannot_be_made(LOCKS / f"{name}.lock", error) from error
    write_bytes(holder, str(os.getpid()).encode())
    return lock


def _how_to_stop(holder: Path) -> str:
    """The command for it; nothing in the moment in which the holder has not yet said who it is."""
    return f" (`kill {holder.read_text()}`)" if holder.exists() else ""


def _terminate(_signum: int, _frame: FrameType | None) -> None:
    """Treat SIGTERM like Ctrl-C, so that temporary files are removed and workers stopped."""
    raise KeyboardInterrupt
