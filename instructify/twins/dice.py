"""Random numbers without hidden state: a stream that is a pure function of its key.

The n-th number of a stream is xxh3 of the key, seeded with n: the same on every machine and in
every version of Python. Streams with different keys are independent. This module has no global
state and reads no clock.
"""

from collections.abc import Sequence
from typing import TypeVar

from xxhash import xxh3_64_intdigest

T = TypeVar("T")


class Dice:
    """A random stream; make one for each purpose, seed and thing, and use it in one place."""

    __slots__ = ("_count", "_key")

    def __init__(self, purpose: str, seed: int, *where: str | int) -> None:
        self._key = "/".join((purpose, str(seed), *map(str, where))).encode()
        self._count = 0

    def bits(self) -> int:
        """Draw 64 bits."""
        self._count += 1
        return int(xxh3_64_intdigest(self._key, self._count))

    def below(self, bound: int) -> int:
        """Draw from 0 .. bound - 1, all equally likely; `bound` is at least 1."""
        return self.bits() * bound >> 64

    def chance(self, probability: float) -> bool:
        """Return true with this probability."""
        return self.bits() < probability * 2.0**64

    def pick(self, items: Sequence[T]) -> T:
        """Draw one of the items."""
        return items[self.bits() * len(items) >> 64]

    def weighted(self, items: Sequence[T], weights: Sequence[int]) -> T:
        """Draw one of the items in proportion to whole-number weights."""
        left = self.below(sum(weights))
        for item, weight in zip(items, weights, strict=True):
            left -= weight
            if left < 0:
                return item
        raise ValueError("weights must be positive")

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Draw an order of the items (Fisher-Yates)."""
        out = list(items)
        for last in range(len(out) - 1, 0, -1):
            other = self.below(last + 1)
            out[last], out[other] = out[other], out[last]
        return out

    def some(self, items: Sequence[T], num: int) -> list[T]:
        """Draw `num` of the items in random order, each position once; all if there are fewer."""
        out = list(items)
        num = min(num, len(out))
        for first in range(num):
            other = first + self.below(len(out) - first)
            out[first], out[other] = out[other], out[first]
        return out[:num]
