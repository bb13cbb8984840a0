"""A mixture: the function from a position to a sample, the same for whoever asks.

    mixture = Mixture(members, seed=1)
    mixture.sample(10**8)          # -> member, record, draw, with no walk from 0 to there
    mixture.samples(start, count)  # the same for many at once

Two orders. `stratified`: every member keeps within one sample of its quota at any point, and gives
each of its records once before any of them twice, each pass in another order; pass p takes draw
p mod K. `random`: what the paper does, independent draws with replacement. Neither reads a file.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from instructify._util.errors import UserError, did_you_mean
from instructify._util.keyed import Hashes, hash_texts, mix, uniform_float, uniform_index
from instructify.mixture.permutation import permute
from instructify.mixture.schedule import MOST_MEMBERS, Schedule, schedule
from instructify.mixture.weights import Member, check_members, quotas, shares

MIXTURE_FORMAT = 1
CYCLE = 1 << 20
ORDERS = ("stratified", "random")
_ODD = np.uint64(0x9E3779B97F4A7C15)


class Draw(NamedTuple):
    """One sample: the member by its number, its record, and which rendering of that."""

    member: int
    record: int
    draw: int


class Drawn(NamedTuple):
    """The samples of a stretch of positions, as columns."""

    member: NDArray[np.int64]
    record: NDArray[np.int64]
    draw: NDArray[np.int64]


class Mixture:
    """Members with their quotas, an order and a seed; immutable.

    Members are kept sorted by name, so that the order in which they were listed means nothing.
    With `one_dataset_batch` = B, positions kB ... kB + B - 1 are all of one member, and quotas are
    kept by batches. `cycle` is for tests.
    """

    def __init__(
        self,
        members: Sequence[Member],
        *,
        alpha: float = 0.5,
        fixed: Mapping[str, float] | None = None,
        order: str = "stratified",
        seed: int = 0,
        one_dataset_batch: int | None = None,
        cycle: int = CYCLE,
    ) -> None:
        if order not in ORDERS:
            raise UserError(f"'{order}' is no order of a mixture; {did_you_mean(order, ORDERS)}")
        if one_dataset_batch is not None and one_dataset_batch < 1:
            raise UserError(f"a batch has at least one sample, not {one_dataset_batch}")
        check_members(members, MOST_MEMBERS)
        self.members = tuple(sorted(members, key=lambda member: member.name))
        self.shares = shares(self.members, alpha, fixed or {})
        self.quotas = quotas(self.members, self.shares, cycle)
        self.order = order
        self.seed = seed
        self.one_dataset_batch = one_dataset_batch
        self.cycle = cycle
        self.hash = self._hashed()
        self._sizes = np.array([member.size for member in self.members], np.int64)
        self._draws = np.array([member.draws for member in self.members], np.int64)
        self._keys = hash_texts([f"{self.hash} {member.name}" for member in self.members])
        self._schedule: Schedule | None = None

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """The shares as they are kept: whole samples of a cycle."""
        return self.quotas / self.cycle

    def facts(self) -> dict[str, str]:
        """Say in words all that the hash covers, by member; what a refusal compares."""
        batch = self.one_dataset_batch
        told = {
            "order": self.order,
            "batches": "mixed" if batch is None else f"of one dataset, {batch} samples each",
            "cycle": f"{self.cycle:,} samples",
        }
        for member, quota in zip(self.members, self.quotas.tolist(), strict=True):
            told[member.name] = (
                f"{member.size:,} records, {member.draws} draws, {quota:,} samples a cycle"
            )
        return told

    def sample(self, position: int) -> Draw:
        """Find the sample at one position."""
        drawn = self.samples(position, 1)
        return Draw(int(drawn.member[0]), int(drawn.record[0]), int(drawn.draw[0]))

    def samples(self, start: int, count: int) -> Drawn:
        """Find the samples at positions start ... start + count - 1; below 2**56."""
        if start < 0 or count < 0 or start + count > 1 << 56:
            raise ValueError(f"positions {start} to {start + count} lie outside of 0 to 2**56")
        return self.samples_at(np.arange(start, start + count, dtype=np.int64))

    def samples_at(self, positions: NDArray[np.int64]) -> Drawn:
        """Find the samples at any positions."""
        batch = self.one_dataset_batch or 1
        turns, slots = np.divmod(positions, batch)
        if self.order == "random":
            return self._random(positions, turns)
        return self._stratified(turns, slots, batch)

    def _stratified(self, turns: NDArray[np.int64], slots: NDArray[np.int64], batch: int) -> Drawn:
        if self._schedule is None:
            self._schedule = schedule(self.quotas.tolist())
        cycles, places = np.divmod(turns, self.cycle)
        member = self._schedule.member[places].astype(np.int64)
        before = cycles * self.quotas[member] + self._schedule.rank[places]
        sizes = self._sizes[member]
        passes, place = np.divmod(before * batch + slots, sizes)
        keys = mix(self._keys[member] + passes.astype(np.uint64) * _ODD, "pass", self.seed)
        return Drawn(member, permute(place, sizes, keys), passes % self._draws[member])

    def _random(self, positions: NDArray[np.int64], turns: NDArray[np.int64]) -> Drawn:
        places = uniform_index(self._bits(turns, "member"), self.cycle)
        member = np.searchsorted(np.cumsum(self.quotas), places, side="right")
        record = uniform_float(self._bits(positions, "record")) * self._sizes[member]
        draw = uniform_float(self._bits(positions, "draw")) * self._draws[member]
        return Drawn(member, record.astype(np.int64), draw.astype(np.int64))

    def _bits(self, numbers: NDArray[np.int64], purpose: str) -> Hashes:
        return mix(numbers.astype(np.uint64), f"{self.hash} {purpose}", self.seed)

    def _hashed(self) -> str:
        parts: dict[str, Any] = {
            "format": MIXTURE_FORMAT,
            "order": self.order,
            "one_dataset_batch": self.one_dataset_batch,
            "cycle": self.cycle,
            "members": [
                [member.name, member.size, member.draws, quota]
                for member, quota in zip(self.members, self.quotas.tolist(), strict=True)
            ],
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
