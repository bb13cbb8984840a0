"""Find pictures that look alike: first by near hashes, then by their pixels.

Pictures that two parts share by key or by bytes are not compared again. Where many pictures have
one hash (mostly placeholders of dead links), each is compared with only a few of the other side.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructify._util.errors import UserError
from instructify._util.keyed import hash_texts
from instructify.build import Build, Progress, Workers
from instructify.overlap.alike import Thumbnails, are_alike, has_contrast
from instructify.overlap.hamming import near_pairs
from instructify.overlap.masks import Masks, has_part, no_masks, unite
from instructify.overlap.pictures import PictureRows, Rows
from instructify.pictures import (
    DECODER_ERRORS,
    DRAFT_SIZE,
    PICTURE_INDEX_SCHEMA,
    SIDE,
    TooManyPixels,
    flatten,
    open_picture,
    read_indices,
)

Scope = Literal["trained", "all", "none"]

MOST_BITS = 12
_MOST_PARTNERS = 8
_UNIT = 256
_PAIRS = 16_384  # looked at together; a thumbnail has 3 kB

Bools = NDArray[np.bool_]


class Likeness(NamedTuple):
    """For each row, the parts with a similar picture, and counts of what was not compared."""

    masks: Masks
    pairs: tuple[Rows, Rows]  # rows that look alike
    candidates: int  # pairs of near hashes
    unreadable: int  # pictures among them that could not be read
    plain: int  # pictures among them that are a plain surface


class ThumbnailUnit(NamedTuple):
    """Decode some pictures of a build."""

    folder: str
    keys: Sequence[str]


def find_alike(pictures: PictureRows, scope: Scope, pool: Workers, progress: Progress) -> Likeness:
    """Find the pictures that look alike in parts that are to be compared."""
    num_parts = len(pictures.parts)
    masks = no_masks(len(pictures), num_parts)
    none = np.empty(0, np.int64)
    if scope == "none" or not pictures.facts.hashed.any():
        return Likeness(masks, (none, none), 0, 0, 0)
    rows = _distinct_contents(pictures)
    left, right = _candidates(pictures, rows, scope)
    looks = [_Look(none, none, none)]
    with progress.stage("likeness", len(left), "pair") as bar:
        for begin in range(0, len(left), _PAIRS):
            some = slice(begin, begin + _PAIRS)
            looked = _look(pictures, left[some], right[some], pool)
            looks.append(looked._replace(alike=looked.alike + begin))
            bar.advance(len(left[some]))
    alike, unreadable, plain = (np.concatenate(column) for column in zip(*looks, strict=True))
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


class _Look(NamedTuple):
    """Pairs that look alike, by number; rows that could not be read, or show a plain surface."""

    alike: Rows
    unreadable: Rows
    plain: Rows


def _look(pictures: PictureRows, left: Rows, right: Rows, pool: Workers) -> _Look:
    """Decode the pictures of some pairs and compare them."""
    wanted = np.unique(np.concatenate([left, right]))
    thumbnails, readable = _thumbnails(pictures, wanted, pool)
    at_left, at_right = np.searchsorted(wanted, left), np.searchsorted(wanted, right)
    both = np.flatnonzero(readable[at_left] & readable[at_right])
    alike = both[are_alike(thumbnails[at_left[both]], thumbnails[at_right[both]])]
    return _Look(alike, wanted[~readable], wanted[readable & ~has_contrast(thumbnails)])


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


def _thumbnails(pictures: PictureRows, rows: Rows, pool: Workers) -> tuple[Thumbnails, Bools]:
    """Decode the pictures of some rows to 32 x 32 colours, as far as they can be read."""
    units: list[ThumbnailUnit] = []
    for number, build in enumerate(pictures.builds):
        low, high = pictures.starts[number], pictures.starts[number + 1]
        in_build = rows[(rows >= low) & (rows < high)]
        keys = _names(build, pictures.keys[in_build])
        units += [
            ThumbnailUnit(str(build.paths.root), keys[begin : begin + _UNIT])
            for begin in range(0, len(keys), _UNIT)
        ]
    done = pool.map(run_thumbnails, units)
    thumbnails = np.concatenate([np.zeros((0, SIDE, SIDE, 3), np.uint8), *(t for t, _ in done)])
    readable = np.concatenate([np.zeros(0, np.bool_), *(r for _, r in done)])
    return thumbnails, readable


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


def run_thumbnails(unit: ThumbnailUnit) -> tuple[Thumbnails, Bools]:
    """Decode the pictures of a unit; False where one can't be read."""
    store = Build.open(unit.folder).pictures()
    thumbnails = np.zeros((len(unit.keys), SIDE, SIDE, 3), np.uint8)
    readable = np.zeros(len(unit.keys), np.bool_)
    for row, key in enumerate(unit.keys):
        if store is None:
            break
        try:
            thumbnails[row] = thumbnail(store.bytes(key))
            readable[row] = True
        except (UserError, KeyError, TooManyPixels, *DECODER_ERRORS):
            continue
    return thumbnails, readable


def thumbnail(data: bytes) -> NDArray[np.uint8]:
    """Decode a picture to 32 x 32 colours, much like the grey values of its perceptual hash."""
    picture = open_picture(data)
    picture.draft("RGB", DRAFT_SIZE)
    small = flatten(picture, "RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.asarray(small, np.uint8)
