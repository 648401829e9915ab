"""The first signal waits, the second does not, and the handlers that were there come back."""

from __future__ import annotations

import signal
import threading

import pytest

from pipeline.training.interruption import SIGNALS, Interruption


@pytest.fixture(params=SIGNALS)
def told(request: pytest.FixtureRequest) -> signal.Signals:
    """A signal whose handler raises KeyboardInterrupt, as in a stage."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(request.param, interrupt)
    yield request.param
    assert signal.getsignal(request.param) is interrupt
    signal.signal(request.param, before)


def walk(numbers: list[int], reached: list[bool]) -> None:
    """Raise each signal inside; what is `asked` after each goes into `reached`."""
    with Interruption() as interruption:
        for number in numbers:
            signal.raise_signal(number)
            reached.append(interruption.asked)


def test_the_first_takes_effect_where_it_is_left(told: signal.Signals) -> None:
    reached: list[bool] = []
    with pytest.raises(KeyboardInterrupt):
        walk([told], reached)
    assert reached == [True]


@pytest.mark.parametrize("second", SIGNALS)
def test_the_second_takes_effect_at_once(told: signal.Signals, second: signal.Signals) -> None:
    before = signal.signal(second, signal.getsignal(told))
    reached: list[bool] = []
    with pytest.raises(KeyboardInterrupt):
        walk([told, second], reached)
    assert reached == [True]
    signal.signal(second, before)


def test_it_beats_an_error(told: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt):
        walk([told, -1], [])


def test_without_a_signal_nothing_happens(told: signal.Signals) -> None:
    with Interruption() as interruption:
        pass
    assert not interruption.asked
    with pytest.raises(ValueError, match="mine"), Interruption():
        raise ValueError("mine")


def test_what_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            signal.raise_signal(signal.SIGINT)
        assert not interruption.asked
    finally:
        signal.signal(signal.SIGINT, before)


def test_in_another_thread_nothing_is_changed() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[object] = []

    def look() -> None:
        with Interruption() as interruption:
            seen.extend([signal.getsignal(signal.SIGINT), interruption.asked])

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [before, False]
