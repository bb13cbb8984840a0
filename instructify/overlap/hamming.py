"""Find all pairs of 64-bit hashes that differ in few bits, without comparing every pair.

The bits are cut into 11 groups. Two hashes that differ in at most 8 bits agree in at least 3 whole
groups, so at least one of 165 tables, one for each choice of 3 groups, contains both in the same
cell (multi-index hashing; Norouzi, Punjani and Fleet, Fast Search in Hamming Space, 2012). Most
pairs that differ in a few bits more also share a cell: docs/overlap.md has the measured share.
Pairs that share a cell are then compared in all bits.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Rows = NDArray[np.int64]

_GROUPS = 11
_AGREE = 3
_PROBES = 1 << 18
_PAIRS = 1 << 21
_FEW = 1 << 24


class _Group(NamedTuple):
    """Consecutive bits."""

    first: int
    size: int


class NearPairs(NamedTuple):
    """Row numbers on both sides; each pair once, sorted."""

    left: Rows
    right: Rows


def near_pairs(left: Hashes, right: Hashes, most: int) -> NearPairs:
    """Pair the hashes that differ in at most `most` bits.

    Few hashes are compared exhaustively. Of many, all pairs up to 8 bits are found, and most of
    those up to 12.
    """
    few = len(left) * len(right) <= _FEW
    return compared_pairs(left, right, most) if few else met_pairs(left, right, most)


def compared_pairs(left: Hashes, right: Hashes, most: int) -> NearPairs:
    """Compare every pair: exact; the time grows with the product of the two lengths."""
    step = max(1, _PAIRS // max(1, len(right)))
    blocks = [np.empty((2, 0), np.int64)]
    for begin in range(0, len(left), step):
        near = np.bitwise_count(left[begin : begin + step, None] ^ right) <= most
        here, there = np.nonzero(near)
        blocks.append(np.stack([here + begin, there]))
    pairs = np.concatenate(blocks, axis=1)
    return NearPairs(pairs[0], pairs[1])


def met_pairs(left: Hashes, right: Hashes, most: int) -> NearPairs:
    """Compare the pairs that share a cell of one of the tables."""
    if len(left) > len(right):
        swapped = met_pairs(right, left, most)
        order = np.lexsort((swapped.left, swapped.right))
        return NearPairs(swapped.right[order], swapped.left[order])
    blocks = [np.empty(0, np.int64)]
    for table in _tables():
        blocks += _meeting(left, right, table, most)
        if sum(map(len, blocks)) > _PAIRS:
            blocks = [np.unique(np.concatenate(blocks))]
    pairs = np.unique(np.concatenate(blocks))
    return NearPairs(pairs // len(right), pairs % len(right))


def _tables() -> Iterator[Sequence[_Group]]:
    edges = [round(64 * place / _GROUPS) for place in range(_GROUPS + 1)]
    groups = [_Group(low, high - low) for low, high in itertools.pairwise(edges)]
    return itertools.combinations(groups, _AGREE)


def _code(hashes: Hashes, table: Sequence[_Group]) -> Rows:
    """Concatenate the bits of some groups."""
    code = np.zeros(len(hashes), np.uint64)
    for group in table:
        bits = (hashes >> np.uint64(group.first)) & np.uint64((1 << group.size) - 1)
        code = (code << np.uint64(group.size)) | bits
    return code.astype(np.int64)


def _meeting(left: Hashes, right: Hashes, table: Sequence[_Group], most: int) -> Iterator[Rows]:
    """Yield the near pairs of one table as left * len(right) + right."""
    size = 1 << sum(group.size for group in table)
    codes = _code(left, table)
    order = np.argsort(codes, kind="stable")
    starts = np.zeros(size + 1, np.int64)
    np.cumsum(np.bincount(codes, minlength=size), out=starts[1:])
    for begin in range(0, len(right), _PROBES):
        probes = _code(right[begin : begin + _PROBES], table)
        many = starts[probes + 1] - starts[probes]
        rows = np.flatnonzero(many)
        for low, high in _pieces(many[rows]):
            piece = rows[low:high]
            there = np.repeat(piece, many[piece])
            ends = np.cumsum(many[piece])
            place = np.arange(ends[-1]) - np.repeat(ends - many[piece], many[piece])
            here = order[starts[probes[there]] + place]
            there = there + begin
            near = np.bitwise_count(left[here] ^ right[there]) <= most
            yield here[near] * len(right) + there[near]


def _pieces(many: Rows) -> Iterator[tuple[int, int]]:
    """Cut probes so that a piece has not many more than `_PAIRS` pairs."""
    if not len(many):
        return
    number = np.cumsum(many) // _PAIRS
    edges = np.flatnonzero(np.diff(number)) + 1
    yield from itertools.pairwise([0, *edges.tolist(), len(many)])
