"""Runs units of work in this process or in several, in any order, with the same results."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

Unit = TypeVar("Unit")
Result = TypeVar("Result")


class Workers:
    """`map` applies a function to units; one job: here, more: in so many processes."""

    def __init__(self, pool: ProcessPoolExecutor | None) -> None:
        self._pool = pool

    def map(
        self,
        function: Callable[[Unit], Result],
        units: Sequence[Unit],
        done: Callable[[Unit, Result], None] | None = None,
    ) -> list[Result]:
        """Return the results in the order of the units; `done` hears of each as it is finished."""
        if self._pool is None or len(units) < 2:
            return list(self._inline(function, units, done))
        futures = {self._pool.submit(function, unit): place for place, unit in enumerate(units)}
        results: dict[int, Result] = {}
        for future in as_completed(futures):
            place = futures[future]
            results[place] = future.result()
            if done is not None:
                done(units[place], results[place])
        return [results[place] for place in range(len(units))]

    def _inline(
        self,
        function: Callable[[Unit], Result],
        units: Sequence[Unit],
        done: Callable[[Unit, Result], None] | None,
    ) -> Iterator[Result]:
        for unit in units:
            result = function(unit)
            if done is not None:
                done(unit, result)
            yield result


@contextmanager
def workers(jobs: int) -> Iterator[Workers]:
    """Open a pool of `jobs` processes; on an error or a signal its processes end at once."""
    if jobs == 1:
        yield Workers(None)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_quiet)
    try:
        yield Workers(pool)
    except BaseException:
        for process in multiprocessing.active_children():
            process.kill()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown(wait=True)


def _quiet() -> None:
    """Let a worker go without a word when the user interrupts: the parent speaks."""
    signal.signal(signal.SIGINT, _leave)


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(130)
