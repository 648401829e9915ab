"""A signal ends the experiment at hand and those to come, but never DVC's own work in git."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import psutil
from dvc.env import DVC_STAGE
from dvc.stage.exceptions import StageCmdFailedError
from dvc.stage.run import get_executable

from pipeline.errors import INTERRUPTED, BackdropError

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AGAIN_S = 1
# The second is a shell's that waited for the stage, or of a stage that had not got to our code yet.
_INTERRUPTED_STAGE = (f"exited with {INTERRUPTED}", f"exited with -{signal.SIGINT:d}")


@contextmanager
def stopping_stages() -> Iterator[None]:
    """Inside, one of `STOPS` ends the stage that DVC runs, or the next one that it begins.

    DVC puts uncommitted changes away while it starts an experiment, and records a stage when it
    has ended: neither is broken off. While a stage runs DVC ignores Ctrl-C, which reaches the stage
    by itself: its exit code tells.

    Raises:
        KeyboardInterrupt: where it is left, if a signal came.
    """
    asked = False
    told: set[int] = set()

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        for stage in _stages():
            if number != signal.SIGALRM or stage.pid not in told:
                stage.terminate()
                told.add(stage.pid)
        signal.alarm(AGAIN_S)  # for one that DVC is about to begin

    heard = [number for number in STOPS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in (*heard, signal.SIGALRM)}
    try:
        yield
    except BackdropError as error:
        if asked or _was_stopped(error):
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.alarm(0)
        for number, handler in before.items():
            signal.signal(number, handler)
    if asked:
        raise KeyboardInterrupt


def _stages() -> list[psutil.Process]:
    """Those that run, and not git, whose work for DVC must not be broken off.

    DVC starts a stage through a shell. Bash becomes the stage; dash (`/bin/sh` of Debian, DVC's
    choice where `SHELL` is not set) waits for it, would end at a signal without passing it on, and
    leave the stage running.
    """
    found = []
    for child in psutil.Process().children():
        try:
            if DVC_STAGE in child.environ():
                found += child.children() if _is_shell(child) else [child]
        except psutil.Error:  # it has ended
            continue
    return found


def _is_shell(process: psutil.Process) -> bool:
    shell = shutil.which(get_executable())
    return shell is not None and Path(shell).resolve() == Path(process.exe()).resolve()


def _was_stopped(error: BaseException | None) -> bool:
    """Whether a stage says so that DVC failed at; DVC keeps the exit code in the words alone."""
    while error is not None:
        if isinstance(error, StageCmdFailedError):
            return str(error).endswith(_INTERRUPTED_STAGE)
        error = error.__cause__ or error.__context__
    return False
