"""Plan which pictures the frozen tower encodes before each forward pass of a window.

Each distinct picture is encoded once, in fixed groups of pictures in the order of their first use.
The groups do not depend on the step at which a run starts. A run that resumes inside a window
encodes whole groups again, with the same shapes as before, and so gets the same bits: matrix
products of other shapes may round differently.
"""

from collections.abc import Sequence
from typing import NamedTuple


class EncodeStep(NamedTuple):
    """Numbers of the pictures to encode before a forward pass, and of those to drop after it."""

    encode: tuple[tuple[int, ...], ...]
    forget: tuple[int, ...]


def plan_encoding(passes: Sequence[Sequence[int]], group: int, first: int = 0) -> list[EncodeStep]:
    """Plan what to encode before each forward pass of a window; the run starts at pass `first`.

    `passes` are the pictures that each pass needs. Each of them is encoded once, at the pass that
    needs it first or earlier, and dropped after the last pass that needs it.
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
