"""Merge sorted ledgers of rejects without loading a whole ledger into memory.

The ledgers of a split's units mostly follow each other in order and are copied. Others are merged
line by line.
"""

import heapq
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

from instructify.build.ledger import Order, ledger_lines, order

_BLOCK_BYTES = 1 << 20


def merged(standing: Iterator[bytes], files: Iterable[Path]) -> Iterator[bytes]:
    """Merge ledgers that are each in order; yields lines or blocks of lines."""
    chains = _chains(files)
    first = next(standing, None)
    if first is None and len(chains) < 2:
        for path in chains[0] if chains else ():
            yield from _blocks(path)
        return
    streams: list[Iterator[bytes]] = [
        (line for path in chain for line in ledger_lines(path)) for chain in chains
    ]
    if first is not None:
        streams.append(itertools.chain([first], standing))
    yield from heapq.merge(*streams, key=order)


def _chains(files: Iterable[Path]) -> list[list[Path]]:
    """Group ledgers that follow each other, so that few have to be open at once."""
    spans = sorted((*span, path) for path in files if (span := _span(path)) is not None)
    chains: list[list[Path]] = []
    ends: list[tuple[str, str, int, bytes]] = []
    for first, last, path in spans:
        at = next((at for at, end in enumerate(ends) if end <= first), None)
        if at is None:
            chains.append([path])
            ends.append(last)
        else:
            chains[at].append(path)
            ends[at] = last
    return chains


def _span(path: Path) -> tuple[Order, Order] | None:
    """Return the positions of the first and the last line of a ledger; None if it is empty."""
    size = path.stat().st_size if path.exists() else 0
    if not size:
        return None
    with path.open("rb") as handle:
        first = handle.readline()
        block = b""
        while block.count(b"\n") < 2 and len(block) < size:
            start = max(0, size - len(block) - _BLOCK_BYTES)
            handle.seek(start)
            block = handle.read(size - start)
    last = block.rstrip(b"\n").rpartition(b"\n")[2] + b"\n"
    return order(first), order(last)


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as handle:
        while block := handle.read(_BLOCK_BYTES):
            yield block
