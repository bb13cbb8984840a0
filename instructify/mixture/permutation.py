"""Keyed permutations of [0, n) whose values are computed one by one, without a table.

A Feistel network permutes the smallest power of two that is at least n. A value outside [0, n) is
permuted again until it is inside (cycle walking: less than two rounds on average); the result is a
permutation of [0, n). Rows may have different n and different keys.
"""

import numpy as np
from numpy.typing import NDArray

from instructify._util.keyed import Hashes, hash_texts, mix

_ROUNDS = 6


def permute(places: NDArray[np.int64], sizes: NDArray[np.int64], keys: Hashes) -> NDArray[np.int64]:
    """Map each place to its element of the row's permutation of range(size), which the key selects.

    `keys` are mixed bits, `0 <= places < sizes < 2**53`.
    """
    bits = np.frexp((sizes - 1).astype(np.float64))[1].astype(np.uint64)  # of the largest value
    values = places.astype(np.uint64)
    limits = sizes.astype(np.uint64)
    outside = np.arange(len(values))
    while len(outside):
        walked = _feistel(values[outside], bits[outside], keys[outside])
        values[outside] = walked
        outside = outside[walked >= limits[outside]]
    return values.astype(np.int64)


def choose_rows(total: int, num: int, key: str, purpose: str) -> NDArray[np.int64]:
    """Choose `num` rows of `total`, or all, in an order given by key and purpose."""
    count = min(num, total)
    keys = np.repeat(mix(hash_texts([key]), purpose, 0), count)
    return permute(np.arange(count, dtype=np.int64), np.full(count, total, np.int64), keys)


def _feistel(values: Hashes, bits: Hashes, keys: Hashes) -> Hashes:
    """Permute [0, 2**bits): change each half in turn by a hash of the other half."""
    low_bits = bits >> np.uint64(1)
    low_mask = (np.uint64(1) << low_bits) - np.uint64(1)
    high_mask = (np.uint64(1) << (bits - low_bits)) - np.uint64(1)
    low = values & low_mask
    high = values >> low_bits
    for number in range(0, _ROUNDS, 2):
        high ^= mix(keys ^ low, "feistel", number) & high_mask
        low ^= mix(keys ^ high, "feistel", number + 1) & low_mask
    joined: Hashes = high << low_bits | low
    return joined
