"""Sets of parts as bits, each a row of 64-bit words, so that a million rows are counted at once.

A part is a split of a dataset; bit n of a row says that part n contains it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Masks = NDArray[np.uint64]  # rows by words
Counts = NDArray[np.int64]
_WORD = 64


def distinct(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Sort and drop repeats; on millions of hashes this is faster than numpy's `unique`."""
    ordered = np.sort(values)
    return ordered[np.r_[True, ordered[1:] != ordered[:-1]]] if len(ordered) else ordered


def is_among(values: NDArray[np.uint64], known: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which values are among `known` ones, which are sorted and distinct."""
    if not len(known):
        return np.zeros(len(values), np.bool_)
    at = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return np.asarray(known[at] == values)


def no_masks(rows: int, parts: int) -> Masks:
    """Make empty sets."""
    return np.zeros((rows, max(1, -(-parts // _WORD))), np.uint64)


def add_part(masks: Masks, rows: NDArray[np.int64], part: int) -> None:
    """Put a part into some of the sets, in place."""
    masks[rows, part // _WORD] |= np.uint64(1 << part % _WORD)


def has_part(masks: Masks, part: int) -> NDArray[np.bool_]:
    """Return which sets contain a part."""
    is_held: NDArray[np.bool_] = masks[:, part // _WORD] & np.uint64(1 << part % _WORD) != 0
    return is_held


def unite(groups: NDArray[np.int64], masks: Masks) -> Masks:
    """Give each row the union of the sets of its group; groups are numbers in any order."""
    if not len(groups):
        return masks.copy()
    order = np.argsort(groups, kind="stable")
    ordered = groups[order]
    begins = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    united = np.bitwise_or.reduceat(masks[order], begins, axis=0)
    sizes = np.diff(np.r_[begins, len(ordered)])
    result = np.empty_like(masks)
    result[order] = np.repeat(united, sizes, axis=0)
    return result


def unite_runs(masks: Masks, lengths: NDArray[np.int64]) -> Masks:
    """Unite consecutive rows, `lengths[i]` of them into set i; a run of none is empty."""
    result = np.zeros((len(lengths), masks.shape[1]), np.uint64)
    filled = np.flatnonzero(lengths)
    if len(filled):
        begins = np.cumsum(lengths[filled]) - lengths[filled]
        result[filled] = np.bitwise_or.reduceat(masks, begins, axis=0)
    return result


def tell_apart(columns: Sequence[Masks]) -> tuple[NDArray[np.int64], Counts]:
    """Return one row of each distinct combination of sets, and the number of its rows."""
    flat = np.concatenate(columns, axis=1)
    codes = np.zeros(len(flat), np.int64)
    for word in flat.T:
        _, code = np.unique(word, return_inverse=True)
        _, codes = np.unique(codes * (int(code.max(initial=0)) + 1) + code, return_inverse=True)
    _, first, counts = np.unique(codes, return_index=True, return_counts=True)
    return first, counts.astype(np.int64)


def bits_of(masks: Masks, parts: int) -> NDArray[np.bool_]:
    """Expand sets to one column per part: [rows, parts]."""
    as_bytes = np.ascontiguousarray(masks.astype("<u8")).view(np.uint8)
    return np.unpackbits(as_bytes, axis=1, bitorder="little", count=parts).astype(np.bool_)


def count_pairs(holders: Masks, seen: Masks, parts: int) -> Counts:
    """Count, for parts p and q, the rows held by p whose set `seen` has q: parts by parts."""
    first, counts = tell_apart([holders, seen])
    held, matched = bits_of(holders[first], parts), bits_of(seen[first], parts)
    pairs: Counts = (held * counts[:, None]).T @ matched.astype(np.int64)
    return pairs
