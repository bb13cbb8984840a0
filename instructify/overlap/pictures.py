"""All pictures of one or two builds in one table of numpy columns, with the parts that contain
them.

A row is a key in a build. Its sets of parts (`masks`) say which parts name the key, which contain a
picture with that key under any of its names, and which contain the same bytes under any key.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from instructify._util.errors import UserError
from instructify._util.keyed import Hashes, hash_texts
from instructify._util.outside import check_named
from instructify.build import Build
from instructify.overlap.masks import Masks, add_part, distinct, no_masks, unite
from instructify.overlap.parts import Part, PartKeys, key_at, read_part
from instructify.pictures import PICTURE_INDEX_SCHEMA, read_indices
from instructify.readers import NOT_JSON

Rows = NDArray[np.int64]
_DIGITS = 12  # of a COCO picture's key


class Facts(NamedTuple):
    """The facts of the picture indices, row by row; `known` is false where there are none."""

    known: NDArray[np.bool_]
    content: Hashes  # of the sha256
    hashed: NDArray[np.bool_]  # whether there is a perceptual hash
    phash: Hashes


class Aliases(NamedTuple):
    """Keys that are second names of pictures with another key, sorted; as hashes."""

    other: Hashes
    key: Hashes


NO_ALIASES = Aliases(np.empty(0, np.uint64), np.empty(0, np.uint64))


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureRows:
    """Rows of all builds one after another; `starts` has the first row of each, and the end."""

    builds: Sequence[Build]
    parts: Sequence[Part]
    read: Sequence[PartKeys]
    named: Sequence[Rows]  # for each part: the row of every picture that its records name, in order
    keys: Hashes
    starts: Sequence[int]
    facts: Facts
    key_numbers: Rows  # equal numbers: one picture by its key, whatever its name
    content: Rows  # equal numbers: equal bytes; a row that nobody looked at has its own
    holders: Masks
    by_key: Masks
    by_content: Masks

    def __len__(self) -> int:
        return len(self.keys)

    def name(self, row: int, part: int) -> str:
        """Return the key of a row, read from a record that names it."""
        place = int(np.flatnonzero(self.named[part] == row)[0])
        of = self.parts[part]
        return key_at(self.builds[of.build], of, self.read[part].ends, place)

    def same(self) -> Rows:
        """Number rows so that equal numbers mean the same picture, by key or by bytes."""
        numbers = np.arange(len(self.keys))
        for _ in range(2):  # a key's bytes may have another key in another build, hardly further
            for groups in (self.key_numbers, self.content):
                least = np.full(int(groups.max(initial=-1)) + 1, len(numbers))
                np.minimum.at(least, groups, numbers)
                numbers = least[groups]
        return numbers


def read_pictures(builds: Sequence[Build], parts: Sequence[Part], aliases: Aliases) -> PictureRows:
    """Read keys and facts of all parts."""
    read = [read_part(builds[part.build], part) for part in parts]
    columns: list[Hashes] = []
    starts = [0]
    for number in range(len(builds)):
        key_columns = [np.empty(0, np.uint64)]
        key_columns += [
            part_keys.keys
            for part, part_keys in zip(parts, read, strict=True)
            if part.build == number
        ]
        columns.append(distinct(np.concatenate(key_columns)))
        starts.append(starts[-1] + len(columns[-1]))
    keys = np.concatenate(columns)
    holders = no_masks(len(keys), len(parts))
    named: list[Rows] = []
    for number, (part, part_keys) in enumerate(zip(parts, read, strict=True)):
        own_keys = keys[starts[part.build] : starts[part.build + 1]]
        named.append(np.searchsorted(own_keys, part_keys.keys) + starts[part.build])
        add_part(holders, named[number], number)
    facts = _facts(builds, columns)
    key_numbers = _numbered(_first_names(keys, aliases))
    content = _numbered(facts.content)
    content[~facts.known] = len(keys) + np.arange(int((~facts.known).sum()))
    return PictureRows(
        builds=builds,
        parts=parts,
        read=read,
        named=named,
        keys=keys,
        starts=starts,
        facts=facts,
        key_numbers=key_numbers,
        content=content,
        holders=holders,
        by_key=unite(key_numbers, holders),
        by_content=unite(content, holders),
    )


def read_aliases(path: Path) -> Aliases:
    """Read Visual Genome's image_data.json: which of its pictures are COCO's, by `coco_id`."""
    check_named(path, "give Visual Genome's image_data.json.", "--vg ")
    try:
        images = msgspec.json.decode(path.read_bytes(), type=list[_Image])
    except OSError as error:
        raise UserError(f"--vg {path} can't be read: {error.strerror}.") from error
    except NOT_JSON as error:
        raise UserError(
            f"--vg {path} is not Visual Genome's image_data.json ({error}): a list of objects with "
            "image_id and coco_id is expected."
        ) from error
    pairs = [(image.image_id, image.coco_id) for image in images if image.coco_id is not None]
    other = hash_texts([f"vg/{image_id}" for image_id, _ in pairs])
    key = hash_texts([f"coco/{coco_id:0{_DIGITS}d}" for _, coco_id in pairs])
    order = np.argsort(other)
    return Aliases(other[order], key[order])


class _Image(msgspec.Struct, gc=False):
    image_id: int
    coco_id: int | None = None


def _first_names(keys: Hashes, aliases: Aliases) -> Hashes:
    """Replace keys that are second names."""
    if not len(aliases.other):
        return keys
    at = np.minimum(np.searchsorted(aliases.other, keys), len(aliases.other) - 1)
    return np.where(aliases.other[at] == keys, aliases.key[at], keys)


def _numbered(values: Hashes) -> Rows:
    """Number values so that equal ones have equal numbers."""
    order = np.argsort(values)
    ordered = values[order]
    numbers = np.empty(len(values), np.int64)
    numbers[order] = np.cumsum(np.r_[False, ordered[1:] != ordered[:-1]][: len(values)])
    return numbers


def _facts(builds: Sequence[Build], columns: Sequence[Hashes]) -> Facts:
    facts = [_facts_of(build, keys) for build, keys in zip(builds, columns, strict=True)]
    return Facts(*(np.concatenate(parts) for parts in zip(*facts, strict=True)))


def _facts_of(build: Build, keys: Hashes) -> Facts:
    """Look keys up in the index of a build."""
    parts = build.index_parts()
    nothing = np.zeros(len(keys), np.bool_)
    zero = np.zeros(len(keys), np.uint64)
    if not parts or not len(keys):
        return Facts(nothing, zero, nothing, zero)
    index = read_indices(parts, PICTURE_INDEX_SCHEMA).select(["key", "sha256", "phash"])
    hashes = hash_texts(index["key"])
    at = np.searchsorted(keys, hashes)
    wanted = keys[np.minimum(at, len(keys) - 1)] == hashes
    rows = at[wanted]
    columns: Sequence[NDArray[np.generic]] = (  # in the order of Facts
        np.ones(len(hashes), np.bool_),
        hash_texts(index["sha256"]),
        index["phash"].is_valid().to_numpy(),
        pc.fill_null(index["phash"], 0).to_numpy(),
    )
    facts = []
    for column in columns:
        target = np.zeros(len(keys), column.dtype)
        target[rows] = column[wanted]
        facts.append(target)
    return Facts(*facts)
