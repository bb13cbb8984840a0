"""Write files that are complete or absent: Arrow shards, JSON and text, written, synced, then
renamed.

Shards use the Arrow file format, whose footer makes a truncated file unreadable; a truncated file
of the stream format is read without an error. Batches are small, so that a row is reached by batch
and offset, and each file has one dictionary per column, since readers refuse a replaced one.
"""

import hashlib
import json
import mmap
import os
import re
import secrets
import shutil
import socket
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import pyarrow as pa

from instructify._util.errors import UserError
from instructify._util.file_names import is_text
from instructify._util.outside import check_regular

BATCH_ROWS = 4_096
_HASH_BYTES = 1 << 20
_READ_BYTES = 8 << 20
_WRITE_BYTES = 4 << 20


class FileFacts(NamedTuple):
    """What the manifest says of a file; `rows` is 0 for files that are no tables."""

    name: str
    rows: int
    size_bytes: int
    sha256: str


class Syncer:
    """Syncs finished files to disk in the background; `wait` returns when all of them are safe."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._pending: list[Future[None]] = []

    def add(self, path: Path) -> None:
        self._pending.append(self._pool.submit(sync, path))

    def wait(self) -> None:
        """Raise the first error of a sync (a full disk shows up here)."""
        for future in self._pending:
            future.result()
        self._pending.clear()

    def close(self) -> None:
        self._pool.shutdown(wait=True)

    def __enter__(self) -> "Syncer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def write_arrow(
    path: Path,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch | pa.Table],
    *,
    batch_rows: int = BATCH_ROWS,
    syncer: Syncer | None = None,
) -> FileFacts:
    """Write a table as one Arrow file; with a syncer its content is on disk only after `wait`."""
    table = pa.Table.from_batches(_flat(batches), schema).unify_dictionaries()
    with _hashed(path, syncer) as sink:
        with _arrow_file(sink, schema) as writer:
            for start in range(0, table.num_rows, batch_rows):
                piece = table.slice(start, batch_rows).combine_chunks()
                writer.write_table(piece, batch_rows)
        return FileFacts(path.name, table.num_rows, sink.size_bytes, sink.hexdigest())


def stream_arrow(
    path: Path,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    *,
    syncer: Syncer | None = None,
) -> FileFacts:
    """Write batches as they come, for tables too large to hold; no dictionary columns."""
    rows = 0
    with _hashed(path, syncer) as sink:
        with _arrow_file(sink, schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
                rows += batch.num_rows
        return FileFacts(path.name, rows, sink.size_bytes, sink.hexdigest())


def stream_tables(
    path: Path,
    schema: pa.Schema,
    tables: Iterable[pa.Table],
    *,
    batch_rows: int = BATCH_ROWS,
    syncer: Syncer | None = None,
) -> FileFacts:
    """Write tables as they come, so that one is in memory at a time; bytes as of `write_arrow`.

    ArrowInvalid where a table has other dictionaries than the first.
    """
    rows = 0
    with _hashed(path, syncer) as sink:
        with _arrow_file(sink, schema) as writer:
            for piece in regrouped(tables, batch_rows):
                writer.write_table(piece, batch_rows)
                rows += piece.num_rows
        return FileFacts(path.name, rows, sink.size_bytes, sink.hexdigest())


def regrouped(tables: Iterable[pa.Table], num_rows: int) -> Iterator[pa.Table]:
    """Cut tables into pieces of equal length, all but the last, whatever their own lengths."""
    held: list[pa.Table] = []
    held_rows = 0
    for table in tables:
        if table.num_rows:
            held.append(table)
            held_rows += table.num_rows
        if held_rows < num_rows:
            continue
        whole = pa.concat_tables(held)
        stop = held_rows - held_rows % num_rows
        for start in range(0, stop, num_rows):
            yield whole.slice(start, num_rows).combine_chunks()
        held_rows -= stop
        held = [whole.slice(stop)] if held_rows else []
    if held:
        yield pa.concat_tables(held).combine_chunks()


def write_bytes(path: Path, data: bytes) -> FileFacts:
    """Write a small file atomically."""
    with _hashed(path, None) as sink:
        sink.write(data)
        return FileFacts(path.name, 0, sink.size_bytes, sink.hexdigest())


def write_blocks(path: Path, blocks: Iterable[bytes]) -> FileFacts:
    """Write a file atomically, a block at a time; a thread hashes a block while it is written."""
    with ThreadPoolExecutor(1) as hasher, _hashed(path, None, hasher) as sink:
        for block in blocks:
            sink.write(block)
        return FileFacts(path.name, 0, sink.size_bytes, sink.hexdigest())


def write_json(path: Path, value: object) -> FileFacts:
    """Write JSON for people and machines: sorted as given, indented, one newline at the end.

    The file is UTF-8 whatever it says: a byte of a path that is no UTF-8, which Python holds as
    half of a UTF-16 pair, is written as JSON's escape of that half, and read back by `read_json`.
    """
    text = json.dumps(value, indent=1, ensure_ascii=False)
    return write_bytes(path, (text + "\n").encode("utf-8", "backslashreplace"))


def read_json(path: Path) -> Any:
    """Read what `write_json` wrote, with paths that are no UTF-8; raises ValueError."""
    return json.loads(path.read_bytes())


def map_file(path: Path) -> pa.NativeFile:
    """Map a regular file for Arrow, whose own call takes no path that is not UTF-8."""
    check_regular(path)
    if is_text(str(path)):
        return pa.memory_map(str(path))
    with path.open("rb") as handle:
        size = os.fstat(handle.fileno()).st_size
        data = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
    return pa.BufferReader(pa.py_buffer(data))


def read_arrow(path: Path, schema: pa.Schema | None = None) -> pa.Table:
    """Map an Arrow file; UserError where it is damaged or cut short.

    With a schema, that of the file has to be the same, and all offsets and texts are validated:
    Arrow trusts them, and the file may be a stranger's.
    """
    try:
        with map_file(path) as source:
            table = pa.ipc.open_file(source).read_all()
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path) from error
    return table if schema is None else valid_arrow(table, schema, path)


def valid_arrow(table: pa.Table, schema: pa.Schema, path: Path) -> pa.Table:
    """Give back a table, or a part of one, once columns, offsets and texts are known to be right.

    Raises UserError naming the file that it is of.
    """
    try:
        if not table.schema.equals(schema):
            raise pa.ArrowInvalid("other columns")
        table.validate(full=True)
    except pa.ArrowException as error:
        raise _damaged(path) from error
    return table


def _damaged(path: Path) -> UserError:
    return UserError(f"{path} is damaged or incomplete; run `instructify verify` on its build.")


def map_batches(path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Map a shard and go through its batches, whose content is not validated.

    Raises ArrowException or OSError where it is damaged or has other columns.
    """
    reader = pa.ipc.open_file(map_file(path))
    if not reader.schema.equals(schema):
        raise pa.ArrowInvalid(f"{path} has other columns")
    for number in range(reader.num_record_batches):
        yield reader.get_batch(number)


def hash_file(path: Path) -> str:
    """Return the sha256 of a file's bytes."""
    check_regular(path)
    digest = hashlib.sha256()
    # Large blocks, since a thread that hashes has to ask for the interpreter between two of them.
    block = memoryview(bytearray(_READ_BYTES))
    with path.open("rb", buffering=0) as handle:
        while size := handle.readinto(block):
            digest.update(block[:size])
    return digest.hexdigest()


def unwritable(path: Path, error: OSError) -> UserError:
    """Say that a file can't be written, and why."""
    return UserError(
        f"{path} can't be written: {error.strerror or error}; make room or choose another place, "
        "then run the same command again."
    )


def fresh_folder(folder: Path) -> None:
    """Make an empty folder, whatever was there."""
    discard(folder)
    make_folder(folder)


def private_name(name: str) -> str:
    """Make up a hidden name that no other writer has, on this machine or another."""
    host = re.sub("[^0-9A-Za-z]", "", socket.gethostname())[:12]
    return f".{name[:40]}.{host}-{os.getpid()}-{secrets.token_hex(6)}.tmp"


def sweep(folder: Path) -> None:
    """Remove what writes that were killed left in a folder; only its one writer may do so."""
    for left in folder.glob(".*.tmp"):
        if left.is_symlink() or not left.is_dir():  # our writers leave files
            left.unlink(missing_ok=True)


def discard(path: Path) -> None:
    """Remove a folder with all that is in it, or whatever else has its name.

    Of a link only the link is removed. What can't be removed stays.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    with suppress(OSError):
        path.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder where there is none."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error


def sync(path: Path) -> None:
    """Bring a file to the disk, or the renames inside a folder."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise unwritable(path, error) from error


class _HashedSink:
    """A write-only file that hashes what passes through."""

    def __init__(self, handle: BinaryIO, hasher: ThreadPoolExecutor | None = None) -> None:
        self._handle = handle
        self._hasher = hasher
        self._hash = hashlib.sha256()
        self._held: list[bytes] = []
        self._held_bytes = 0
        self.size_bytes = 0
        self.closed = False

    def write(self, data: bytes | memoryview) -> int:
        part = bytes(data)
        self._held.append(part)
        self._held_bytes += len(part)
        self.size_bytes += len(part)
        if self._held_bytes >= _HASH_BYTES:
            self.flush()
        return len(part)

    def flush(self) -> None:
        data = b"".join(self._held)
        self._held, self._held_bytes = [], 0
        hashed = self._hasher.submit(self._hash.update, data) if self._hasher else None
        rest = memoryview(data)
        while rest:  # a nearly full disk takes a part, and the next call fails
            rest = rest[self._handle.write(rest) :]
        if hashed is None:
            self._hash.update(data)
        else:
            hashed.result()  # so that one block at a time is held

    def close(self) -> None:
        self.flush()

    def hexdigest(self) -> str:
        self.flush()
        return self._hash.hexdigest()


@contextmanager
def _hashed(
    path: Path, syncer: Syncer | None, hasher: ThreadPoolExecutor | None = None
) -> Iterator[_HashedSink]:
    beside = path.with_name(private_name(path.name))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("xb", buffering=0) as handle:
            sink = _HashedSink(cast(BinaryIO, handle), hasher)
            yield sink
            sink.flush()
            if syncer is None:
                os.fsync(handle.fileno())
        os.replace(beside, path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        beside.unlink(missing_ok=True)
    if syncer is not None:
        syncer.add(path)


@contextmanager
def _arrow_file(sink: _HashedSink, schema: pa.Schema) -> Iterator[pa.RecordBatchFileWriter]:
    """Open an Arrow file that hands large blocks to a sink.

    A thread has to ask for the interpreter at each block, and a batch consists of dozens of small
    buffers.
    """
    with (
        pa.BufferedOutputStream(pa.PythonFile(sink, mode="w"), _WRITE_BYTES) as stream,
        pa.ipc.new_file(stream, schema) as writer,
    ):
        yield writer


def _flat(batches: Iterable[pa.RecordBatch | pa.Table]) -> list[pa.RecordBatch]:
    flat: list[pa.RecordBatch] = []
    for batch in batches:
        if isinstance(batch, pa.Table):
            flat.extend(batch.to_batches())
        else:
            flat.append(batch)
    return flat
