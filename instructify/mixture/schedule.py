"""Assign the places of one cycle to members, so that every prefix is within one sample of its
quotas.

If every member is rounded by itself, or evenly spaced marks are merged, the errors of many members
can add up on one of them. The method is that of fair processor sharing (Baruah et al. 1996): sample
j of a member with quota q of a cycle C may be at any place with

    floor(j * C / q)  <=  place  <  ceil((j + 1) * C / q)

These windows keep |count - places * q / C| below 1 after any number of places. They can always be
met if the quotas add up to C, and choosing the open window that closes first meets them.
"""

import heapq
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST_MEMBERS = 255
_SHIFT = 8  # a heap entry is deadline << 8 | member
_STEP = 1 << 14  # places that are assigned at once


class Schedule(NamedTuple):
    """A cycle: the member of each place, and how many earlier places have the same member."""

    member: NDArray[np.uint8]
    rank: NDArray[np.int32]


class Scheduler:
    """Assigns the places of one cycle to members, from the first on, as far as they are needed.

    A million places take about a second, and most runs need far fewer.
    """

    def __init__(self, quotas: Sequence[int]) -> None:
        self._quotas = tuple(quotas)
        self._cycle = sum(quotas)
        self._placed = [0] * len(quotas)
        self._opening: dict[int, list[int]] = {}  # place => windows that open there
        self._ready = [_entry(self._cycle, 1, quota, at) for at, quota in enumerate(quotas)]
        heapq.heapify(self._ready)
        self._done = Schedule(np.empty(0, np.uint8), np.empty(0, np.int32))

    def first(self, count: int) -> Schedule:
        """Return at least the first `count` places, or all of the cycle."""
        missing = min(count, self._cycle) - len(self._done.member)
        if missing > 0:
            size = min(-(-missing // _STEP) * _STEP, self._cycle - len(self._done.member))
            before = np.array(self._placed, np.int32)
            member = np.frombuffer(self._next(size), np.uint8)
            added = counted(member, len(self._quotas))
            self._done = Schedule(
                np.concatenate([self._done.member, member]),
                np.concatenate([self._done.rank, added.rank + before[member]]),
            )
        return self._done

    def _next(self, size: int) -> bytearray:
        """Assign the next places of the cycle."""
        cycle, quotas, placed, ready = self._cycle, self._quotas, self._placed, self._ready
        start = len(self._done.member)
        order = bytearray(size)
        for place in range(start, start + size):
            for entry in self._opening.pop(place, ()):
                heapq.heappush(ready, entry)
            member = ready[0] & MOST_MEMBERS
            order[place - start] = member
            done = placed[member] = placed[member] + 1
            quota = quotas[member]
            if done == quota:
                heapq.heappop(ready)
                continue
            following = _entry(cycle, done + 1, quota, member)
            opens = done * cycle // quota
            if opens <= place + 1:
                heapq.heapreplace(ready, following)
            else:
                heapq.heappop(ready)
                self._opening.setdefault(opens, []).append(following)
        return order


def counted(order: NDArray[np.uint8], num_members: int) -> Schedule:
    """Count for each place of a cycle the earlier places of the same member."""
    rank = np.empty(len(order), np.int32)
    for member in range(num_members):
        of_member = order == member
        rank[of_member] = np.arange(np.count_nonzero(of_member), dtype=np.int32)
    return Schedule(order, rank)


def _entry(cycle: int, number: int, quota: int, member: int) -> int:
    """Return a heap entry: the first place after the window of a sample, and its member."""
    return -(-number * cycle // quota) << _SHIFT | member
