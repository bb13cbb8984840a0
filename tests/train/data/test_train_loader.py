"""Loader processes give what the trainer would make itself, and never outlive it."""

import os
import select
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from failure_probe import children_of, group_of

from instructify._util.errors import UserError
from instructify_train.data.loader import Failed, LoaderError, _serve, load

OTHERS: set[int] = set()  # processes that other tests left to serve them


@pytest.fixture(autouse=True)
def _others() -> None:
    OTHERS.clear()
    OTHERS.update(children_of(os.getpid()))


def loaders() -> list[int]:
    """List the loader processes of this one."""
    return [child for child in children_of(os.getpid()) if child not in OTHERS]


class Nested(NamedTuple):
    """A value as steps are: tensors and arrays, deep inside of others."""

    number: int
    tensors: dict[str, torch.Tensor]
    arrays: list[np.ndarray]
    text: str


class Source:
    """Items that are functions of their numbers, or what `does` makes of a number."""

    def __init__(self, does: Callable[[int], Any] | None = None) -> None:
        self._does = does

    def __getitem__(self, number: int, /) -> Any:
        if self._does is not None:
            self._does(number)
        generator = torch.Generator().manual_seed(number)
        return Nested(
            number,
            {
                "float": torch.randn(number % 5, 3, generator=generator),
                "bf16": torch.randn(2, 3, generator=generator).to(torch.bfloat16),
                "bool": torch.randn(7, generator=generator) > 0,
                "turned": torch.arange(12).reshape(3, 4).T,
                "scalar": torch.tensor(number),
                "empty": torch.zeros(0, 4, dtype=torch.uint8),
                "large": torch.full((1 << 20,), number, dtype=torch.int32),
            },
            [np.arange(number, dtype=np.int64), np.zeros((0, 2))],
            "é" * number,
        )


def same(one: Nested, other: Nested) -> bool:
    return (
        one.number == other.number
        and one.text == other.text
        and all(torch.equal(one.tensors[name], other.tensors[name]) for name in one.tensors)
        and all(one.tensors[name].dtype == other.tensors[name].dtype for name in one.tensors)
        and all(np.array_equal(a, b) for a, b in zip(one.arrays, other.arrays, strict=True))
    )


@pytest.mark.parametrize("workers", [0, 1, 2, 5, 30])
def test_items_are_those_of_the_trainer_itself_in_order(workers: int) -> None:
    with load(Source(), range(3, 17), workers) as items:
        found = list(items)
    assert [item.number for item in found] == list(range(3, 17))
    assert all(same(item, Source()[item.number]) for item in found)
    found[0].tensors["float"] += 1  # the memory is the trainer's own to write in


def test_nothing_to_load_starts_nothing() -> None:
    with load(Source(), range(0), 2) as items:
        assert list(items) == []


def counts(folder: Path) -> Callable[[int], None]:
    """Note that an item was made."""
    return lambda number: (folder / str(number)).touch()


def test_a_process_makes_no_more_than_two_items_ahead(tmp_path: Path) -> None:
    with load(Source(counts(tmp_path)), range(20), 2) as items:
        next(items)
        time.sleep(0.5)
        assert len(list(tmp_path.iterdir())) <= 6


def strike(error: Exception) -> Callable[[int], None]:
    """Fail at the fourth item."""

    def struck(number: int) -> None:
        if number == 3:
            raise error

    return struck


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (UserError("a mistake"), UserError, "^a mistake$"),
        (FileNotFoundError(2, "No such file", "x.jpg"), UserError, "x.jpg: No such file"),
        (MemoryError(), UserError, "memory ran out"),
        (ZeroDivisionError("a bug"), LoaderError, "(?s)Traceback.*ZeroDivisionError: a bug"),
    ],
)
def test_a_failure_in_a_process_is_the_trainers(
    workers: int, error: Exception, kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said), load(Source(strike(error)), range(9), workers) as items:
        for _ in items:
            pass
    assert loaders() == []


def test_a_mistake_may_be_an_item() -> None:
    class Mistaken:
        def __getitem__(self, number: int, /) -> Any:
            return Failed("what is asked for is not there")

    for workers in (0, 1):
        with (
            pytest.raises(UserError, match="not there"),
            load(Mistaken(), range(2), workers) as items,
        ):
            next(items)


def test_a_killed_process_is_said_at_once() -> None:
    with load(Source(), range(100), 2) as items:
        next(items)
        time.sleep(0.3)  # both have items ready
        os.kill(loaders()[0], signal.SIGKILL)
        until(lambda: len(loaders()) == 1)
        with pytest.raises(UserError, match="a loader process was killed by signal 9"):
            next(items)
    assert loaders() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_of_a_group_leave_the_items_to_the_trainer(number: int) -> None:
    with load(Source(), range(12), 2) as items:
        next(items)
        for child in loaders():
            os.kill(child, number)
        assert [item.number for item in items] == list(range(1, 12))


def test_leaving_the_loop_ends_the_processes() -> None:
    with load(Source(lambda _: time.sleep(30)), range(9), 2):
        assert len(loaders()) == 2
        began = time.monotonic()
    assert time.monotonic() - began < 2
    assert loaders() == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_processes_end_with_a_trainer_that_dies(tmp_path: Path, number: int) -> None:
    """Also in the middle of a long item, where they look at nothing."""
    ready = tmp_path / "ready"
    trainer = os.fork()
    if not trainer:
        try:
            os.setpgid(0, 0)
            items = load(Source(lambda at: time.sleep(60 if at else 0)), range(9), 2)
            next(items)
            ready.touch()
            time.sleep(60)
        finally:
            os._exit(1)
    until(ready.exists)
    assert len(group_of(trainer)) == 3
    os.kill(trainer, number)
    os.waitpid(trainer, 0)
    until(lambda: not group_of(trainer))


def test_a_trainer_that_dies_with_items_unread_is_no_exception() -> None:
    """Its loaders see a reset connection, which may come before the signal that ends them."""
    here, there = socket.socketpair()
    with there, ThreadPoolExecutor(1) as pool:
        serving = pool.submit(_serve, Source(), range(9), there)
        until(lambda: bool(select.select([here], [], [], 0)[0]))
        time.sleep(0.2)  # it waits for the first item to be taken
        here.close()
        assert serving.result(10) is None


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for something to be so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def test_a_step_needs_no_room_in_shared_memory_and_leaves_none() -> None:
    before, open_files = set(os.listdir("/dev/shm")), len(os.listdir("/proc/self/fd"))
    with load(Source(), range(40), 2) as items:
        for item in items:
            del item
    assert set(os.listdir("/dev/shm")) <= before
    assert len(os.listdir("/proc/self/fd")) <= open_files
