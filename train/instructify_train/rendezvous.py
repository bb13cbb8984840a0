"""The rendezvous of the processes of a run, kept apart from those of earlier starts.

torchrun with `--max-restarts` keeps one store for all starts of a run. Entries of the first start,
such as the addresses of its processes, are still in the store at the second start. torch then uses
them for the new processes, which fail to connect or wait forever. Therefore each start gets its own
prefix. The number of restarts can't be the prefix: each node's launcher counts its own restarts,
and a launcher that joins later starts from 0.
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
    """Send the prefix to every process that requests it, until all of this start have confirmed.

    A request that an earlier start left in the store may be answered too; nothing confirms it.
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
    """Request the prefix from the first process under a unique name, and confirm its answer."""
    question = f"{os.getpid()}-{uuid.uuid4().hex}"
    store.set(f"asked/{rank}", question)
    prefix: str = store.get(f"answer/{question}").decode("ascii")
    store.add(f"confirmed/{prefix}", 1)
    return prefix
