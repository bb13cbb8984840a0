"""A unit of work: convert the raw files of a split to record shards, rejects and picture keys.

It runs in any process and on any machine, and writes a folder with a receipt, which a restarted run
finds. It needs memory for two shards: one is written while the next is read.
"""

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from instructify._util.canonical import canonical
from instructify._util.keyed import Hashes, hash_texts
from instructify._util.outside import NotReadableError, decode_json, read_regular
from instructify._util.shards import FileFacts, Syncer, fresh_folder, write_arrow, write_bytes
from instructify.build.coverage import Coverage, CoverageCounter
from instructify.build.ledger import LedgerWriter
from instructify.build.manifest import FileEntry, RawSource, file_entry, is_whole
from instructify.build.paths import has_units, unit_folder
from instructify.build.range_records import put_together
from instructify.build.records_unit import (
    RECEIPT,
    REJECTS,
    SHARD_ROWS,
    RecordsUnit,
    Sources,
    Written,
    collector_paused,
    read_chunks,
    records_key,
    sides_of_unit,
    sources_of,
)
from instructify.build.unit_folder import private_folder, publish_folder
from instructify.pictures import PackWriter
from instructify.readers import Chunk
from instructify.rejects import Reject
from instructify.schema import RECORD_SCHEMA

_SHARD = re.compile(r"records-[0-9]{5,9}\.arrow")


class RecordsReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """The contents of the folder of a finished unit, whose name is the key."""

    key: str
    raw: list[RawSource]
    ocr: RawSource | None
    records: int
    pictures: int
    forms: dict[str, int]
    rejects: dict[str, int]
    coverage: Coverage = Coverage()
    shards: dict[str, FileEntry]  # file name in the folder => facts
    pack: dict[str, FileEntry] = {}  # the pictures embedded in the raw files, and their index


def find_records(unit: RecordsUnit, key: str) -> RecordsReceipt | None:
    """Return the receipt of a unit that was finished before with the same inputs."""
    folder = unit_folder(unit.staging, key)
    try:
        receipt = decode_json(read_regular(folder / RECEIPT), RecordsReceipt)
    except (FileNotFoundError, NotReadableError):
        return None
    if not all(_SHARD.fullmatch(name) for name in receipt.shards):
        return None
    files = {**receipt.shards, **receipt.pack}
    whole = all(is_whole(folder / name, facts) for name, facts in files.items())
    same = receipt.key == key == records_key(unit, Sources(receipt.raw, receipt.ocr))
    return receipt if same and whole else None


def run_records(unit: RecordsUnit) -> RecordsReceipt:
    """Read a split into its folder, unless this was done already.

    The raw files are hashed while they are read. If there are staged results, files are hashed
    first, since the result of this unit may be among them.
    """
    with unit.hashing() as hashes:
        if has_units(unit.staging):
            done = find_records(unit, records_key(unit, sources_of(unit, hashes)))
            if done is not None:
                return done
        with private_folder(unit.staging) as folder:
            if unit.made is None:
                written = _write(unit, folder, frozenset())
            else:
                written = put_together(unit, unit.made, folder)
            repeated = repeated_hashes(written.id_hashes)
            if repeated:  # rare, so a second reading is acceptable; the first of equal ids stays
                written = _write(unit, folder, repeated)
            sources = sources_of(unit, hashes)
            hashes.check_unchanged()
            receipt = _receipt(records_key(unit, sources), sources, written)
            write_bytes(folder / RECEIPT, msgspec.json.encode(receipt))
            return publish_folder(
                folder,
                unit_folder(unit.staging, receipt.key),
                receipt,
                lambda: find_records(unit, receipt.key),
            )


def _receipt(key: str, sources: Sources, written: Written) -> RecordsReceipt:
    return RecordsReceipt(
        key=key,
        raw=sources.raw,
        ocr=sources.ocr,
        records=written.records,
        pictures=num_distinct(written.key_hashes),
        forms=dict(sorted(written.forms.items())),
        rejects=dict(sorted(written.rejects.items())),
        coverage=written.coverage,
        shards=written.shards,
        pack=written.pack,
    )


class _Writer:
    """Collects chunks into shards, and the facts about them for the receipt.

    A thread writes a shard while the next one is read; most of writing needs no Python.
    """

    def __init__(self, folder: Path, syncer: Syncer, coverage: CoverageCounter) -> None:
        self.records = 0
        self.coverage = coverage
        self.forms: dict[str, int] = {}
        self.shards: dict[str, FileEntry] = {}
        self.id_hashes: list[Hashes] = []
        self.key_hashes: list[Hashes] = []
        self._folder = folder
        self._syncer = syncer
        self._held: list[pa.RecordBatch] = []
        self._held_rows = 0
        self._thread = ThreadPoolExecutor(1)
        self._pending: Future[FileFacts] | None = None

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(wait=True)

    def add(self, batch: pa.RecordBatch, id_hashes: Hashes) -> None:
        """Add a batch; write full shards of exactly SHARD_ROWS rows."""
        self.id_hashes.append(id_hashes)
        self.records += batch.num_rows
        counts = pc.value_counts(batch.column("form").cast(pa.string()))
        for entry in counts.to_pylist():
            self.forms[entry["values"]] = self.forms.get(entry["values"], 0) + entry["counts"]
        while batch.num_rows:
            piece = batch.slice(0, SHARD_ROWS - self._held_rows)
            batch = batch.slice(piece.num_rows)
            self._held.append(piece)
            self._held_rows += piece.num_rows
            if self._held_rows == SHARD_ROWS:
                self._flush()

    def finish(self) -> None:
        """Write the rest, and wait until all shards are written."""
        if self._held:
            self._flush()
        self._take_over()

    def _flush(self) -> None:
        """Start to write the collected rows as a shard, and hash its distinct picture keys."""
        self._take_over()  # one shard at a time limits memory
        keys = pc.unique(pa.chunked_array([b.column("pictures").flatten() for b in self._held]))
        self.key_hashes.append(hash_texts(keys))
        path = self._folder / f"records-{len(self.shards):05d}.arrow"
        table = pa.Table.from_batches(self._held, RECORD_SCHEMA)
        self._pending = self._thread.submit(write_records, path, table, self._syncer)
        self._held, self._held_rows = [], 0

    def _take_over(self) -> None:
        """Wait for the shard that is being written; an error of the thread is raised here."""
        if self._pending is None:
            return
        facts = self._pending.result()
        self.shards[facts.name] = file_entry(facts)
        self._pending = None


def write_records(path: Path, table: pa.Table, syncer: Syncer | None = None) -> FileFacts:
    """Write a shard, whose bytes depend only on its rows."""
    return write_arrow(path, RECORD_SCHEMA, [canonical(table)], syncer=syncer)


def _write(unit: RecordsUnit, folder: Path, repeated: frozenset[int]) -> Written:
    fresh_folder(folder)
    seen: set[str] = set()
    with (
        collector_paused(),
        Syncer() as syncer,
        LedgerWriter(folder / REJECTS, unit.dataset.name, unit.split) as ledger,
        _Writer(folder, syncer, CoverageCounter(sides_of_unit(unit))) as writer,
    ):
        pack = PackWriter(folder)
        for chunk in _limited(read_chunks(unit), unit.limit):
            ledger.add(chunk.rejects)
            for picture in chunk.embedded:
                pack.add(*picture)
            batch, hashes, doubles = _without_doubles(chunk.records, repeated, seen)
            ledger.add(doubles)
            writer.coverage.add(batch, chunk.remarks)
            writer.add(batch, hashes)
        writer.finish()
        packed = {facts.name: file_entry(facts) for facts in pack.close()}
        syncer.wait()
    pa.default_memory_pool().release_unused()  # or the threads that render samples add to it
    return Written(
        records=writer.records,
        forms=writer.forms,
        rejects=ledger.counts,
        coverage=writer.coverage.coverage(),
        shards=writer.shards,
        pack=packed,
        id_hashes=writer.id_hashes,
        key_hashes=writer.key_hashes,
    )


def _limited(chunks: Iterator[Chunk], limit: int | None) -> Iterator[Chunk]:
    left = limit
    for chunk in chunks:
        if left is None:
            yield chunk
            continue
        kept = [remark for remark in chunk.remarks if remark.row < left]
        yield chunk._replace(records=chunk.records.slice(0, left), remarks=kept)
        left -= chunk.records.num_rows
        if left <= 0:
            return


def _without_doubles(
    batch: pa.RecordBatch, repeated: frozenset[int], seen: set[str]
) -> tuple[pa.RecordBatch, Hashes, list[Reject]]:
    """Drop records whose id came before; `repeated`: the hashes of ids that may be repeated."""
    hashes = hash_texts(batch.column("record_id"))
    if not repeated:
        return batch, hashes, []
    keep = np.ones(len(hashes), np.bool_)
    rejects: list[Reject] = []
    for row, value in enumerate(hashes.tolist()):
        if value not in repeated:
            continue
        record_id = batch.column("record_id")[row].as_py()
        if record_id in seen:
            keep[row] = False
            source = batch.column("source")[row].as_py()
            position = batch.column("position")[row].as_py()
            detail = f"the id {record_id} is taken"
            rejects.append(Reject(source, position, None, "duplicate-id", detail))
        seen.add(record_id)
    return batch.filter(pa.array(keep)), hashes[keep], rejects


def repeated_hashes(parts: list[Hashes]) -> frozenset[int]:
    hashes = _sorted(parts)
    return frozenset(hashes[1:][hashes[1:] == hashes[:-1]].tolist())


def num_distinct(parts: list[Hashes]) -> int:
    hashes = _sorted(parts)
    return min(1, len(hashes)) + int(np.count_nonzero(hashes[1:] != hashes[:-1]))


def _sorted(parts: list[Hashes]) -> Hashes:
    """Concatenate and sort in place, and free the parts: there are millions of hashes."""
    hashes = np.concatenate([np.empty(0, np.uint64), *parts])
    parts.clear()
    hashes.sort()
    return hashes
