"""Units on a Ray cluster: plain remote functions of Ray core, with the files on a shared disk."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from instructify._util.errors import UserError, first_line
from instructify.build.engine_options import Stage
from instructify.build.workers import AHEAD, Result, Unit, failed, name_of

_RETRIES = 3  # after the loss of a node or a worker; an error of a unit is never retried
_WAIT_S = 5.0


class RayWorkers:
    """Runs each unit as one task that takes one CPU."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray

    def map(
        self,
        function: Callable[[Unit], Result],
        units: Sequence[Unit],
        done: Callable[[Unit, Result], None] | None = None,
        *,
        stage: Stage | None = None,
    ) -> list[Result]:
        """See `Workers`."""
        task = self._ray.remote(num_cpus=1, max_retries=_RETRIES)(function)
        results: dict[int, Result] = {}
        pending: dict[Any, int] = {}
        for place, unit in enumerate(units):
            while len(pending) >= self._window():
                self._collect(pending, units, results, done)
            pending[task.remote(unit)] = place
        while pending:
            self._collect(pending, units, results, done)
        return [results[place] for place in range(len(units))]

    def _window(self) -> int:
        """How many units may be submitted: nodes come and go."""
        return AHEAD * max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def _collect(
        self,
        pending: dict[Any, int],
        units: Sequence[Unit],
        results: dict[int, Result],
        done: Callable[[Unit, Result], None] | None,
    ) -> None:
        """Wait for a unit and take its result."""
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


@contextmanager
def open_ray(address: str, jobs: int) -> Iterator[RayWorkers]:
    """Connect to a cluster, or start a Ray of `jobs` CPUs on this machine where there is none."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    try:
        import ray
    except ImportError as error:
        raise UserError(
            "--engine ray needs Ray; run pip install 'instructify[ray]' on all machines."
        ) from error
    where = {"address": address} if address else {"address": "local", "num_cpus": jobs}
    try:
        ray.init(
            **where,
            include_dashboard=None if address else False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise UserError(
            f"--engine ray:{address}: no cluster answers there ({first_line(error)}); start one "
            "with `ray start --head`, or leave the address out."
        ) from error
    try:
        yield RayWorkers(ray)
    finally:
        ray.shutdown()
