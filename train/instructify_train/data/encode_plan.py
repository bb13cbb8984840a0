"""Which pictures the frozen tower encodes before which forward pass: each distinct one of a window
once, in fixed groups.

The groups are cut from the window's pictures in the order of their first use, whatever the step a
run starts from. A run that resumes inside a window encodes whole groups again, of the same shape
as before, so that it gets the same bits: matrix products of another shape may round otherwise.
"""

from collections.abc import Sequence
from typing import NamedTuple


class EncodeStep(NamedTuple):
    """What to encode before a forward pass, and what to forget after it; pictures by number."""

    encode: tuple[tuple[int, ...], ...]
    forget: tuple[int, ...]


def plan_encoding(passes: Sequence[Sequence[int]], group: int, first: int = 0) -> list[EncodeStep]:
    """Plan what to encode before each forward pass of a window; those before `first` are done.

    `passes` are the pictures that each pass needs. Every picture that a pass needs is encoded
    before or at that pass, once, and forgotten after its last use.
    """
    order = list(dict.fromkeys(picture for pass_ in passes for picture in pass_))
    groups = [tuple(order[at : at + group]) for at in range(0, len(order), group)]
    group_of = {picture: number for number, pictures in enumerate(groups) for picture in pictures}
    last_use = {picture: at for at, pictures in enumerate(passes) for picture in pictures}
    encode: list[list[tuple[int, ...]]] = [[] for _ in passes]
    forget: list[list[int]] = [[] for _ in passes]
    begun: set[int] = set()
    for at in range(first, len(passes)):
        for picture in passes[at]:
            number = group_of[picture]
            if number not in begun:
                begun.add(number)
                encode[at].append(groups[number])
                for member in groups[number]:
                    forget[max(last_use[member], at)].append(member)
    return [
        EncodeStep(tuple(groups_now), tuple(last_used))
        for groups_now, last_used in zip(encode, forget, strict=True)
    ]
