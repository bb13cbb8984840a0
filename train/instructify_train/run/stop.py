"""Stop a run at a signal: the current step is finished and saved; a second signal ends it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Slurm signals torchrun and its processes, and torchrun forwards it to them milliseconds later.
SAME_REQUEST_SECONDS = 2.0


class BrokenOff(Exception):
    """A validation ends early, at the same point in all processes, because the run has to stop."""


class StopRequest:
    """Whether a signal requested a stop, and which one."""

    def __init__(self) -> None:
        self.number: int | None = None

    @property
    def asked(self) -> bool:
        return self.number is not None


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Treat the first SIGINT or SIGTERM as a request; later ones have their usual effect.

    Signals within `SAME_REQUEST_SECONDS` of the first are the same request.
    """
    request = StopRequest()
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    asked_at = 0.0

    def ask(number: int, _: FrameType | None) -> None:
        nonlocal asked_at
        if not request.asked:
            request.number, asked_at = number, monotonic()
        elif monotonic() - asked_at >= SAME_REQUEST_SECONDS:
            for signal_number, handler in before.items():
                signal.signal(signal_number, handler)
            signal.raise_signal(number)

    for number in _SIGNALS:
        signal.signal(number, ask)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
