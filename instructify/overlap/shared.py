"""Count the pictures that each pair of parts shares, by way and by records, and list examples."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from instructify.overlap.likeness import Likeness, Scope
from instructify.overlap.masks import (
    Counts,
    Masks,
    bits_of,
    count_pairs,
    has_part,
    tell_apart,
    unite_runs,
)
from instructify.overlap.parts import Part
from instructify.overlap.pictures import PictureRows, Rows
from instructify.overlap.result import Example, SharedPictures

_EXAMPLES = 3
_SLICE = 1 << 20
_TRAINED, _HELD_IN, _HELD_OUT, _EVALUATED = range(4)


class _Shared(NamedTuple):
    """The rows that more than one part has, and which parts have them in which way."""

    rows: Rows
    holders: Masks
    key: Masks
    content: Masks
    likeness: Masks


def shared_pictures(
    pictures: PictureRows, likeness: Likeness, scope: Scope
) -> list[SharedPictures]:
    """Count what each pair of parts shares; pairs that share nothing are left out."""
    num_parts = len(pictures.parts)
    seen = pictures.by_key | pictures.by_content | likeness.masks
    shared = _rows_shared(pictures, likeness, seen)
    ways = [count_pairs(shared.holders, masks, num_parts) for masks in shared[2:]]
    total: Counts = ways[0] + ways[1] + ways[2]
    records = [_count_records(pictures, seen, number) for number in range(num_parts)]
    return [
        SharedPictures(
            left=left,
            right=right,
            key=int(ways[0][right, left]),
            content=int(ways[1][right, left]),
            likeness=int(ways[2][right, left]),
            left_pictures=int(total[left, right]),
            left_records=int(records[left][right]),
            right_records=int(records[right][left]),
            compared_by_likeness=_compared(pictures, left, right, scope),
            examples=list(_examples(pictures, likeness, shared, left, right)),
        )
        for left, right in _pairs(pictures.parts)
        if total[right, left]
    ]


def _rows_shared(pictures: PictureRows, likeness: Likeness, seen: Masks) -> _Shared:
    rows = np.flatnonzero(np.bitwise_count(seen).sum(axis=1) > 1)
    key, content, alike = (
        masks[rows] for masks in (pictures.by_key, pictures.by_content, likeness.masks)
    )
    return _Shared(rows, pictures.holders[rows], key, content & ~key, alike & ~key & ~content)


def _pairs(parts: Sequence[Part]) -> list[tuple[int, int]]:
    """Pair parts (with two builds: across them), trained ones on the left, evaluated ones on the
    right.

    Held-out sets come first, then validation splits of held-in ones, then the rest.
    """
    across = any(part.build for part in parts)
    pairs = [
        (
            min(pair, key=lambda n: (_place(parts[n]), n)),
            max(pair, key=lambda n: (_place(parts[n]), n)),
        )
        for index in range(len(parts))
        for pair in ((index, other) for other in range(index + 1, len(parts)))
        if not across or parts[pair[0]].build != parts[pair[1]].build
    ]
    return sorted(pairs, key=lambda pair: _rank(parts, *pair))


def _place(part: Part) -> int:
    """Return a number for the side of a part in a pair: a larger one stands further right."""
    if part.is_trained:
        return _TRAINED
    if part.is_evaluated:
        return _EVALUATED
    return _HELD_OUT if part.role == "held-out" else _HELD_IN


def _rank(parts: Sequence[Part], left: int, right: int) -> tuple[int, str, str, int, int]:
    order = [(_TRAINED, _EVALUATED), (_HELD_IN, _EVALUATED), (_TRAINED, _HELD_IN)]
    places = _place(parts[left]), _place(parts[right])
    rank = order.index(places) if places in order else len(order)
    return rank, parts[right].name, parts[left].name, left, right


def _compared(pictures: PictureRows, left: int, right: int, scope: Scope) -> bool:
    """Return whether two parts were compared by likeness."""
    if scope != "trained" or len(pictures.builds) > 1:
        return scope != "none"
    first, second = pictures.parts[left], pictures.parts[right]
    return any(
        not a.is_evaluated and not b.is_trained for a, b in ((first, second), (second, first))
    )


def _count_records(pictures: PictureRows, seen: Masks, number: int) -> Counts:
    """Count the records of a part that have a picture of each other part."""
    num_parts = len(pictures.parts)
    counts = np.zeros(num_parts, np.int64)
    many = pictures.read[number].per_record
    rows = pictures.named[number]
    begin = 0
    for start in range(0, len(many), _SLICE):
        lengths = many[start : start + _SLICE]
        end = begin + int(lengths.sum())
        united = unite_runs(seen[rows[begin:end]], lengths)
        first, sizes = tell_apart([united])
        counts += sizes @ bits_of(united[first], num_parts).astype(np.int64)
        begin = end
    return counts


def _examples(
    pictures: PictureRows, likeness: Likeness, shared: _Shared, left: int, right: int
) -> Iterator[Example]:
    """List some shared pictures of a pair, for each way in which pictures are shared."""
    on_right = has_part(shared.holders, right)
    on_left = shared.rows[has_part(shared.holders, left)]
    for way, masks in zip(("key", "content", "likeness"), shared[2:], strict=True):
        for row in shared.rows[on_right & has_part(masks, left)][:_EXAMPLES]:
            if way == "key":
                is_partner = pictures.key_numbers[on_left] == pictures.key_numbers[row]
            elif way == "content":
                is_partner = pictures.content[on_left] == pictures.content[row]
            else:
                is_partner = np.isin(
                    pictures.content[on_left], _lookalikes(pictures, likeness, row)
                )
            partner = int(on_left[np.flatnonzero(is_partner)[0]])
            yield Example(way, pictures.name(partner, left), pictures.name(int(row), right))


def _lookalikes(pictures: PictureRows, likeness: Likeness, row: int) -> NDArray[np.int64]:
    """List the contents that look like the content of a row."""
    first, second = (pictures.content[rows] for rows in likeness.pairs)
    content = pictures.content[row]
    return np.concatenate([second[first == content], first[second == content]])
