"""The rows of Energon's SQLite index: samples and their parts.

One process writes them to the database as it writes the tars. The unit of a piece writes them to an
Arrow file beside its tars, from which the database is filled in the same order and in blocks of the
same length, so that its bytes are the same.
"""

import errno
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from instructify._util.shards import regrouped

ROWS = "samples.arrow"
HELD_ROWS = 4_096
ROWS_SCHEMA = pa.schema(
    [
        pa.field("tar", pa.int32(), nullable=False),
        pa.field("number", pa.int32(), nullable=False),  # of the sample in its tar
        pa.field("key", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("part_names", pa.list_(pa.string()), nullable=False),
        pa.field("part_offsets", pa.list_(pa.int64()), nullable=False),
        pa.field("part_sizes", pa.list_(pa.int64()), nullable=False),
    ]
)

# The statements of SqliteIndexWriter in energon's flavors/webdataset/indexing.py.
_TABLES = (
    "CREATE TABLE samples (tar_file_id INTEGER NOT NULL, sample_key TEXT NOT NULL UNIQUE, "
    "sample_index INTEGER NOT NULL, byte_offset INTEGER, byte_size INTEGER)",
    "CREATE TABLE sample_parts (tar_file_id INTEGER, sample_index INTEGER, part_name TEXT, "
    "content_byte_offset INTEGER, content_byte_size INTEGER)",
)
_INDICES = (
    "CREATE INDEX idx_samples_by_tar_and_idx ON samples(tar_file_id, sample_index)",
    "CREATE INDEX idx_sample_parts_seq "
    "ON sample_parts(tar_file_id, sample_index, content_byte_offset)",
    "CREATE INDEX idx_sample_parts_full ON sample_parts"
    "(tar_file_id, sample_index, part_name, content_byte_offset, content_byte_size)",
)
_INSERT = "INSERT INTO {} VALUES (?, ?, ?, ?, ?)"

Part = tuple[str, int, int]  # name after the key, offset of its bytes in the tar, number of bytes


class SampleRow(NamedTuple):
    """A sample: its tar, its number in the tar, and its extent there."""

    tar: int
    number: int
    key: str
    offset: int
    size_bytes: int
    parts: Sequence[Part]


class Rows(Protocol):
    """Takes the rows of a dataset in the order of the samples."""

    def add(self, row: SampleRow) -> None:
        """Add a sample with its parts."""

    def close(self) -> None:
        """Write the remaining rows; the file is complete after this."""


class IndexDatabase:
    """The SQLite index of a dataset."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, isolation_level=None)
        # The file is not read before it is complete, so it needs no journal.
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE"):
            self._database.execute(f"PRAGMA {pragma}").fetchall()
        self._database.execute("BEGIN")
        for statement in _TABLES:
            self._database.execute(statement)
        self._held: list[SampleRow] = []

    def add(self, row: SampleRow) -> None:
        self._held.append(row)
        if len(self._held) >= HELD_ROWS:
            self._flush()

    def add_tables(self, tables: Iterable[pa.Table]) -> None:
        """Add the tables of all pieces, as if their rows were added to an empty index."""
        for block in regrouped(tables, HELD_ROWS):
            tars, numbers = block["tar"].to_numpy(), block["number"].to_numpy()
            places = [column.to_pylist() for column in block.select(["key", "number"]).columns]
            extents = [column.to_pylist() for column in block.select(["offset", "size"]).columns]
            lists = [
                block[name].combine_chunks()
                for name in ("part_names", "part_offsets", "part_sizes")
            ]
            num_parts = lists[0].value_lengths().to_numpy()
            parts = [column.flatten().to_pylist() for column in lists]
            self._insert(
                zip(tars.tolist(), *places, *extents, strict=True),
                zip(
                    np.repeat(tars, num_parts).tolist(),
                    np.repeat(numbers, num_parts).tolist(),
                    *parts,
                    strict=True,
                ),
            )

    def close(self) -> None:
        """Write the remaining rows and the indices of the tables."""
        self._flush()
        with _as_os_error():
            for statement in _INDICES:
                self._database.execute(statement)
            self._database.execute("COMMIT")
            self._database.close()

    def _flush(self) -> None:
        rows, self._held = self._held, []
        self._insert(
            ((row.tar, row.key, row.number, row.offset, row.size_bytes) for row in rows),
            ((row.tar, row.number, *part) for row in rows for part in row.parts),
        )

    def _insert(
        self,
        samples: Iterable[tuple[int, str, int, int, int]],
        parts: Iterable[tuple[int, int, str, int, int]],
    ) -> None:
        with _as_os_error():
            self._database.executemany(_INSERT.format("samples"), samples)
            self._database.executemany(_INSERT.format("sample_parts"), parts)


class IndexRows:
    """The rows of a piece as an Arrow file; tars are numbered within the piece."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = path.open("wb")
        self._writer = pa.ipc.new_file(self._handle, ROWS_SCHEMA)
        self._held: list[SampleRow] = []

    def add(self, row: SampleRow) -> None:
        self._held.append(row)
        if len(self._held) >= HELD_ROWS:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()
        self._handle.close()

    def _flush(self) -> None:
        rows, self._held = self._held, []
        if not rows:
            return
        tars, numbers, keys, offsets, sizes, parts_of = zip(*rows, strict=True)
        parts = [[[part[field] for part in parts] for parts in parts_of] for field in range(3)]
        columns = (tars, numbers, keys, offsets, sizes, *parts)
        arrays = [
            pa.array(column, field.type) for column, field in zip(columns, ROWS_SCHEMA, strict=True)
        ]
        self._writer.write_batch(pa.record_batch(arrays, schema=ROWS_SCHEMA))


@contextmanager
def _as_os_error() -> Iterator[None]:
    """Raise errors of SQLite, such as a full disk, as OSError like those of other files."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise OSError(errno.EIO, str(error)) from error
