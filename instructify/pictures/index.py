"""The picture index: which keys a build wants, looked at in units, merged into one sorted table.

`plan_probe` locates every key and cuts the work; `run_probe` decodes the pictures of one unit;
`gather` puts the results and what was known before together, sorted by key. Units may run in any
order and in any number of processes, and a unit that was finished once is not run again. Sizes
and times of files only decide whether something is done again; they reach no file of the build.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from instructify.catalog_model import Family
from instructify.errors import UserError
from instructify.pictures.keys import split_key
from instructify.pictures.locate import LocateProblem, Locator
from instructify.pictures.probe import PictureFacts, probe_clip, probe_picture
from instructify.pictures.roots import LOCAL_FOLDER, Location, Roots
from instructify.pictures.sources import (
    MAX_CLIP_BYTES,
    MAX_PICTURE_BYTES,
    FileState,
    Problem,
    SourceReader,
)
from instructify.shards import FileFacts, read_arrow, stream_arrow

INDEX_FORMAT = "1"
UNIT_KEYS = 1_000
_BATCH_ROWS = 65_536

_PLACE = [
    ("root", pa.string()),  # label of the folder that the file lies below
    ("file", pa.string()),
    ("offset", pa.int64()),  # in a tar; null: the file is the picture
]
_CONTENT = [
    ("sha256", pa.string()),
    ("phash", pa.uint64()),  # null for clips
    ("width", pa.int32()),
    ("height", pa.int32()),
    ("kind", pa.string()),  # what the bytes say: jpeg png gif webp bmp, avi mp4 webm mkv flv
    ("size_bytes", pa.int64()),
]

PICTURE_INDEX_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("media", pa.string(), nullable=False),  # image | video
        *_CONTENT,
        ("shard", pa.string()),  # stored: name of the shard in pictures/, and row in it
        ("row", pa.int32()),
        *_PLACE,  # referenced: where the file lies
    ],
    metadata={"format": INDEX_FORMAT},
)
PROBLEM_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
    ],
    metadata={"format": INDEX_FORMAT},
)
_REQUEST_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("media", pa.string()),
        *_PLACE,
        ("length", pa.int64()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)
PROBE_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("media", pa.string()),
        *_CONTENT,
        *_PLACE,
        ("mtime_ns", pa.int64()),
        ("reason", pa.string()),  # why there are no facts
        ("detail", pa.string()),
    ],
    metadata={"format": INDEX_FORMAT},
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbeUnit:
    """Look at the pictures of rows [start, stop) of a request file."""

    requests: Path
    start: int
    stop: int
    roots: Roots
    staging: Path


class ProbeResult(NamedTuple):
    path: Path
    num_pictures: int
    num_problems: int
    size_bytes: int


class Known(NamedTuple):
    """What a build knows already: its index, and when the files were last seen as they are."""

    index: pa.Table
    seen: pa.Table  # rows of PROBE_SCHEMA without problems


class ProbePlan(NamedTuple):
    units: list[ProbeUnit]
    kept: pa.Table  # rows of PROBE_SCHEMA that are known and unchanged
    num_keys: int


class Gathered(NamedTuple):
    """All pictures of a build, sorted by key: those with facts, and those with problems."""

    found: pa.Table  # of PROBE_SCHEMA
    problems: pa.Table  # of PROBLEM_SCHEMA


def plan_probe(
    requests: Mapping[str, Sequence[str] | pa.Array | pa.ChunkedArray],
    *,
    families: Mapping[str, Family],
    locator: Locator,
    roots: Roots,
    staging: Path,
    known: Known | None = None,
    unit_keys: int = UNIT_KEYS,
) -> ProbePlan:
    """Locate the keys that each release names and cut what is to be looked at into units.

    A key that several releases name is taken from the first of them that has its file.
    """
    wanted = _wanted(requests)
    seen = _Seen(known)
    rows: list[dict[str, object]] = []
    kept: list[int] = []
    with SourceReader(roots) as source:
        for key, releases in wanted:
            place = _first_found(locator, key, releases)
            row = seen.row_of(key, place, source)
            if row is not None:
                kept.append(row)
                continue
            rows.append(_request(key, place, families))
    # Neighbours on the disk are read one after the other.
    rows.sort(key=lambda row: (str(row["root"]), str(row["file"]), row["offset"] or 0, row["key"]))
    table = pa.Table.from_pylist(rows, schema=_REQUEST_SCHEMA)
    path = _write_requests(table, staging)
    units = [
        ProbeUnit(
            requests=path,
            start=start,
            stop=min(start + unit_keys, len(rows)),
            roots=roots,
            staging=staging,
        )
        for start in range(0, len(rows), unit_keys)
    ]
    return ProbePlan(units, seen.take(kept), len(rows) + len(kept))


def run_probe(unit: ProbeUnit) -> ProbeResult:
    """Look at the pictures of a unit, unless that was done for the same files in the same state."""
    table = read_arrow(unit.requests).slice(unit.start, unit.stop - unit.start)
    rows = table.to_pylist()
    with SourceReader(unit.roots) as source:
        states = [_state(source, row) for row in rows]
        staged = unit.staging / f"probe-{_digest(rows, states)}.arrow"
        if not staged.exists():
            found = [_probe(source, row, state) for row, state in zip(rows, states, strict=True)]
            batch = pa.RecordBatch.from_pylist(found, schema=PROBE_SCHEMA)
            stream_arrow(staged, PROBE_SCHEMA, [batch])
    result = read_arrow(staged)
    problems = result.num_rows - result["reason"].null_count
    size = pc.sum(result["size_bytes"]).as_py() or 0
    return ProbeResult(staged, result.num_rows - problems, problems, size)


def gather(plan: ProbePlan, results: Sequence[ProbeResult], known: Known | None = None) -> Gathered:
    """Put results, kept rows and the rest of the known index together, each key once.

    Keys of the index that this plan did not ask for stay as they are.
    """
    tables = [read_arrow(result.path) for result in results]
    fresh = pa.concat_tables([plan.kept, *tables])
    is_problem = pc.is_valid(fresh["reason"])
    found = fresh.filter(pc.invert(is_problem))
    problems = fresh.filter(is_problem).select(PROBLEM_SCHEMA.names)
    if known is not None:
        rest = pc.invert(pc.is_in(known.seen["key"], value_set=fresh["key"]))
        found = pa.concat_tables([found, known.seen.filter(rest)])
    return Gathered(
        found.sort_by("key").combine_chunks(),
        problems.cast(PROBLEM_SCHEMA).sort_by("key").combine_chunks(),
    )


def load_known(build: Path, index: Path | None) -> Known | None:
    """Load the index of a build and the notes of its last look at the files; None without one.

    Without the notes, as on another machine, every picture is looked at again and found the same.
    """
    if index is None:
        return None
    table = read_index(index)
    path = build / LOCAL_FOLDER / "seen.arrow"
    noted = read_arrow(path) if path.exists() else PROBE_SCHEMA.empty_table()
    if noted.schema != PROBE_SCHEMA:
        noted = PROBE_SCHEMA.empty_table()
    return Known(table, _reconcile(table, noted))


def save_seen(build: Path, gathered: Gathered) -> None:
    """Note beside the build when its pictures were last seen as they are."""
    path = build / LOCAL_FOLDER / "seen.arrow"
    stream_arrow(path, PROBE_SCHEMA, gathered.found.to_batches(_BATCH_ROWS))


def read_index(path: Path) -> pa.Table:
    """Map an index; one of another format is refused."""
    table = read_arrow(path)
    if (table.schema.metadata or {}).get(b"format") != INDEX_FORMAT.encode():
        raise UserError(
            f"{path} was written by another version of instructify; convert into a new folder"
        )
    return table


def write_index(folder: Path, index: pa.Table) -> FileFacts:
    """Write an index into the build's folder of pictures, under a name of its content."""
    beside = folder / f".index-{os.getpid()}.arrow"
    facts = write_table(beside, index)
    name = f"index-{facts.sha256[:8]}.arrow"
    beside.replace(folder / name)
    return facts._replace(name=name)


def write_table(path: Path, table: pa.Table) -> FileFacts:
    """Write a sorted table in batches of a size to search in."""
    return stream_arrow(path, table.schema, table.combine_chunks().to_batches(_BATCH_ROWS))


def _wanted(
    requests: Mapping[str, Sequence[str] | pa.Array | pa.ChunkedArray],
) -> Iterator[tuple[str, list[str]]]:
    """Yield each key once, in order, with the releases that name it."""
    releases: dict[str, list[str]] = {}
    for release, keys in requests.items():
        values = keys.to_pylist() if isinstance(keys, pa.Array | pa.ChunkedArray) else keys
        for key in dict.fromkeys(values):
            releases.setdefault(key, []).append(release)
    for key in sorted(releases):
        yield key, releases[key]


def _first_found(locator: Locator, key: str, releases: Sequence[str]) -> Location | LocateProblem:
    place = locator.find(key, releases[0])
    for release in releases[1:]:
        if isinstance(place, Location):
            break
        place = locator.find(key, release)
    return place


def _request(
    key: str, place: Location | LocateProblem, families: Mapping[str, Family]
) -> dict[str, object]:
    family = families.get(split_key(key).family)
    row: dict[str, object] = dict.fromkeys(_REQUEST_SCHEMA.names)
    row.update(key=key, media=family.media if family else "image")
    if isinstance(place, Location):
        row.update(root=place.root, file=place.file, offset=place.offset, length=place.size_bytes)
    else:
        row.update(reason=place.reason, detail=place.detail)
    return row


def _write_requests(table: pa.Table, staging: Path) -> Path:
    """Write the requests under a name of their content, so that no plan overwrites another."""
    digest = hashlib.sha256()
    for column in table.columns:
        for chunk in column.chunks:
            digest.update(repr(chunk.to_pylist()).encode())
    path = staging / f"requests-{digest.hexdigest()[:32]}.arrow"
    if not path.exists():
        stream_arrow(path, _REQUEST_SCHEMA, table.to_batches(_BATCH_ROWS))
    return path


def _state(source: SourceReader, row: Mapping[str, object]) -> FileState | Problem:
    if row["reason"] is not None:
        return Problem(str(row["reason"]), str(row["detail"]))
    return source.state(_location(row))


def _digest(rows: Sequence[Mapping[str, object]], states: Sequence[FileState | Problem]) -> str:
    """Name the result of a unit by everything that it depends on."""
    digest = hashlib.sha256(repr((INDEX_FORMAT, PROBE_SCHEMA.names)).encode())
    for row, state in zip(rows, states, strict=True):
        digest.update(repr((*row.values(), *state)).encode())
    return digest.hexdigest()[:32]


def _probe(
    source: SourceReader, row: Mapping[str, object], state: FileState | Problem
) -> dict[str, object]:
    """Look at one picture and return a row of PROBE_SCHEMA."""
    facts = state if isinstance(state, Problem) else _look(source, row)
    found: dict[str, object] = {name: row.get(name) for name in PROBE_SCHEMA.names}
    if isinstance(facts, Problem):
        found.update(reason=facts.reason, detail=facts.detail)
    else:
        found.update(facts._asdict())
    if isinstance(state, FileState):
        found["mtime_ns"] = state.mtime_ns
    return found


def _look(source: SourceReader, row: Mapping[str, object]) -> PictureFacts | Problem:
    is_clip = row["media"] == "video"
    data = source.read(_location(row), MAX_CLIP_BYTES if is_clip else MAX_PICTURE_BYTES)
    if isinstance(data, Problem):
        return data
    return probe_clip(data) if is_clip else probe_picture(data)


def _location(row: Mapping[str, object]) -> Location:
    offset, length = row["offset"], row["length"]
    return Location(
        str(row["root"]),
        str(row["file"]),
        offset if isinstance(offset, int) else None,
        length if isinstance(length, int) else None,
    )


def _reconcile(index: pa.Table, noted: pa.Table) -> pa.Table:
    """Give every row of the index in the shape of PROBE_SCHEMA, with notes where there are any."""
    at = pc.index_in(index["key"], value_set=noted["key"])
    same = pc.equal(noted["sha256"].take(at), index["sha256"]) if noted.num_rows else None
    columns = []
    for field in PROBE_SCHEMA:
        if field.name in ("root", "file", "offset", "mtime_ns"):
            column = noted[field.name].take(at) if noted.num_rows else pa.nulls(len(at), field.type)
            if same is not None:
                column = pc.if_else(pc.fill_null(same, False), column, pa.scalar(None, field.type))
            if field.name in index.column_names:
                column = pc.coalesce(column, index[field.name])
            columns.append(column)
        elif field.name in index.column_names:
            columns.append(index[field.name])
        else:
            columns.append(pa.nulls(index.num_rows, field.type))
    return pa.Table.from_arrays(columns, schema=PROBE_SCHEMA)


class _Seen:
    """Looks up known pictures whose files are unchanged, or stored though their files are gone."""

    def __init__(self, known: Known | None) -> None:
        self._table = known.seen if known is not None else PROBE_SCHEMA.empty_table()
        self._rows = {key: row for row, key in enumerate(self._table["key"].to_pylist())}
        columns = ("root", "file", "offset", "size_bytes", "mtime_ns")
        self._notes = [self._table[name].to_pylist() for name in columns]
        self._shards = known.index["shard"].to_pylist() if known is not None else []

    def row_of(self, key: str, place: Location | LocateProblem, source: SourceReader) -> int | None:
        row = self._rows.get(key)
        if row is None:
            return None
        if isinstance(place, LocateProblem):
            return row if self._shards[row] is not None else None
        state = source.state(place)
        note = tuple(column[row] for column in self._notes)
        same = isinstance(state, FileState) and note == (*place[:3], *state)
        return row if same else None

    def take(self, rows: Sequence[int]) -> pa.Table:
        return self._table.combine_chunks().take(pa.array(rows, pa.int64()))
