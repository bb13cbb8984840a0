"""Loader processes share what their items are made from, and need nobody to do so."""

import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from disk_limits import file_size_limit
from failure_probe import children_of

from instructify._util.errors import UserError
from instructify_train.data.loader import load

PART = 4  # items of a part


class Sums:
    """Items that need a part: each part is made by whoever notes it in a file."""

    def __init__(self, notes: Path, *, broken: int = -1) -> None:
        self._notes = notes
        self._broken = broken
        self._ask: Callable[[int], Any] = lambda _: None
        self.children: list[int] = []

    def make_part(self, number: int) -> list[int]:
        with self._notes.open("a", encoding="utf-8") as file:
            file.write(f"{number} {os.getpid()}\n")
        if number == self._broken:
            raise UserError(f"part {number} can't be read")
        return [number * 1000 + at for at in range(PART)]

    def take_parts_from(self, ask: Callable[[int], Any]) -> None:
        self._ask = ask

    def __getitem__(self, number: int, /) -> int:
        part = self._ask(number // PART) or self.make_part(number // PART)
        return int(part[number % PART])


def expected(numbers: range) -> list[int]:
    return [number // PART * 1000 + number % PART for number in numbers]


@pytest.mark.parametrize("workers", [2, 3, 7])
def test_each_part_is_made_once_by_one_process(tmp_path: Path, workers: int) -> None:
    """More processes than items of a part too: then some of them skip parts."""
    numbers = range(2, 43)
    with load(Sums(tmp_path / "notes"), numbers, workers) as items:
        assert list(items) == expected(numbers)
    notes = [line.split() for line in (tmp_path / "notes").read_text("utf-8").splitlines()]
    assert len({process for _, process in notes}) == 1
    assert Counter(int(part) for part, _ in notes if int(part) <= 10) == dict.fromkeys(range(11), 1)


@pytest.mark.parametrize("workers", [0, 1])
def test_few_processes_share_nothing(tmp_path: Path, workers: int) -> None:
    numbers, before = range(9), len(children_of(os.getpid()))
    with load(Sums(tmp_path / "notes"), numbers, workers) as items:
        assert len(children_of(os.getpid())) == before + workers
        assert list(items) == expected(numbers)


def test_a_part_that_fails_is_said_in_its_own_words(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match=r"^part 1 can't be read$"),
        load(Sums(tmp_path / "notes", broken=1), range(40), 2) as items,
    ):
        list(items)


class Large(Sums):
    """Items of a few bytes, from parts of half a megabyte."""

    def make_part(self, number: int) -> list[int]:
        return [*super().make_part(number), *range(100_000)]


def test_parts_that_find_no_room_are_made_by_each_loader(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """As under `ulimit -f`, where an item may have room and a whole part has none."""
    with file_size_limit(50_000), load(Large(tmp_path / "notes"), range(40), 2) as items:
        assert list(items) == expected(range(40))
    assert capfd.readouterr().err == ""


def test_the_process_of_parts_is_missed_when_it_is_killed(tmp_path: Path) -> None:
    """And never waited for: its loaders go on by themselves until the trainer says so."""
    before = set(children_of(os.getpid()))
    with load(Sums(tmp_path / "notes"), range(400), 2) as items:
        next(items)
        first = min(set(children_of(os.getpid())) - before)
        os.kill(first, signal.SIGKILL)
        with pytest.raises(UserError, match="a loader process was killed by signal 9"):
            for _ in items:
                pass
    assert set(children_of(os.getpid())) == before
