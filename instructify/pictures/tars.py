"""Pictures fetched by img2dataset: find the tar, or the folder of loose files, that contains a url.

img2dataset names its files by number and writes the url into the JSON file beside each picture. A
tar is scanned once by its headers (one unit of work per tar), and the scans become one map from
url name to place: arrays sorted by hash, memory-mapped, 26 bytes a picture. A truncated tar gives
the pictures before the break, and a note. `tar_samples` decides which members belong together.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from instructify._util.file_names import is_stray, is_text
from instructify._util.shards import read_arrow, stream_arrow
from instructify._util.terminal import visible
from instructify.catalog import Family
from instructify.pictures.keys import url_name
from instructify.pictures.roots import Location, Roots
from instructify.pictures.tar_samples import (
    MAX_NOTE_BYTES,
    PICTURE_SUFFIXES,
    Faults,
    note_url,
    scan_tar,
)

SCAN_SCHEMA = pa.schema(
    [
        pa.field("name", pa.string(), nullable=False),  # 20 hex digits
        ("member", pa.string()),  # name of a loose file; null in a tar
        ("offset", pa.int64()),
        ("size_bytes", pa.int64()),
    ],
    metadata={"format": "1"},
)
_SCAN_VERSION = 2  # of the way in which pictures and urls are put together
_PLACE = np.dtype([("tail", "<u2"), ("container", "<u4"), ("offset", "<i8"), ("size", "<i4")])


class _Part(NamedTuple):
    member: str | None
    offset: int | None
    size_bytes: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class WebUnit:
    """Scan a tar or folder; the result is in `staging` under a name made from the file's state."""

    roots: Roots
    root: str
    file: str
    staging: Path


class WebScan(NamedTuple):
    """A finished scan; `problem` says what could not be used of the tar, or is None."""

    root: str
    file: str
    path: Path
    problem: str | None


def plan_web(families: Mapping[str, Family], roots: Roots, staging: Path) -> list[WebUnit]:
    """List the tars and folders of all families that have any, in order of search."""
    places: dict[Location, None] = {}
    for root in roots:
        for family in families.values():
            bases = [*family.folders] if root.label == "raw" else [*family.folders, ""]
            for base in bases if family.tars else []:
                for path in _containers(root.path / base, family.tars):
                    place = roots.place(os.path.realpath(path))
                    if place is not None:
                        places[place] = None
    return [
        WebUnit(roots=roots, root=place.root, file=place.file, staging=staging) for place in places
    ]


def run_web(unit: WebUnit) -> WebScan:
    """Scan a tar or folder, unless the same state of it was scanned before."""
    path = unit.roots.path(unit.root, unit.file)
    state = path.stat()
    inputs = f"{unit.root!a}\0{unit.file!a}\0{state.st_size}\0{state.st_mtime_ns}\0{_SCAN_VERSION}"
    name = hashlib.sha256(inputs.encode()).hexdigest()[:32]
    staged = unit.staging / f"web-{name}.arrow"
    problem: str | None = None
    if not staged.exists():
        rows: dict[str, _Part] = {}
        if not is_text(unit.file):
            problem = f"{visible(unit.file)}: its name is not UTF-8; rename it"
        else:
            problem = _scan_folder(path, rows) if path.is_dir() else _scan_tar(path, rows)
        batch = _scan_batch(rows, problem)
        stream_arrow(staged, batch.schema, [batch])
    else:
        problem = _noted_problem(staged)
    return WebScan(unit.root, unit.file, staged, problem)


class WebMap:
    """The place of each url's picture, mapped from the files that `merge_web` writes."""

    def __init__(self, folder: Path) -> None:
        self._hashes: NDArray[np.uint64] = np.load(folder / "hashes.npy", mmap_mode="r")
        self._places = np.load(folder / "places.npy", mmap_mode="r")
        self._names = np.load(folder / "names.npy", mmap_mode="r")
        self._containers = msgspec.json.decode(
            (folder / "containers.json").read_bytes(), type=list[tuple[str, str]]
        )

    def __len__(self) -> int:
        return len(self._hashes)

    def find(self, name: str) -> Location | None:
        """Find a picture by its url name, 20 hex digits."""
        try:
            digits = int(name, 16)
        except ValueError:
            return None
        if len(name) != 20:
            return None
        row = int(np.searchsorted(self._hashes, np.uint64(digits >> 16)))
        while row < len(self._hashes) and int(self._hashes[row]) == digits >> 16:
            place = self._places[row]
            if int(place["tail"]) == digits & 0xFFFF:
                return self._location(place)
            row += 1
        return None

    def _location(self, place: np.void) -> Location:
        root, file = self._containers[int(place["container"])]
        offset, size = int(place["offset"]), int(place["size"])
        if size >= 0:
            return Location(root, file, offset, size)
        member = self._names[offset : offset - size].tobytes().decode()
        return Location(root, f"{file}/{member}")


def merge_web(scans: Sequence[WebScan], folder: Path) -> WebMap:
    """Write the map of all scans; where several contain a url, the first scan counts."""
    tables = [read_arrow(scan.path) for scan in scans]
    total = sum(table.num_rows for table in tables)
    hashes = np.empty(total, np.uint64)
    places = np.empty(total, _PLACE)
    names = bytearray()
    start = 0
    for number, table in enumerate(tables):
        stop = start + table.num_rows
        _fill(table, number, hashes[start:stop], places[start:stop], names)
        start = stop
    order = np.lexsort((places["tail"], hashes))  # stable: the first of equals stays first
    order = order[_first_of_equals(hashes[order], places["tail"][order])]
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "hashes.npy", hashes[order])
    np.save(folder / "places.npy", places[order])
    np.save(folder / "names.npy", np.frombuffer(bytes(names) or b"\0", np.uint8))
    (folder / "containers.json").write_bytes(
        msgspec.json.encode([(scan.root, visible(scan.file)) for scan in scans])
    )
    return WebMap(folder)


def _fill(
    table: pa.Table,
    number: int,
    hashes: NDArray[np.uint64],
    places: NDArray[np.void],
    names: bytearray,
) -> None:
    """Turn the rows of one scan into rows of the map."""
    digits = [int(name, 16) for name in table["name"].to_pylist()]
    hashes[:] = np.fromiter((number >> 16 for number in digits), np.uint64, len(digits))
    places["tail"] = np.fromiter((number & 0xFFFF for number in digits), np.uint16, len(digits))
    places["container"] = number
    members = table["member"].drop_null().to_pylist()
    if not members:
        places["offset"] = table["offset"].to_numpy()
        places["size"] = table["size_bytes"].to_numpy()
        return
    for row, member in enumerate(members):
        text = member.encode()
        places[row]["offset"], places[row]["size"] = len(names), -len(text)
        names += text


def _first_of_equals(hashes: NDArray[np.uint64], tails: NDArray[np.uint16]) -> NDArray[np.bool_]:
    first = np.ones(len(hashes), np.bool_)
    first[1:] = (hashes[1:] != hashes[:-1]) | (tails[1:] != tails[:-1])
    return first


def _containers(base: Path, globs: Sequence[str]) -> Iterator[Path]:
    """List tars, and the places of img2dataset's numbered folders of loose files."""
    for pattern in globs:
        yield from sorted(path for path in base.glob(pattern) if path.is_file())
        folders = base.glob(pattern.removesuffix(".tar"))
        yield from sorted(path for path in folders if path.name.isdecimal() and path.is_dir())


def _scan_tar(path: Path, rows: dict[str, _Part]) -> str | None:
    spans, problem = scan_tar(path)
    for url, span in spans.items():
        rows.setdefault(url_name(url), _Part(None, span.offset, span.size_bytes))
    return problem


def _scan_folder(path: Path, rows: dict[str, _Part]) -> str | None:
    """Pair the loose files of a folder, in which each name occurs once."""
    pictures: dict[str, list[str]] = {}
    urls: dict[str, str] = {}
    faults = Faults()
    with os.scandir(path) as entries:
        files = sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
    for name in files:
        stem, suffix = os.path.splitext(name)
        if suffix.lower() in PICTURE_SUFFIXES:
            pictures.setdefault(stem, []).append(name)
        elif suffix == ".json" and not is_stray(name):
            with (path / name).open("rb") as handle:
                url = note_url(stem, handle.read(MAX_NOTE_BYTES), faults)
            if url is not None:
                urls[stem] = url
    for stem, names in pictures.items():
        if stem not in urls:
            continue
        if not is_text(names[0]):
            faults.add(stem, "its name is not UTF-8; rename it")
            continue
        if len(names) > 1:
            faults.add(stem, f"{len(names)} pictures, so none of them is used")
        else:
            rows.setdefault(url_name(urls[stem]), _Part(names[0], None, None))
    return faults.summary(path.name)


def _scan_batch(rows: dict[str, _Part], problem: str | None) -> pa.RecordBatch:
    parts = list(rows.values())
    return pa.RecordBatch.from_arrays(
        [
            pa.array(list(rows), pa.string()),
            pa.array([part.member for part in parts], pa.string()),
            pa.array([part.offset for part in parts], pa.int64()),
            pa.array([part.size_bytes for part in parts], pa.int64()),
        ],
        schema=SCAN_SCHEMA.with_metadata({"format": "1", "problem": problem or ""}),
    )


def _noted_problem(path: Path) -> str | None:
    metadata = read_arrow(path).schema.metadata or {}
    return metadata.get(b"problem", b"").decode() or None
