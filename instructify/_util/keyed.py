"""Random choices without a random generator: each is a pure function of its keys.

`hash_texts` turns a text key into 64 bits, and `mix` turns these, the purpose, the seed and further
numbers into 64 new bits. From these, `uniform_index` makes an index and `permuted_index` a place in
a permutation. Functions work on whole columns; the same keys give the same choice on any machine,
in any process, in any order. Not for cryptography.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = 0xFFFFFFFFFFFFFFFF
_HALF = np.uint64(32)


def hash_texts(texts: pa.Array | pa.ChunkedArray | Sequence[str]) -> Hashes:
    """Hash each text's UTF-8 bytes by xxh3_64; a null has no hash and raises TypeError."""
    if isinstance(texts, pa.Array | pa.ChunkedArray):
        values: Sequence[bytes] = texts.cast(pa.binary()).to_pylist()
    else:
        values = [text.encode() for text in texts]
    digests = map(xxhash.xxh3_64_intdigest, values)
    return np.fromiter(digests, dtype=np.uint64, count=len(values))


def key_of(purpose: str, seed: int, *extra: int) -> int:
    """Hash the part of a key that all rows share; different purposes never share choices."""
    text = "\x1f".join([purpose, str(seed), *map(str, extra)])
    return xxhash.xxh3_64_intdigest(text.encode())


def mix(hashes: Hashes, purpose: str, seed: int, *extra: int) -> Hashes:
    """Derive 64 new bits per row for one purpose; equal keys give equal bits, others unrelated
    ones."""
    return _scramble(hashes ^ np.uint64(key_of(purpose, seed, *extra)))


def uniform_index(mixed: Hashes, n: int) -> NDArray[np.int64]:
    """Turn mixed bits into indices in [0, n); n below 2**32, the bias is below n / 2**32."""
    if not 1 <= n < 1 << 32:
        raise ValueError(f"uniform_index needs 1 <= n < 2**32, not {n}")
    return (((mixed >> _HALF) * np.uint64(n)) >> _HALF).astype(np.int64)


def uniform_float(mixed: Hashes) -> NDArray[np.float64]:
    """Turn mixed bits into floats in [0, 1) with 53 random bits."""
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def permuted_index(mixed: Hashes, place: int, n: int) -> NDArray[np.int64]:
    """Give element `place` of each row's own uniformly random permutation of range(n).

    It is what a Fisher-Yates shuffle leaves at `place`, without the shuffle: the swaps up to there
    are traced back, so the cost grows with `place`, not with n.
    """
    if not 0 <= place < n:
        raise ValueError(f"place {place} lies outside a permutation of {n}")
    element = _swap_partner(mixed, place, n)
    for step in range(place - 1, -1, -1):
        element[element == _swap_partner(mixed, step, n)] = step
    return element


def permutations(mixed: Hashes, n: int) -> NDArray[np.int64]:
    """Give each row's whole permutation of range(n), as an array of rows by n."""
    order = np.tile(np.arange(n, dtype=np.int64), (len(mixed), 1))
    rows = np.arange(len(mixed))
    for step in range(n - 1):
        partner = _swap_partner(mixed, step, n)
        taken = order[rows, partner]
        order[rows, partner] = order[:, step]
        order[:, step] = taken
    return order


def _swap_partner(mixed: Hashes, step: int, n: int) -> NDArray[np.int64]:
    """Draw the place in [step, n) that Fisher-Yates swaps with place `step`."""
    bits = _scramble(mixed + np.uint64((step + 1) * _GOLDEN & _MASK))
    return uniform_index(bits, n - step) + step


def _scramble(bits: Hashes) -> Hashes:
    """Apply the finalizer of splitmix64 (Steele, Lea, Flood 2014): each input bit reaches all."""
    bits = bits + np.uint64(_GOLDEN)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
