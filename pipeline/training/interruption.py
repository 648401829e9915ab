"""Ctrl-C waits until the iteration at hand is saved; a second one does not wait."""

from __future__ import annotations

import logging
import signal
import threading
from types import FrameType
from typing import Any, Self

log = logging.getLogger("backdrop")
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Inside it the first of `signals` only sets `asked`, and takes effect where it is left.

    with Interruption() as interruption:
        for iteration in range(n):
            ...
            if interruption.asked:
                save()
                break

    The first one brings back the handlers that were there before, so that a second one ends what
    runs. Signals that are ignored stay so. Outside the main thread nothing is changed, as Python
    takes no signals there.
    """

    def __init__(self, signals: tuple[signal.Signals, ...] = SIGNALS) -> None:
        self._signals = signals
        self._before: dict[signal.Signals, Any] = {}
        self._came: int | None = None

    @property
    def asked(self) -> bool:
        """Whether a signal came."""
        return self._came is not None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in self._signals:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):  # None: not Python's
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._restore()
        if self._came is not None:
            if error is not None:  # else nobody would hear of it, say of a full disk
                log.error("%s", error)
            signal.raise_signal(self._came)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._came = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
