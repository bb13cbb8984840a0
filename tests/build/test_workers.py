"""Units in one process: those of samples run in two threads, with the results of one."""

import threading
from dataclasses import dataclass

import pytest

from instructify._util.errors import UserError
from instructify.build.engine_options import Stage
from instructify.build.workers import LocalWorkers


@dataclass(frozen=True)
class Number:
    value: int

    @property
    def name(self) -> str:
        return f"number {self.value}"


def squared(unit: Number) -> int:
    if unit.value < 0:
        raise UserError("it is negative")
    return unit.value**2


@pytest.mark.parametrize("stage", [None, "records", "samples"])
@pytest.mark.parametrize("num", [0, 1, 2, 50])
def test_results_come_in_the_order_of_the_units(stage: Stage | None, num: int) -> None:
    told: list[tuple[int, int]] = []
    units = [Number(value) for value in range(num)]
    results = LocalWorkers(None).map(
        squared, units, lambda unit, result: told.append((unit.value, result)), stage=stage
    )
    assert results == [value**2 for value in range(num)]
    assert sorted(told) == [(value, value**2) for value in range(num)]


def test_samples_run_in_two_threads_and_other_stages_in_this_one() -> None:
    together = threading.Barrier(2, timeout=30)

    def both(unit: Number) -> str:
        together.wait()  # fails unless two units are at work at once
        return threading.current_thread().name

    def alone(unit: Number) -> str:
        return threading.current_thread().name

    units = [Number(0), Number(1)]
    here = threading.current_thread().name
    assert here not in LocalWorkers(None).map(both, units, stage="samples")
    assert LocalWorkers(None).map(alone, units, stage="records") == [here] * 2
    assert LocalWorkers(None).map(alone, units) == [here] * 2


def test_an_error_in_a_thread_names_its_unit_and_ends_the_others() -> None:
    begun: list[int] = []

    def noted(unit: Number) -> int:
        begun.append(unit.value)
        return squared(unit)

    units = [Number(-1), *(Number(value) for value in range(1000))]
    with pytest.raises(UserError, match="number -1: it is negative"):
        LocalWorkers(None).map(noted, units, stage="samples")
    assert len(begun) < 100
    assert not [one for one in threading.enumerate() if one.name.startswith("ThreadPool")]
