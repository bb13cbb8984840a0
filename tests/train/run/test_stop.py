"""A signal asks a run to stop; only one that comes clearly later ends it without a save.

Slurm signals torchrun and its processes, and torchrun passes the signal on: each process gets it
twice within milliseconds.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from instructify_train.run import stop
from instructify_train.run.stop import SAME_REQUEST_SECONDS, stop_on_signals


class EndedError(Exception):
    """The handler from before was called."""


@contextmanager
def earlier_handlers() -> Iterator[None]:
    """Have handlers that raise, as those of the command line do."""

    def end(number: int, _: object) -> None:
        raise EndedError(signal.Signals(number).name)

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(stop, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize("numbers", [(15, 15), (2, 2), (15, 2), (2, 15), (15, 15, 15)])
def test_a_signal_that_is_passed_on_asks_once(clock: list[float], numbers: tuple[int, ...]) -> None:
    with earlier_handlers(), stop_on_signals() as request:
        for number in numbers:
            signal.raise_signal(number)
            clock[0] += 0.3
        assert request.number == numbers[0]


@pytest.mark.parametrize(("first", "second"), [(15, 15), (2, 2), (15, 2), (2, 15)])
def test_a_second_signal_ends_the_run(clock: list[float], first: int, second: int) -> None:
    with earlier_handlers(), stop_on_signals():
        signal.raise_signal(first)
        signal.raise_signal(first)
        clock[0] += SAME_REQUEST_SECONDS
        with pytest.raises(EndedError, match=signal.Signals(second).name):
            signal.raise_signal(second)


def test_handlers_are_as_before_afterwards(clock: list[float]) -> None:
    with earlier_handlers():
        with stop_on_signals():
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(EndedError):
            signal.raise_signal(signal.SIGTERM)
