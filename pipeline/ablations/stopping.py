"""A signal ends the experiment at hand and those to come, but never DVC's own work in git."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import psutil
from dvc.env import DVC_STAGE
from dvc.stage.exceptions import StageCmdFailedError

from pipeline.errors import INTERRUPTED, BackdropError

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AGAIN_S = 1


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
        for stage in filter(_is_stage, psutil.Process().children()):
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


def _is_stage(process: psutil.Process) -> bool:
    """And not git, whose work for DVC must not be broken off."""
    try:
        return DVC_STAGE in process.environ()
    except psutil.Error:  # it has ended
        return False


def _was_stopped(error: BaseException | None) -> bool:
    """Whether a stage says so that DVC failed at; DVC keeps the exit code in the words alone."""
    while error is not None:
        if isinstance(error, StageCmdFailedError):
            return str(error).endswith(f"exited with {INTERRUPTED}")
        error = error.__cause__ or error.__context__
    return False
