"""Third step of the passes: decode each wanted picture once, where its bytes are stored.

A unit is a range of files, or the pictures of a tar (of a part of it, if it is large), read in the
order of the disk. Its result is written in the order of keys, under a name made from everything
that the result depends on: places, sizes and modification times. None of these reaches a file of
the build.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from instructify._util.keyed import hash_texts
from instructify._util.shards import read_arrow, stream_arrow
from instructify.catalog import Family
from instructify.pictures.key_order import (
    KeyRange,
    cut,
    match,
    numbers,
    sorted_by_hash,
    taken,
)
from instructify.pictures.locating import Located, State
from instructify.pictures.probe import PictureFacts, probe_clip, probe_picture
from instructify.pictures.roots import Location, Roots
from instructify.pictures.sources import (
    MAX_CLIP_BYTES,
    MAX_PICTURE_BYTES,
    FileState,
    Problem,
    SourceReader,
)
from instructify.pictures.tables import FACTS_SCHEMA, REQUEST_SCHEMA
from instructify.pictures.tars import WebScan

UNIT_FILES = 1_000
SHARE_BYTES = 1 << 30  # of a tar
_VERSION = 1  # of what is looked at, and how
_NOTES = ("root", "file", "offset", "size_bytes", "mtime_ns")

Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class FilesUnit:
    """Look at the files of rows [start, stop) of a table of requests."""

    requests: Path
    part: KeyRange  # that all its keys lie in
    start: int
    stop: int
    roots: Roots
    staging: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class ContainerUnit:
    """Look at the wanted pictures in a part of a tar, of a pack, or of a folder of loose files."""

    container: WebScan
    share: int
    num_shares: int
    families: tuple[Family, ...]
    located: tuple[Located, ...]
    roots: Roots
    staging: Path


class Facts(NamedTuple):
    """What a unit found, in a file of `FACTS_SCHEMA`.

    All its keys lie between two 256ths of the hashes.
    """

    path: Path
    num_rows: int
    start: int = 0
    stop: int = 256

    @property
    def part(self) -> KeyRange:
        return KeyRange(self.start << 56, self.stop << 56)


def plan_files(located: Sequence[Located], roots: Roots, staging: Path) -> list[FilesUnit]:
    """Cut the files that are to be looked at into units."""
    return [
        FilesUnit(
            requests=entry.requests,
            part=entry.part,
            start=start,
            stop=min(start + UNIT_FILES, entry.num_files),
            roots=roots,
            staging=staging,
        )
        for entry in located
        for start in range(0, entry.num_files, UNIT_FILES)
    ]


def plan_containers(
    containers: Sequence[WebScan],
    located: Sequence[Located],
    families: Sequence[Family],
    roots: Roots,
    staging: Path,
) -> list[ContainerUnit]:
    """Cut tars, packs and folders into units, in the order of search."""
    wanted = tuple(entry for entry in located if entry.num_contained)
    return [
        ContainerUnit(
            container=container,
            share=share,
            num_shares=shares,
            families=tuple(families),
            located=wanted,
            roots=roots,
            staging=staging,
        )
        for container in containers
        for shares in [_num_shares(roots.path(container.root, container.file))]
        for share in range(shares)
    ]


def run_files(unit: FilesUnit) -> Facts:
    """Look at a range of files, unless a result for their present state exists."""
    rows = read_arrow(unit.requests).slice(unit.start, unit.stop - unit.start).to_pylist()
    with SourceReader(unit.roots) as source:
        states = [source.state(_location(row)) for row in rows]
        return _looked_at(rows, states, source, unit.staging)._replace(
            start=unit.part.start >> 56, stop=unit.part.stop >> 56
        )


def run_container(unit: ContainerUnit) -> Facts:
    """Look at the wanted pictures of a container, unless a result for its present state exists."""
    rows, known = _wanted_rows(unit, unit.container)
    with SourceReader(unit.roots) as source:
        states = [source.state(_location(row)) for row in rows]
        same = [
            note is not None and _is_same(row, state, note)
            for row, state, note in zip(rows, states, known, strict=True)
        ]
        return _looked_at(rows, states, source, unit.staging, same)


def _num_shares(path: Path) -> int:
    return max(1, math.ceil(path.stat().st_size / SHARE_BYTES)) if path.is_file() else 1


def _wanted_rows(unit: ContainerUnit, scan: WebScan) -> tuple[list[Row], list[Row | None]]:
    """List the wanted pictures of a part in the order of the disk, with what is known of each."""
    pairs: list[tuple[Row, Row | None]] = []
    size = unit.roots.path(scan.root, scan.file).stat().st_size
    for family in unit.families:
        there = _keyed(family, read_arrow(scan.path))
        for entry in unit.located:
            in_part = cut(there, entry.part)
            wanted = read_arrow(entry.path)
            at = match(in_part, wanted)
            hits = np.flatnonzero(at >= 0)
            hits = hits[numbers(wanted["state"])[at[hits]] == State.CONTAINED]
            notes = taken(wanted.select(_NOTES), at[hits]).to_pylist()
            for place, note in zip(taken(in_part, hits).to_pylist(), notes, strict=True):
                offset = place["offset"] or 0
                if offset * unit.num_shares // max(1, size) == unit.share:
                    pairs.append((_request(place, family, scan), note if note["root"] else None))
    pairs.sort(key=lambda pair: (pair[0]["file"], pair[0]["offset"] or 0))
    return [row for row, _ in pairs], [note for _, note in pairs]


def _keyed(family: Family, scan: pa.Table) -> pa.Table:
    """Give the pictures of a scan the keys of a family, sorted by hash."""
    keys = pc.binary_join_element_wise(family.name, scan["name"], "/")
    hashes = pa.array(hash_texts(keys), pa.uint64())
    table = scan.select(["member", "offset", "size_bytes"]).replace_schema_metadata()
    return sorted_by_hash(table.add_column(0, "key", keys).add_column(0, "key_hash", hashes))


def _request(place: Row, family: Family, scan: WebScan) -> Row:
    member = place["member"]
    return {
        "key_hash": place["key_hash"],
        "key": place["key"],
        "media": family.media,
        "root": scan.root,
        "file": scan.file if member is None else f"{scan.file}/{member}",
        "offset": place["offset"],
        "length": place["size_bytes"],
    }


def _is_same(row: Row, state: FileState | Problem, note: Row) -> bool:
    place = (row["root"], row["file"], row["offset"])
    return isinstance(state, FileState) and tuple(note.values()) == (*place, *state)


def _looked_at(
    rows: Sequence[Row],
    states: Sequence[FileState | Problem],
    source: SourceReader,
    staging: Path,
    same: Sequence[bool] | None = None,
) -> Facts:
    unchanged = same if same is not None else [False] * len(rows)
    digest = hashlib.sha256(repr((_VERSION, REQUEST_SCHEMA.names)).encode())
    for row, state, is_same in zip(rows, states, unchanged, strict=True):
        digest.update(repr((*row.values(), *state, is_same)).encode())
    path = staging / f"facts-{digest.hexdigest()[:32]}.arrow"
    if not path.exists():
        facts_rows = [
            _probe(source, row, state, unchanged=is_same)
            for row, state, is_same in zip(rows, states, unchanged, strict=True)
        ]
        table = pa.Table.from_pylist(facts_rows, schema=FACTS_SCHEMA)
        # Synced, since the next run relies on it.
        stream_arrow(path, FACTS_SCHEMA, sorted_by_hash(table).combine_chunks().to_batches())
    return Facts(path, len(rows))


def _probe(
    source: SourceReader, row: Row, state: FileState | Problem, *, unchanged: bool
) -> dict[str, object]:
    """Look at one picture and return a row of FACTS_SCHEMA."""
    new_row: dict[str, object] = {name: row.get(name) for name in FACTS_SCHEMA.names}
    new_row["unchanged"] = unchanged
    if isinstance(state, FileState):
        new_row["mtime_ns"] = state.mtime_ns
    if not unchanged:
        facts = state if isinstance(state, Problem) else _probed(source, row)
        new_row.update(facts._asdict())
    return new_row


def _probed(source: SourceReader, row: Row) -> PictureFacts | Problem:
    is_clip = row["media"] == "video"
    data = source.read(_location(row), MAX_CLIP_BYTES if is_clip else MAX_PICTURE_BYTES)
    if isinstance(data, Problem):
        return data
    return probe_clip(data) if is_clip else probe_picture(data)


def _location(row: Row) -> Location:
    return Location(row["root"], row["file"], row["offset"], row["length"])
