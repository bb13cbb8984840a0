"""The share of each member in the samples, and its whole number of samples in a cycle.

    share = size ** alpha * factor / sum over members

alpha 1/2 is the paper's square root, 1 is proportional, 0 uniform. A fixed share replaces this
value; the other members keep their proportions in the rest.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instructify._util.errors import UserError, did_you_mean


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """The records of one form of a dataset that a mixture draws from.

    `size` is the number of records that can be drawn; `weighed` is the size from which the share is
    computed, if it differs; `draws` is the number of renderings of a record.
    """

    name: str  # <dataset>/<form>
    size: int
    draws: int = 1
    factor: float = 1.0
    weighed: int | None = None

    @property
    def dataset(self) -> str:
        return self.name.partition("/")[0]

    def weight(self, alpha: float) -> float:
        """Return the share before all shares are scaled to add up to one."""
        size = self.size if self.weighed is None else self.weighed
        root = math.sqrt(size) if alpha == 0.5 else float(size) ** alpha
        return root * self.factor


def check_members(members: Sequence[Member], most: int) -> None:
    """Raise UserError for members that can't be drawn from."""
    if not 1 <= len(members) <= most:
        raise UserError(f"a mixture has 1 to {most} members, not {len(members)}")
    names = [member.name for member in members]
    for member in members:
        if names.count(member.name) > 1:
            raise UserError(f"{member.name} is in the mixture twice; name it once")
        if member.size < 1:
            raise UserError(
                f"{member.name} has no records to draw from; leave it out or convert it"
            )
        if member.size >= 1 << 40:
            raise UserError(f"{member.name} has {member.size:,} records; 2**40 is the limit")
        if member.draws < 1 or (member.weighed is not None and member.weighed < 1):
            raise UserError(f"{member.name} needs at least one draw, and a size of at least 1")
        if not (math.isfinite(member.factor) and member.factor > 0):
            raise UserError(
                f"the factor of {member.name} is {member.factor:g}; it must be above 0; "
                "to do without a member, leave it out"
            )


def shares(
    members: Sequence[Member], alpha: float, fixed: Mapping[str, float]
) -> NDArray[np.float64]:
    """Compute each member's share; they add up to 1.

    `fixed` names members, or datasets whose members divide the share among them as they would
    without it.
    """
    if not 0 <= alpha <= 1:
        raise UserError(f"alpha is {alpha:g}; it goes from 0 (uniform) to 1 (proportional)")
    weights = np.array([member.weight(alpha) for member in members], np.float64)
    result = np.zeros(len(members))
    free = np.ones(len(members), np.bool_)
    for key, share in fixed.items():
        rows = _named(members, key)
        if not free[rows].all():
            raise UserError(f"'{key}' is fixed twice: once by its dataset, once by its form")
        if not 0 < share <= 1:
            raise UserError(f"the fixed share of '{key}' is {share:g}; it goes from above 0 to 1")
        result[rows] = share * weights[rows] / weights[rows].sum()
        free[rows] = False
    left = 1 - math.fsum(fixed.values())
    if not free.any() and abs(left) > 1e-9:
        raise UserError(f"all members have fixed shares, which add up to {1 - left:g} and not to 1")
    if free.any() and left <= 1e-9:
        raise UserError(
            f"the fixed shares add up to {1 - left:g} and leave nothing for the other members"
        )
    if free.any():
        result[free] = left * weights[free] / weights[free].sum()
    return result


def _named(members: Sequence[Member], key: str) -> NDArray[np.int64]:
    numbers = [n for n, member in enumerate(members) if key in (member.name, member.dataset)]
    if not numbers:
        known = {member.name for member in members} | {member.dataset for member in members}
        raise UserError(f"'{key}' has a fixed share and is no member; {did_you_mean(key, known)}")
    return np.array(numbers, np.int64)


def quotas(of: Sequence[Member], parts: NDArray[np.float64], cycle: int) -> NDArray[np.int64]:
    """Round shares to whole samples of a cycle, by largest remainder; each is off by less than 1.

    Of equal remainders, the earlier member's is rounded up.
    """
    exact = parts * cycle
    counts = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - counts), kind="stable")
    counts[order[: cycle - int(counts.sum())]] += 1
    if not counts.all():
        name = of[int(np.argmin(counts))].name
        raise UserError(
            f"{name} gets less than one of {cycle:,} samples; raise its factor or leave it out"
        )
    return counts
