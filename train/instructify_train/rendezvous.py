"""The rendezvous of the processes of a run, kept apart from those of earlier starts.

torchrun with `--max-restarts` keeps one store for all starts of a run. What the processes of the
first start wrote there (their addresses among it) is still there at the second, where torch takes
it for the addresses of the new processes: they fail to connect or wait for ever. So each start has
a prefix of its own. The number of restarts does not serve as one: the launchers of several nodes
count their own, and one that joins later counts from 0.
"""

import os
import time
import uuid

from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

POLL_SECONDS = 0.05


def fresh_store() -> tuple[Store, int, int]:
    """Join the launcher's store below a prefix that only the processes of this start use.

    Returns:
        The store, the rank of this process and the number of processes.
    """
    store, rank, world = next(rendezvous("env://"))
    prefix = _give_prefix(store, world) if rank == 0 else _take_prefix(store, rank)
    return PrefixStore(prefix, store), rank, world


def _give_prefix(store: Store, world: int) -> str:
    """Answer every process that asks, until all of this start have confirmed.

    A question of an earlier start may be answered too; nobody confirms it.
    """
    prefix = uuid.uuid4().hex
    answered: dict[int, bytes] = {}
    while store.add(f"confirmed/{prefix}", 0) < world - 1:
        for rank in range(1, world):
            asked = f"asked/{rank}"
            if not store.check([asked]):
                continue
            question = store.get(asked)
            if question != answered.get(rank):
                store.set(f"answer/{question.decode('ascii')}", prefix)
                answered[rank] = question
        time.sleep(POLL_SECONDS)
    return prefix


def _take_prefix(store: Store, rank: int) -> str:
    """Ask the first process under a name that no earlier start used, and confirm its answer."""
    question = f"{os.getpid()}-{uuid.uuid4().hex}"
    store.set(f"asked/{rank}", question)
    prefix: str = store.get(f"answer/{question}").decode("ascii")
    store.add(f"confirmed/{prefix}", 1)
    return prefix
