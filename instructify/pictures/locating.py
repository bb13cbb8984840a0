"""Second step of the passes: for a range of keys, find the files in the folders.

Patterns lead from a key to a file, and folders are listed once per unit, so that plain names are
looked up as whole columns and no system call is made for a key. Names that contain folders,
entries that are no regular files, and links go through `Locator`, key by key, with the same
result. Pictures that may be in a container, such as a tar, are left to the third step.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from instructify.catalog import Family
from instructify.pictures.key_order import (
    KeyRange,
    Rows,
    match,
    one_array,
    taken,
)
from instructify.pictures.keys import URL_NAME_DIGITS
from instructify.pictures.known import Known, KnownFiles, read_known
from instructify.pictures.locate import Locator
from instructify.pictures.releases import first_found
from instructify.pictures.roots import Location, Roots
from instructify.pictures.sources import FileState, Problem, SourceReader
from instructify.pictures.tables import LOCATED_SCHEMA, REQUEST_SCHEMA, write_named
from instructify.pictures.wanted import Keys, read_wanted

_CONTAINED = rf"^[0-9a-f]{{{URL_NAME_DIGITS}}}$"
_PLAIN = r"^[0-9A-Za-z_-][0-9A-Za-z_.-]{0,99}$"
_LONG_PATTERN = 80
_NOTES = ("root", "file", "offset", "size_bytes", "mtime_ns")


class State(IntEnum):
    """What remains to be done for a key; the numbers are stored in work files."""

    MISSING = 0  # there is no file
    KNOWN = 1  # unchanged since the last conversion
    FILE = 2  # a file has to be looked at
    CONTAINED = 3  # a container may hold it


@dataclass(frozen=True, kw_only=True, slots=True)
class LocateUnit:
    """Locate the wanted keys of a range."""

    number: int
    part: KeyRange
    keys: tuple[Keys, ...]
    families: Mapping[str, Family]
    roots: Roots
    known: KnownFiles
    staging: Path


class Located(NamedTuple):
    """Files of `LOCATED_SCHEMA` and of `REQUEST_SCHEMA`, the latter in the order of the disk."""

    part: KeyRange
    path: Path
    requests: Path
    num_keys: int
    num_files: int
    num_contained: int
    num_rows: int  # of wanted and known keys together
    used_roots: frozenset[str]  # labels of the folders with a picture that is known and unchanged


class _Texts:
    """A column of texts that is filled in parts: of whole columns, or row by row."""

    def __init__(self, num_rows: int) -> None:
        self._at = np.full(num_rows, -1, np.int64)  # place among all texts; -1: null
        self._columns: list[pa.Array] = []
        self._num_texts = 0
        self._lines: dict[int, str] = {}

    def fill(self, rows: Rows, text: str) -> None:
        """Give some rows the same text."""
        self._at[rows] = self._num_texts
        self._add(pa.array([text], pa.string()))

    def put(self, rows: Rows, texts: pa.Array) -> None:
        """Give each of some rows its text."""
        self._at[rows] = np.arange(self._num_texts, self._num_texts + len(texts))
        self._add(texts)

    def put_one(self, row: int, text: str) -> None:
        self._lines[row] = text

    def column(self) -> pa.Array:
        """Return the column as it is now; rows without a text are null."""
        if self._lines:
            rows = np.fromiter(self._lines, np.int64, len(self._lines))
            self.put(rows, pa.array(list(self._lines.values()), pa.string()))
            self._lines = {}
        if not self._columns:
            return pa.nulls(len(self._at), pa.string())
        texts = pa.concat_arrays(self._columns)
        return texts.take(pa.array(self._at, mask=self._at < 0))

    def _add(self, texts: pa.Array) -> None:
        self._columns.append(texts)
        self._num_texts += len(texts)


class _Places:
    """The results for the keys of a table, row by row."""

    def __init__(self, num_rows: int) -> None:
        self.state = np.full(num_rows, State.MISSING, np.int8)
        self.media, self.root, self.file, self.reason, self.detail = (
            _Texts(num_rows) for _ in range(5)
        )
        self.media.fill(np.arange(num_rows), "image")

    def put(self, row: int, place: Location | Problem) -> None:
        if isinstance(place, Location):
            self.state[row] = State.FILE
            self.root.put_one(row, place.root)
            self.file.put_one(row, place.file)
        else:
            self.state[row] = State.MISSING
            self.reason.put_one(row, place.reason)
            self.detail.put_one(row, place.detail)


def run_locate(unit: LocateUnit) -> Located:
    """Locate a range of keys, always anew, since folders may have changed."""
    wanted = read_wanted(unit.keys, unit.part)
    known = read_known(unit.known, unit.part)
    locator = Locator(families=unit.families, roots=unit.roots)
    places = _Places(wanted.table.num_rows)
    names = one_array(wanted.table["key"])
    for group in wanted.groups:
        for family, rows in _by_family(names, group.rows):
            _locate(locator, unit.families.get(family), names, rows, group.releases, places)
    at = match(wanted.table, known.seen)
    used = _mark_known(places, known, at, unit.roots)
    located = _located_table(wanted.table, places, known, at)
    requests = _requests(located, places)
    stem = f"{unit.number:03}"
    others = known.index.num_rows + known.problems.num_rows
    others -= int((at >= 0).sum()) + int((match(wanted.table, known.problems) >= 0).sum())
    return Located(
        part=unit.part,
        path=write_named(unit.staging, f"located-{stem}", located),
        requests=write_named(unit.staging, f"requests-{stem}", requests),
        num_keys=located.num_rows,
        num_files=requests.num_rows,
        num_contained=int((places.state == State.CONTAINED).sum()),
        num_rows=located.num_rows + others,
        used_roots=frozenset(used),
    )


def _by_family(keys: pa.Array, rows: Rows) -> Iterator[tuple[str, Rows]]:
    """Divide rows by the families that their keys begin with."""
    left = rows
    while len(left):
        family = keys[int(left[0])].as_py().partition("/")[0]
        in_family = np.asarray(pc.starts_with(keys.take(pa.array(left)), f"{family}/"))
        if not in_family[0]:  # a key without a slash
            in_family = in_family.copy()
            in_family[0] = True
            in_family[1:] = False
        yield family, left[in_family]
        left = left[~in_family]


def _locate(
    locator: Locator,
    family: Family | None,
    keys: pa.Array,
    rows: Rows,
    releases: Sequence[str],
    places: _Places,
) -> None:
    """Locate the keys of one family that the same releases name."""
    unsure = rows
    if family is not None:
        places.media.fill(rows, family.media)
        unsure = _locate_plain(locator, family, keys, rows, releases, places)
    for row in unsure.tolist():
        places.put(row, first_found(locator, keys[row].as_py(), releases))
    if family is not None and (family.tars or family.embedded):
        open_rows = rows[places.state[rows] == State.MISSING]
        names = pc.utf8_slice_codeunits(keys.take(pa.array(open_rows)), len(family.name) + 1)
        inside = np.asarray(pc.match_substring_regex(names, _CONTAINED))
        places.state[open_rows[inside]] = State.CONTAINED


def _locate_plain(
    locator: Locator,
    family: Family,
    keys: pa.Array,
    rows: Rows,
    releases: Sequence[str],
    places: _Places,
) -> Rows:
    """Locate plain names as columns; returns the rows that have to be judged one by one."""
    if len(family.patterns[0]) > _LONG_PATTERN:  # the detail of a missing picture is shortened
        return rows
    names = pc.utf8_slice_codeunits(keys.take(pa.array(rows)), len(family.name) + 1)
    plain = np.asarray(pc.match_substring_regex(names, _PLAIN))
    left, unsure = np.flatnonzero(plain), [rows[~plain]]
    for release in releases:
        for slot in locator.slots_of(family, release):
            if isinstance(slot, Problem):
                return np.concatenate([*unsure, rows[left]])
            files = _around(slot.before, names.take(pa.array(left)), slot.after)
            listing = slot.listing
            if listing.odd:
                odd = np.asarray(pc.is_in(files, value_set=listing.odd_names()))
                unsure.append(rows[left[odd]])
                left, files = left[~odd], files.filter(pa.array(~odd))
            hit = np.asarray(pc.is_in(files, value_set=listing.names()))
            hit_rows = rows[left[hit]]
            folder = f"{listing.folder}/" if listing.folder else ""
            places.state[hit_rows] = State.FILE
            places.root.fill(hit_rows, listing.label)
            places.file.put(hit_rows, _around(folder, files.filter(pa.array(hit)), ""))
            left = left[~hit]
    left, near = _apart_from_alike(locator, family, releases[-1], names, left)
    unsure.append(rows[near])
    missing = rows[left]
    first, last = locator.missing_text(family, releases[-1])
    places.reason.fill(missing, "picture-missing")
    places.detail.put(missing, _around(first, names.take(pa.array(left)), last))
    return np.concatenate(unsure)


def _apart_from_alike(
    locator: Locator, family: Family, release: str, names: pa.Array, left: Rows
) -> tuple[Rows, Rows]:
    """Divide missing names into those without a similar file, and those with one."""
    if not len(left):
        return left, left
    texts = names.take(pa.array(left))
    near = np.zeros(len(left), np.bool_)
    for slot in locator.slots_of(family, release):
        if isinstance(slot, Problem) or not slot.listing.files:
            continue
        if (slot.before + slot.after).isascii():  # as plain names are
            files = pc.ascii_lower(_around(slot.before, texts, slot.after))
            near |= np.asarray(pc.is_in(files, value_set=locator.folded_names(slot.listing)))
        else:
            alike = (bool(locator.alike([slot], text)) for text in texts.to_pylist())
            near |= np.fromiter(alike, np.bool_, len(texts))
    return left[~near], left[near]


def _around(before: str, texts: pa.Array, after: str) -> pa.Array:
    return pc.binary_join_element_wise(before, texts, after, "")


def _mark_known(places: _Places, known: Known, at: Rows, roots: Roots) -> set[str]:
    """Mark the pictures that need not be looked at again; return where they are."""
    used: set[str] = set()
    rows = np.flatnonzero((at >= 0) & (places.state != State.CONTAINED))
    if not len(rows):
        return used
    notes = taken(known.seen.select(_NOTES), at[rows]).to_pylist()
    stored = np.asarray(known.index["shard"].is_valid())
    columns = [
        text.column().take(pa.array(rows)).to_pylist() for text in (places.root, places.file)
    ]
    with SourceReader(roots) as source:
        for row, note, root, file in zip(rows.tolist(), notes, *columns, strict=True):
            if places.state[row] == State.MISSING:
                if stored[at[row]]:  # its file is gone, its content is not
                    places.state[row] = State.KNOWN
                continue
            place = Location(root, file)
            state = source.state(place)
            if isinstance(state, FileState) and tuple(note.values()) == (*place[:3], *state):
                places.state[row] = State.KNOWN
                used.add(place.root)
    return used


def _located_table(wanted: pa.Table, places: _Places, known: Known, at: Rows) -> pa.Table:
    noted = (places.state == State.CONTAINED) & (at >= 0)
    rows = np.flatnonzero(noted)
    columns: dict[str, pa.Array] = {
        "key_hash": one_array(wanted["key_hash"]),
        "key": one_array(wanted["key"]),
        "media": places.media.column(),
        "state": pa.array(places.state, pa.int8()),
        "reason": places.reason.column(),
        "detail": places.detail.column(),
    }
    index = np.zeros(len(at), np.int64)
    index[rows] = np.arange(len(rows))
    take = pa.array(index, pa.int64(), mask=~noted)
    notes = taken(known.seen.select(_NOTES), at[rows])
    for name in _NOTES:
        column = one_array(notes[name])
        columns[name] = column.take(take) if len(rows) else pa.nulls(len(at), column.type)
    arrays = [columns[field.name] for field in LOCATED_SCHEMA]
    return pa.Table.from_arrays(arrays, schema=LOCATED_SCHEMA)


def _requests(located: pa.Table, places: _Places) -> pa.Table:
    """List the files to be looked at, neighbours on the disk one after the other."""
    rows = np.flatnonzero(places.state == State.FILE)
    key_columns = taken(located.select(["key_hash", "key", "media"]), rows)
    table = pa.Table.from_arrays(
        [
            *key_columns.columns,
            places.root.column().take(pa.array(rows)),
            places.file.column().take(pa.array(rows)),
            pa.nulls(len(rows), pa.int64()),
            pa.nulls(len(rows), pa.int64()),
        ],
        schema=REQUEST_SCHEMA,
    )
    return table.sort_by([("root", "ascending"), ("file", "ascending"), ("key", "ascending")])
