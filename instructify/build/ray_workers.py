"""Run units on a Ray cluster as remote functions of Ray core, with files on a shared disk."""

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from instructify._util.errors import UserError, first_line
from instructify.build.engine_options import Stage
from instructify.build.workers import AHEAD, Result, Unit, failed, name_of

_RETRIES = 3  # after the loss of a node or worker; an error of a unit is never retried
_WAIT_S = 5.0
_LOOK_S = 10.0  # interval between requests for the size of the cluster


class RayWorkers:
    """Runs each unit as a task with one CPU."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._size = 1
        self._size_until = 0.0

    def map(
        self,
        function: Callable[[Unit], Result],
        units: Sequence[Unit],
        done: Callable[[Unit, Result], None] | None = None,
        *,
        stage: Stage | None = None,
        through: bool = False,
    ) -> list[Result]:
        """See `Workers`."""
        task = self._ray.remote(num_cpus=1, max_retries=_RETRIES)(_run)
        here = os.getcwd()
        results: dict[int, Result] = {}
        pending: dict[Any, int] = {}
        for place, unit in enumerate(units):
            while len(pending) >= self._window():
                self._collect(pending, units, results, done)
            pending[task.remote(function, unit, here)] = place
        while pending:
            self._collect(pending, units, results, done)
        return [results[place] for place in range(len(units))]

    def _window(self) -> int:
        """Return how many units may be submitted, since the number of nodes changes."""
        if time.monotonic() > self._size_until:
            self._size = max(1, int(self._ray.cluster_resources().get("CPU", 1)))
            self._size_until = time.monotonic() + _LOOK_S
        return AHEAD * self._size

    def _collect(
        self,
        pending: dict[Any, int],
        units: Sequence[Unit],
        results: dict[int, Result],
        done: Callable[[Unit, Result], None] | None,
    ) -> None:
        """Wait for a unit and return its result."""
        finished, _ = self._ray.wait(list(pending), num_returns=1, timeout=_WAIT_S)
        for reference in finished:
            place = pending.pop(reference)
            results[place] = self._result(reference, units[place], place)
            if done is not None:
                done(units[place], results[place])

    def _result(self, reference: Any, unit: object, place: int) -> Any:
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            raise failed(unit, place, error.cause) from None
        except self._ray.exceptions.RayError as error:
            raise UserError(
                f"{name_of(unit, place)}: Ray lost it {_RETRIES + 1} times ({first_line(error)}); "
                "see to the nodes and run the same command again."
            ) from error


def _run(function: Callable[[Unit], Result], unit: Unit, folder: str) -> Result:
    """Run a unit in a worker, with relative paths as in the working folder of the command."""
    if os.getcwd() != folder and os.path.isdir(folder):
        os.chdir(folder)
    return function(unit)


def _check_address(address: str) -> None:
    """Refuse an address without a server; Ray would try for two minutes."""
    host, colon, port = address.rpartition(":")
    if not colon or "://" in address or not port.isdigit():
        return  # a word for Ray, such as auto
    try:
        socket.create_connection((host.strip("[]"), int(port)), _WAIT_S).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, error) from error


def _no_cluster(address: str, error: Exception) -> UserError:
    return UserError(
        f"--engine ray:{address}: no cluster answers there ({first_line(error)}); start one with "
        "`ray start --head`, or leave the address out."
    )


@contextmanager
def open_ray(address: str, jobs: int) -> Iterator[RayWorkers]:
    """Connect to a cluster, or start Ray with `jobs` CPUs on this machine."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no usage reports
    os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's 15 is below all other programs
    try:
        import ray
    except ImportError as error:
        raise UserError(
            "--engine ray needs Ray; run pip install 'instructify[ray]' on all machines."
        ) from error
    where: dict[str, Any] = {"address": address}
    if address:
        _check_address(address)
    else:
        where = {"address": "local", "num_cpus": jobs, "include_dashboard": False}
    try:
        ray.init(**where, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _no_cluster(address, error) from error
    try:
        yield RayWorkers(ray)
    finally:
        ray.shutdown()
