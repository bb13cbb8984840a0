"""A mixture: the function from a position to a sample, the same in every process.

    mixture = Mixture(members, seed=1)
    mixture.sample(10**8)          # -> member, record, draw, computed directly
    mixture.samples(start, count)  # the same for many positions at once

There are three orders. `stratified`: every member stays within one sample of its quota at any
position and gives each of its records once before it repeats any, each pass in a new order; pass p
takes draw p mod K. `random_datasets`: the member is drawn independently each time, and its records
come in such passes, as in LAVIS. `random`: member and record are drawn independently, with
replacement. No order reads a file.
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
from instructify.mixture.schedule import MOST_MEMBERS, Schedule, Scheduler, counted
from instructify.mixture.weights import Member, check_members, quotas, shares

MIXTURE_FORMAT = 1
CYCLE = 1 << 20
ORDERS = ("stratified", "random_datasets", "random")
_ODD = np.uint64(0x9E3779B97F4A7C15)
_CYCLE_SHIFT = np.uint64(40)  # above the passes of any cycle


class Draw(NamedTuple):
    """One sample: the number of its member, its record, and the number of the rendering."""

    member: int
    record: int
    draw: int


class Drawn(NamedTuple):
    """The samples of a range of positions, as columns."""

    member: NDArray[np.int64]
    record: NDArray[np.int64]
    draw: NDArray[np.int64]


class Mixture:
    """Members with their quotas, an order and a seed; immutable.

    Members are kept sorted by name, so the order in which they are listed has no effect. With
    `logical_batch` = B, the positions kB ... kB + B - 1 have the same member, and shares count
    these batches. `cycle` is for tests.
    """

    def __init__(
        self,
        members: Sequence[Member],
        *,
        alpha: float = 0.5,
        fixed: Mapping[str, float] | None = None,
        order: str = "stratified",
        seed: int = 0,
        logical_batch: int | None = None,
        cycle: int = CYCLE,
    ) -> None:
        if order not in ORDERS:
            raise UserError(f"'{order}' is no order of a mixture; {did_you_mean(order, ORDERS)}")
        if logical_batch is not None and logical_batch < 1:
            raise UserError(f"a batch has at least one sample, not {logical_batch}")
        check_members(members, MOST_MEMBERS)
        self.members = tuple(sorted(members, key=lambda member: member.name))
        self.shares = shares(self.members, alpha, fixed or {})
        self.quotas = quotas(self.members, self.shares, cycle)
        self.order = order
        self.seed = seed
        self.logical_batch = logical_batch
        self.cycle = cycle
        self.hash = self._hashed()
        self._sizes = np.array([member.size for member in self.members], np.int64)
        self._draws = np.array([member.draws for member in self.members], np.int64)
        self._keys = hash_texts([f"{self.hash} {member.name}" for member in self.members])
        self._scheduler = Scheduler(self.quotas.tolist())
        self._drawn_cycle: tuple[int, Schedule] | None = None  # the one that was drawn last

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """The shares after rounding to whole samples of a cycle."""
        return self.quotas / self.cycle

    def facts(self) -> dict[str, str]:
        """Describe all that the hash covers, by member; a refusal compares these texts."""
        batch = self.logical_batch
        facts = {
            "order": self.order,
            "batches": "mixed" if batch is None else f"of one dataset, {batch} samples each",
            "cycle": f"{self.cycle:,} samples",
        }
        for member, quota in zip(self.members, self.quotas.tolist(), strict=True):
            facts[member.name] = (
                f"{member.size:,} records, {member.draws} draws, {quota:,} samples a cycle"
            )
        return facts

    def sample(self, position: int) -> Draw:
        """Return the sample at a position."""
        drawn = self.samples(position, 1)
        return Draw(int(drawn.member[0]), int(drawn.record[0]), int(drawn.draw[0]))

    def samples(self, start: int, count: int) -> Drawn:
        """Return the samples at positions start ... start + count - 1; below 2**56."""
        if start < 0 or count < 0 or start + count > 1 << 56:
            raise ValueError(f"positions {start} to {start + count} lie outside of 0 to 2**56")
        return self.samples_at(np.arange(start, start + count, dtype=np.int64))

    def samples_at(self, positions: NDArray[np.int64]) -> Drawn:
        """Return the samples at any positions."""
        turns, slots = np.divmod(positions, self.logical_batch or 1)
        if self.order == "random":
            return self._random(positions, turns)
        if self.order == "random_datasets":
            return self._random_datasets(turns, slots)
        return self._stratified(turns, slots)

    def _stratified(self, turns: NDArray[np.int64], slots: NDArray[np.int64]) -> Drawn:
        """Take members from one cycle that repeats; passes continue from cycle to cycle."""
        cycles, places = np.divmod(turns, self.cycle)
        laid = self._scheduler.first(int(places.max(initial=-1)) + 1)
        member = laid.member[places].astype(np.int64)
        before = cycles * self.quotas[member] + laid.rank[places]
        return self._in_passes(member, before, slots, np.zeros_like(member))

    def _random_datasets(self, turns: NDArray[np.int64], slots: NDArray[np.int64]) -> Drawn:
        """Draw the member of each position; passes start again with each cycle.

        Otherwise the draws of all earlier cycles would have to be counted.
        """
        cycles, places = np.divmod(turns, self.cycle)
        member, before = np.empty_like(turns), np.empty_like(turns)
        for cycle in np.unique(cycles).tolist():
            here = cycles == cycle
            laid = self._draw_cycle(cycle)
            member[here], before[here] = laid.member[places[here]], laid.rank[places[here]]
        return self._in_passes(member, before, slots, cycles)

    def _draw_cycle(self, cycle: int) -> Schedule:
        """Return the member of each place of a cycle; the last result is kept."""
        if self._drawn_cycle is None or self._drawn_cycle[0] != cycle:
            turns = np.arange(cycle * self.cycle, (cycle + 1) * self.cycle, dtype=np.int64)
            drawn = counted(self._drawn_members(turns).astype(np.uint8), len(self.members))
            self._drawn_cycle = (cycle, drawn)
        return self._drawn_cycle[1]

    def _in_passes(
        self,
        member: NDArray[np.int64],
        before: NDArray[np.int64],
        slots: NDArray[np.int64],
        cycles: NDArray[np.int64],
    ) -> Drawn:
        """Take the records of a member one after another, each pass in an order of its own.

        `before` counts the earlier samples of the same member, since the start of `cycles`.
        """
        sizes = self._sizes[member]
        passes, place = np.divmod(before * (self.logical_batch or 1) + slots, sizes)
        number: Hashes = passes.astype(np.uint64) + (cycles.astype(np.uint64) << _CYCLE_SHIFT)
        keys = mix(self._keys[member] + number * _ODD, "pass", self.seed)
        return Drawn(member, permute(place, sizes, keys), (cycles + passes) % self._draws[member])

    def _random(self, positions: NDArray[np.int64], turns: NDArray[np.int64]) -> Drawn:
        member = self._drawn_members(turns)
        record = uniform_float(self._bits(positions, "record")) * self._sizes[member]
        draw = uniform_float(self._bits(positions, "draw")) * self._draws[member]
        return Drawn(member, record.astype(np.int64), draw.astype(np.int64))

    def _drawn_members(self, turns: NDArray[np.int64]) -> NDArray[np.int64]:
        places = uniform_index(self._bits(turns, "member"), self.cycle)
        return np.searchsorted(np.cumsum(self.quotas), places, side="right").astype(np.int64)

    def _bits(self, numbers: NDArray[np.int64], purpose: str) -> Hashes:
        return mix(numbers.astype(np.uint64), f"{self.hash} {purpose}", self.seed)

    def _hashed(self) -> str:
        parts: dict[str, Any] = {
            "format": MIXTURE_FORMAT,
            "order": self.order,
            "one_dataset_batch": self.logical_batch,  # its first name; runs keep their hash
            "cycle": self.cycle,
            "members": [
                [member.name, member.size, member.draws, quota]
                for member, quota in zip(self.members, self.quotas.tolist(), strict=True)
            ],
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
