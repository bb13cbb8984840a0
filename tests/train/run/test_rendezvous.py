"""The processes of a start agree on a prefix, whatever an earlier start left in the store."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from torch._C._distributed_c10d import HashStore
from torch.distributed.distributed_c10d import Store

from instructify_train import rendezvous


def start(store: Store, world: int) -> set[str]:
    """Let all processes of a start agree; returns the prefixes that they hold."""
    with ThreadPoolExecutor(world) as pool:
        first = pool.submit(rendezvous._give_prefix, store, world)
        others = [pool.submit(rendezvous._take_prefix, store, rank) for rank in range(1, world)]
        return {future.result(timeout=20) for future in (first, *others)}


@pytest.mark.parametrize("world", [1, 2, 5])
def test_each_start_has_one_prefix_of_its_own(world: int) -> None:
    store = HashStore()
    prefixes = [start(store, world) for _ in range(3)]
    assert all(len(agreed) == 1 for agreed in prefixes)
    assert len(set.union(*prefixes)) == 3


def test_processes_that_ended_before_they_agreed_disturb_nobody() -> None:
    store = HashStore()
    store.set("asked/1", "a process that was killed after it asked")
    store.set("asked/2", "another")
    assert len(start(store, 3)) == 1
    # As many processes as before, but fewer of them than an earlier start had.
    assert len(start(store, 2)) == 1
