"""Ray core under the units: the same bytes, one sentence for an error, few units submitted."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from build_help import Commands, difference, is_sentence, tree

from instructify._util.errors import UserError
from instructify.build import ray_workers
from instructify.build.engine_options import EngineOptions
from instructify.build.ray_workers import RayExecutor, open_ray
from instructify.build.workers import AHEAD, ExecutorWorkers, Workers, open_workers


class Unit(NamedTuple):
    name: str
    number: int


UNITS = [Unit(f"unit-{number}", number) for number in range(50)]


def half(unit: Unit) -> int:
    if unit.number % 2:
        raise UserError("an odd number; take another.")
    return unit.number // 2


class FakeError(Exception):
    cause: Exception


class FakeRay:
    """What of Ray the engine calls, in a thread: it counts the tasks that wait.

    Args:
        cpus: the size of the cluster.
        most: tasks that have to wait at once before the first of them runs.
    """

    class exceptions:
        RayError = OSError
        RayTaskError = FakeError

    def __init__(self, cpus: int, most: int = 1) -> None:
        self.cpus = cpus
        self.options: dict[str, Any] = {}
        self.most = 0
        self.waiting = 0
        self._expected = most
        self._full = Event()
        self._thread = ThreadPoolExecutor(1)

    def remote(self, **options: Any) -> Any:
        self.options = options
        return lambda function: SimpleNamespace(remote=partial(self.submit, function))

    def submit(self, function: Any, *given: Any) -> Any:
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        if self.waiting >= self._expected:
            self._full.set()
        future = self._thread.submit(self.run, function, *given)
        return SimpleNamespace(future=lambda: future)

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": float(self.cpus)}

    def run(self, function: Any, *given: Any) -> Any:
        assert self._full.wait(30)
        self.waiting -= 1
        try:
            return function(*given)
        except UserError as error:
            wrapped = FakeError("a remote traceback")
            wrapped.cause = error
            raise wrapped from error


def on(ray: FakeRay) -> Workers:
    executor = RayExecutor(ray)
    return ExecutorWorkers(executor, executor.window)


@pytest.mark.parametrize("cpus", [1, 3])
def test_few_units_are_submitted_at_once(cpus: int) -> None:
    ray = FakeRay(cpus, most=AHEAD * cpus)
    done: list[int] = []
    units = [unit for unit in UNITS if unit.number % 2 == 0]
    results = on(ray).map(half, units, lambda unit, _: done.append(unit.number))
    assert results == [unit.number // 2 for unit in units]
    assert sorted(done) == [unit.number for unit in units]
    assert ray.most == AHEAD * cpus
    assert ray.options["max_retries"] > 0


def test_an_error_of_a_worker_is_its_sentence() -> None:
    with pytest.raises(UserError, match=r"^unit-1: an odd number; take another\.$"):
        on(FakeRay(1)).map(half, UNITS[:2])


def test_a_lost_unit_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = FakeRay(1)

    def lost(*given: object) -> object:
        raise OSError("the node died")

    monkeypatch.setattr(ray, "run", lost)
    with pytest.raises(UserError, match=r"^unit-0: Ray lost it .*the node died"):
        on(ray).map(half, UNITS[:1])


def test_relative_paths_mean_the_same_in_a_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert ray_workers._run(Path.absolute, Path("x"), str(tmp_path)) == tmp_path / "x"
    assert ray_workers._run(Path.absolute, Path("x"), str(tmp_path / "gone")) == tmp_path / "x"


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:99999", "[::1]:1"])
def test_an_address_where_nothing_listens(address: str) -> None:
    with pytest.raises(UserError, match="no cluster answers there"):
        ray_workers._check_address(address)


def test_without_ray_the_way_to_get_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(UserError, match=r"pip install 'instructify\[ray\]'"),
        open_workers(EngineOptions(ray="")),
    ):
        pass


@pytest.fixture(name="local_ray", scope="module")
def _local_ray() -> Iterator[Workers]:
    """A Ray of one CPU in this process."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'instructify[ray]'")
    with open_ray("", 1) as workers:
        yield workers


def test_units_run_on_ray(local_ray: Workers) -> None:
    assert local_ray.map(abs, list(range(-20, 0))) == list(range(20, 0, -1))
    with pytest.raises(UserError, match=r"^--engine ray:127.0.0.1:1: no cluster answers there"):
        local_ray.map(ray_workers._check_address, ["127.0.0.1:1"])


def test_ray_makes_the_build_of_one_process(
    raw_root: Path, command: Commands, tmp_path: Path
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'instructify[ray]'")
    line = ("convert", "coco_caption", "hateful_memes", "--limit", "12", "--raw", raw_root)
    assert command(*line, "--out", tmp_path / "one").code == 0
    answer = command(*line, "--out", tmp_path / "ray", "--engine", "ray", "--jobs", "2")
    assert answer.code == 0, answer.stderr
    assert difference(tree(tmp_path / "one"), tree(tmp_path / "ray")) == []


def test_a_conversion_on_ray_that_is_killed_goes_on(
    raw_root: Path, command: Commands, tmp_path: Path
) -> None:
    """The short form of `make test-scale`, which also kills nodes, workers and parts."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'instructify[ray]'")
    line = ("convert", "coco_caption", "--limit", "12", "--raw", raw_root)
    assert command(*line, "--out", tmp_path / "one").code == 0
    engine = ("--out", tmp_path / "ray", "--engine", "ray")
    assert command(*line, *engine, fault=("kill", "any", 8)).code == 9
    answer = command(*line, *engine)
    assert answer.code == 0, answer.stderr
    assert difference(tree(tmp_path / "one"), tree(tmp_path / "ray")) == []


def test_without_ray_a_command_says_one_sentence(
    raw_root: Path, command: Commands, tmp_path: Path
) -> None:
    line = ("convert", "coco_caption", "--raw", raw_root, "--out", tmp_path / "b")
    answer = command(*line, "--engine", "ray:127.0.0.1:1")
    assert answer.code == 2
    assert is_sentence(answer)
    assert "Ray" in answer.stderr or "no cluster" in answer.stderr
