"""Find pictures that look alike: first by near hashes, then by their pixels.

Pictures that two parts share by key or by bytes are not compared again. Where many pictures have
one hash (mostly placeholders of dead links), each is compared with only a few of the other side.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from instructify._util.keyed import hash_texts
from instructify.build import Build, Progress, Workers
from instructify.overlap.hamming import near_pairs
from instructify.overlap.looking import LookUnit, run_look
from instructify.overlap.masks import Masks, has_part, no_masks, unite
from instructify.overlap.pictures import PictureRows, Rows
from instructify.overlap.result import overlap_key
from instructify.pictures import PICTURE_INDEX_SCHEMA, read_indices

Scope = Literal["trained", "all", "none"]

MOST_BITS = 12
_MOST_PARTNERS = 8
UNIT_PAIRS = 2_048  # a thumbnail has 3 kB

Bools = NDArray[np.bool_]


class Likeness(NamedTuple):
    """For each row, the parts with a similar picture, and counts of what was not compared."""

    masks: Masks
    pairs: tuple[Rows, Rows]  # rows that look alike
    candidates: int  # pairs of near hashes
    unreadable: int  # pictures among them that could not be read
    plain: int  # pictures among them that are a plain surface


def find_alike(
    pictures: PictureRows,
    scope: Scope,
    pool: Workers,
    progress: Progress,
    results: Path | None = None,
) -> Likeness:
    """Find the pictures that look alike in parts that are to be compared.

    `results` is a folder for the results of units; a part ends here with PartDone.
    """
    masks = no_masks(len(pictures), len(pictures.parts))
    left = right = np.empty(0, np.int64)
    if scope != "none" and pictures.facts.hashed.any():
        left, right = _candidates(pictures, _distinct_contents(pictures), scope)
    units = list(_units(pictures, left, right, results))
    with progress.stage("likeness", len(left), "pair") as bar:
        looks = pool.map(
            run_look, units, lambda unit, _: bar.advance(len(unit.pairs)), stage="overlap"
        )
    alike = _numbers(
        number * UNIT_PAIRS + np.array(looked.alike, np.int64)
        for number, looked in enumerate(looks)
    )
    wanted = [_wanted(left, right, number) for number in range(len(units))]
    each = list(zip(wanted, looks, strict=True))
    unreadable = _numbers(rows[looked.unreadable] for rows, looked in each)
    plain = _numbers(rows[looked.plain] for rows, looked in each)
    first, second = left[alike], right[alike]
    np.bitwise_or.at(masks, first, pictures.by_content[second])
    np.bitwise_or.at(masks, second, pictures.by_content[first])
    return Likeness(
        masks=unite(pictures.content, masks),
        pairs=(first, second),
        candidates=len(left),
        unreadable=len(np.unique(unreadable)),
        plain=len(np.unique(plain)),
    )


def _numbers(parts: Iterable[Rows]) -> Rows:
    return np.concatenate([np.empty(0, np.int64), *parts])


def _wanted(left: Rows, right: Rows, number: int) -> Rows:
    """Return the rows of the pictures of a unit, sorted."""
    some = slice(number * UNIT_PAIRS, (number + 1) * UNIT_PAIRS)
    return np.unique(np.concatenate([left[some], right[some]]))


def _units(
    pictures: PictureRows, left: Rows, right: Rows, results: Path | None
) -> Iterator[LookUnit]:
    """Divide the pairs into units with keys of pictures, since other processes have no rows."""
    builds = tuple(str(build.paths.root) for build in pictures.builds)
    contents = tuple(overlap_key(build.manifest) for build in pictures.builds)
    everything = np.unique(np.concatenate([left, right]))
    names = _all_names(pictures, everything)
    for number in range(-(-len(left) // UNIT_PAIRS)):
        some = slice(number * UNIT_PAIRS, (number + 1) * UNIT_PAIRS)
        wanted = _wanted(left, right, number)
        sides = (np.searchsorted(wanted, side[some]).tolist() for side in (left, right))
        yield LookUnit(
            number=number,
            builds=builds,
            contents=contents,
            pictures=tuple(names[at] for at in np.searchsorted(everything, wanted).tolist()),
            pairs=tuple(zip(*sides, strict=True)),
            results=None if results is None else str(results),
        )


def _all_names(pictures: PictureRows, rows: Rows) -> list[tuple[int, str]]:
    """Return the number of the build and the key of each of these sorted rows."""
    names: list[tuple[int, str]] = []
    for number, build in enumerate(pictures.builds):
        low, high = pictures.starts[number], pictures.starts[number + 1]
        in_build = rows[(rows >= low) & (rows < high)]
        names += [(number, key) for key in _names(build, pictures.keys[in_build])]
    return names


def _distinct_contents(pictures: PictureRows) -> Rows:
    """Return one row of each content that has a perceptual hash."""
    rows = np.flatnonzero(pictures.facts.hashed)
    _, first = np.unique(pictures.facts.content[rows], return_index=True)
    return rows[np.sort(first)]


def _candidates(pictures: PictureRows, rows: Rows, scope: Scope) -> tuple[Rows, Rows]:
    """Pair rows with near hashes where the parts of the two sides are to be compared."""
    hashes, numbers = np.unique(pictures.facts.phash[rows], return_inverse=True)
    order = np.argsort(numbers, kind="stable")
    starts = np.searchsorted(numbers[order], np.arange(len(hashes) + 1))
    first, second = _sides(pictures, rows, scope)
    on_first, on_second = (np.unique(numbers[side]) for side in (first, second))
    near = near_pairs(hashes[on_first], hashes[on_second], MOST_BITS)
    here, there = on_first[near.left], on_second[near.right]
    sizes = np.diff(starts)
    lone = (sizes[here] == 1) & (sizes[there] == 1)
    pairs = np.stack([order[starts[here[lone]]], order[starts[there[lone]]]], axis=1)
    crowds = [
        pair
        for a, b in zip(here[~lone].tolist(), there[~lone].tolist(), strict=True)
        for pair in _some_pairs(
            *(order[starts[n] : starts[n + 1]] for n in (a, b)), first=first, second=second
        )
    ]
    pairs = np.concatenate([pairs, np.array(crowds, np.int64).reshape(-1, 2)])
    pairs = np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0)
    left, right = rows[pairs[:, 0]], rows[pairs[:, 1]]
    fresh = _says_something(pictures, left, right)
    return left[fresh], right[fresh]


def _sides(pictures: PictureRows, rows: Rows, scope: Scope) -> tuple[Bools, Bools]:
    """Return the rows on either side of the comparison.

    One side has what may be trained on, also by a recipe that fine-tunes; the other has what
    usually is not. Copies within training data do no harm and are not searched.
    """
    held = pictures.by_content[rows]
    parts = list(enumerate(pictures.parts))
    everyone = np.ones(len(rows), np.bool_)
    if len(pictures.builds) > 1:
        sides = [{n for n, part in parts if part.build == number} for number in (0, 1)]
    elif scope == "all":
        return everyone, everyone
    else:
        sides = [
            {n for n, part in parts if not part.is_evaluated},
            {n for n, part in parts if not part.is_trained},
        ]
    first, second = (_held_by(held, side) for side in sides)
    return first, second


def _held_by(masks: Masks, numbers: set[int]) -> Bools:
    held = np.zeros(len(masks), np.bool_)
    for number in numbers:
        held[has_part(masks, number)] = True
    return held


def _some_pairs(
    here: Rows, there: Rows, *, first: Bools, second: Bools
) -> Iterator[tuple[int, int]]:
    """Pair each with each where there are few, else each with the first few of the other side."""
    ours, theirs = here[first[here]].tolist(), there[second[there]].tolist()
    for a in ours:
        for b in theirs[:_MOST_PARTNERS]:
            yield a, b
    for b in theirs[_MOST_PARTNERS:]:
        for a in ours[:_MOST_PARTNERS]:
            yield a, b


def _says_something(pictures: PictureRows, left: Rows, right: Rows) -> Bools:
    """Drop pairs whose parts are known to share the pictures by key or by bytes."""
    known = pictures.by_key | pictures.by_content
    first, second = pictures.by_content[left], pictures.by_content[right]
    new = (second & ~known[left]) | (first & ~known[right])
    return np.asarray(new.any(axis=1), np.bool_)


def _names(build: Build, hashes: NDArray[np.uint64]) -> list[str]:
    """Look up keys by their hashes, given sorted, in the index of a build."""
    parts = build.index_parts()
    if not parts or not len(hashes):
        return []
    keys = read_indices(parts, PICTURE_INDEX_SCHEMA)["key"]
    key_hashes = hash_texts(keys)
    order = np.argsort(key_hashes)
    rows = order[np.searchsorted(key_hashes[order], hashes)]
    return [str(keys[int(row)].as_py()) for row in rows]
