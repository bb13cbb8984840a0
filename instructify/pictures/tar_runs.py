"""Find where one run ends and the next begins in a tar that holds several, as far as names show it.

Each name occurs once in a run, so a run ends before a name is repeated. Read from the front, each
run ends as late as possible; read from the back, as early as possible. The true end is between
these two places.
"""

from collections.abc import Sequence
from typing import NamedTuple

_PAIR = 2  # members: a picture and its JSON, either of which may be the only member left of its run


class Unit(NamedTuple):
    """The consecutive members of one sample."""

    key: str
    names: tuple[str, ...]
    archive: int  # archives joined end to end are counted from 0


def units_at_seams(units: Sequence[Unit]) -> set[int]:
    """Number the units within which one run may end and the next begin.

    Keys count upwards within a run, so a run ends where keys decrease; a pair beside that place, or
    at an end of its archive, may then combine parts of two samples. Where keys decrease elsewhere
    too, a run may end anywhere between the two places that its names allow.
    """
    result: set[int] = set()
    begin = 0
    for end in range(1, len(units) + 1):
        if end == len(units) or units[end].archive != units[begin].archive:
            result |= {begin + at for at in _seams(units[begin:end])}
            begin = end
    return result


def _seams(units: Sequence[Unit]) -> set[int]:
    """Number the units of one archive within which a run may end."""
    names = [name for unit in units for name in unit.names]
    unit_of = [at for at, unit in enumerate(units) for _ in unit.names]
    latest = _ends(names)
    earliest = [len(names) - end for end in reversed(_ends(names[::-1]))]
    falls = [at for at in range(1, len(units)) if units[at].key <= units[at - 1].key]
    beside = {0, len(units) - 1}
    in_order = len(falls) <= len(latest)
    if in_order:
        beside |= {side for at in falls for side in (at - 1, at)}
    result: set[int] = set()
    for low, high in zip(earliest, latest, strict=True):
        # A run may end before each of the names low ... high: within a unit, or in front of it.
        first, last = unit_of[low - 1], unit_of[high]
        beside |= {first, last}
        if not in_order or sum(first < at <= last for at in falls) != 1:
            result |= {unit_of[at] for at in range(low, high + 1) if unit_of[at] == unit_of[at - 1]}
    return result | {at for at in beside if len(units[at].names) == _PAIR}


def _ends(names: Sequence[str]) -> list[int]:
    """Return before which names a run has to end, if each run goes on as long as it can."""
    ends: list[int] = []
    seen: set[str] = set()
    for at, name in enumerate(names):
        if name in seen:
            ends.append(at)
            seen = set()
        seen.add(name)
    return ends
