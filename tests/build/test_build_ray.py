"""Ray core under the units: the same bytes, one sentence for an error, few units submitted."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from build_help import Commands, difference, is_sentence, tree

from instructify._util.errors import UserError
from instructify.build import ray_workers
from instructify.build.engine_options import EngineOptions
from instructify.build.ray_workers import RayWorkers, open_ray
from instructify.build.workers import AHEAD, open_workers


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
    """What of Ray the engine calls, in this process: it counts what waits."""

    class exceptions:
        RayError = OSError
        RayTaskError = FakeError

    def __init__(self, cpus: int) -> None:
        self.cpus = cpus
        self.options: dict[str, Any] = {}
        self.pending: list[Any] = []
        self.most = 0

    def remote(self, **options: Any) -> Any:
        self.options = options
        ray = self

        class Task:
            def __init__(self, function: Any) -> None:
                self.function = function

            def remote(self, *given: Any) -> Any:
                call = (self.function, given, len(ray.pending), object())
                ray.pending.append(call)
                ray.most = max(ray.most, len(ray.pending))
                return call

        return Task

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": float(self.cpus)}

    def wait(self, pending: list[Any], **_: object) -> tuple[list[Any], list[Any]]:
        last = self.pending.pop()  # the last first: an engine may run units in any order
        return [last], [one for one in pending if one is not last]

    def get(self, call: Any) -> Any:
        function, given, _, _ = call
        try:
            return function(*given)
        except UserError as error:
            wrapped = FakeError("a remote traceback")
            wrapped.cause = error
            raise wrapped from error


@pytest.mark.parametrize("cpus", [1, 3])
def test_few_units_are_submitted_at_once(cpus: int) -> None:
    ray = FakeRay(cpus)
    done: list[int] = []
    units = [unit for unit in UNITS if unit.number % 2 == 0]
    results = RayWorkers(ray).map(half, units, lambda unit, _: done.append(unit.number))
    assert results == [unit.number // 2 for unit in units]
    assert sorted(done) == [unit.number for unit in units]
    assert ray.most == AHEAD * cpus
    assert ray.options["max_retries"] > 0


def test_an_error_of_a_worker_is_its_sentence() -> None:
    with pytest.raises(UserError, match=r"^unit-1: an odd number; take another\.$"):
        RayWorkers(FakeRay(1)).map(half, UNITS[:2])


def test_a_lost_unit_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = FakeRay(1)

    def lost(call: object) -> object:
        raise OSError("the node died")

    monkeypatch.setattr(ray, "get", lost)
    with pytest.raises(UserError, match=r"^unit-0: Ray lost it .*the node died"):
        RayWorkers(ray).map(half, UNITS[:1])


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
def _local_ray() -> Iterator[RayWorkers]:
    """A Ray of one CPU in this process."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'instructify[ray]'")
    with open_ray("", 1) as workers:
        yield workers


def test_units_run_on_ray(local_ray: RayWorkers) -> None:
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


def test_without_ray_a_command_says_one_sentence(
    raw_root: Path, command: Commands, tmp_path: Path
) -> None:
    line = ("convert", "coco_caption", "--raw", raw_root, "--out", tmp_path / "b")
    answer = command(*line, "--engine", "ray:127.0.0.1:1")
    assert answer.code == 2
    assert is_sentence(answer)
    assert "Ray" in answer.stderr or "no cluster" in answer.stderr
