"""The unit of records: a split, its raw files and options, and the key made from them."""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from instructify._util.keyed import Hashes
from instructify.build.coverage import Coverage, Side, sides_of
from instructify.build.manifest import FileEntry, RawSource, content_key
from instructify.build.paths import hash_notes
from instructify.build.raw import RawRoots, RawSplit, option_values, read_context, reader_of
from instructify.build.source_hashes import Hashing
from instructify.catalog import Dataset
from instructify.readers import Chunk, Planned, RawFile, ReadContext, apply_ocr, load_ocr
from instructify.schema import RECORD_FORMAT, RECORD_SCHEMA

SHARD_ROWS = 131_072
RECEIPT = "receipt.json"
REJECTS = "rejects.jsonl"


class Sources(NamedTuple):
    """The hashed raw files of a split."""

    raw: list[RawSource]
    ocr: RawSource | None


class MadeRange(NamedTuple):
    """A range of a split that was read: its folder and the position of its first item."""

    folder: Path
    offset: int
    rows: int
    forms: Mapping[str, int]
    coverage: Coverage


class Made(NamedTuple):
    """A split that was read in ranges without doubt, and its finished shards."""

    ranges: tuple[MadeRange, ...]
    shards: tuple[tuple[Path, FileEntry], ...]


@dataclass(kw_only=True, slots=True)
class Written:
    """The files of a split for the receipt, and the hashes of all ids and picture keys."""

    records: int
    forms: dict[str, int]
    rejects: Mapping[str, int]
    coverage: Coverage
    shards: dict[str, FileEntry]
    pack: dict[str, FileEntry]
    id_hashes: list[Hashes]
    key_hashes: list[Hashes]


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordsUnit:
    """Everything that the records of a split depend on, and the staging folder."""

    dataset: Dataset
    split: str
    files: Mapping[str, RawFile]
    roots: RawRoots
    ocr: RawFile | None
    seed: int
    limit: int | None
    staging: Path
    made: Made | None = None  # the result of reading by ranges; not part of the key
    planned: Planned | None = None  # for a range: the decision from all ranges; not part of the key

    @property
    def name(self) -> str:
        return f"{self.dataset.name}/{self.split}"

    @property
    def key(self) -> str:
        """Hash what the records depend on, the content of the raw files included."""
        with self.hashing() as hashes:
            return records_key(self, sources_of(self, hashes))

    @property
    def raw_files(self) -> list[RawFile]:
        return [*self.files.values(), *(() if self.ocr is None else (self.ocr,))]

    def hashing(self) -> Hashing:
        """Start to hash the raw files."""
        return Hashing(self.raw_files, hash_notes(self.staging))


def sources_of(unit: RecordsUnit, hashes: Hashing) -> Sources:
    """Wait for the hashes of the files of a unit."""
    raw = [hashes.of(role, file) for role, file in sorted(unit.files.items())]
    return Sources(raw, None if unit.ocr is None else hashes.of("ocr", unit.ocr))


def records_key(unit: RecordsUnit, sources: Sources) -> str:
    """Hash what records depend on: raw content, reader version and options, but no paths."""
    reader = reader_of(unit.dataset)
    ocr = sources.ocr
    return content_key(
        "records",
        {
            "format": RECORD_FORMAT,
            "reader": reader.key,
            "dataset": unit.dataset.name,
            "split": unit.split,
            "options": dict(unit.dataset.options),
            "sources": [(source.role, source.name, source.sha256) for source in sources.raw],
            "ocr": None if ocr is None else (ocr.name, ocr.sha256),
            "seed": unit.seed,
            "limit": unit.limit,
        },
    )


def sides_of_unit(unit: RecordsUnit) -> dict[str, Side]:
    """List the side files that records of this unit may use."""
    return sides_of(unit.files, option_values(unit.dataset), unit.ocr)


def context_of(unit: RecordsUnit) -> ReadContext:
    """Make the context of the reader of a unit."""
    raw = RawSplit(dataset=unit.dataset, split=unit.dataset.split(unit.split), files=unit.files)
    return read_context(raw, unit.roots, unit.seed, unit.limit)


@contextmanager
def collector_paused() -> Iterator[None]:
    """Disable the garbage collector, which would go through millions of objects without cycles."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def read_chunks(unit: RecordsUnit) -> Iterator[Chunk]:
    """Read the chunks of a split from its reader, with OCR tokens of a side file added."""
    raw = RawSplit(dataset=unit.dataset, split=unit.dataset.split(unit.split), files=unit.files)
    return read_split(
        raw, unit.roots, unit.ocr, seed=unit.seed, limit=unit.limit, planned=unit.planned
    )


def read_split(
    raw: RawSplit,
    roots: RawRoots,
    ocr: RawFile | None,
    *,
    seed: int,
    limit: int | None,
    planned: Planned | None = None,
) -> Iterator[Chunk]:
    """Read a split whose files were found, with OCR tokens of a side file added."""
    context = replace(read_context(raw, roots, seed, limit), planned=planned)
    chunks = reader_of(raw.dataset).read(context)
    if ocr is None:
        return chunks
    return _with_tokens(chunks, ocr, int(context.options.get("ocr_tokens", 30)))


def _with_tokens(chunks: Iterator[Chunk], ocr: RawFile, most: int) -> Iterator[Chunk]:
    """Add the tokens of a side file; lines of it that can't be read come first, as rejects."""
    table = load_ocr(ocr)
    yield Chunk(pa.RecordBatch.from_pylist([], schema=RECORD_SCHEMA), table.rejects)
    for chunk in chunks:
        yield chunk._replace(records=apply_ocr(chunk.records, table, most))
