"""The schemas of the tables of the picture index, and how a part of them is read and written.

The index and the table of problems are parts of a build. All others are work files: they contain
times and never reach a manifest. Every table is sorted by `key_hash` and `key` (`key_order.py`).
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pyarrow as pa

from instructify._util.canonical import canonical
from instructify._util.errors import UserError
from instructify._util.shards import (
    FileFacts,
    private_name,
    read_arrow,
    stream_arrow,
    unwritable,
)

Mode = Literal["store", "reference"]

INDEX_FORMAT = "2"
STORE_FORMAT = "1"
BATCH_ROWS = 65_536

_KEY = [
    pa.field("key_hash", pa.uint64(), nullable=False),  # xxh3_64 of the key
    pa.field("key", pa.string(), nullable=False),
]
_MEDIA = pa.field("media", pa.string(), nullable=False)  # image | video
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
        *_KEY,
        _MEDIA,
        *_CONTENT,
        ("shard", pa.string()),  # stored: name of the shard in pictures/, and row in it
        ("row", pa.int32()),
        *_PLACE,  # referenced: where the file lies
    ],
    metadata={"format": INDEX_FORMAT},
)
STORE_SCHEMA = pa.schema(
    [
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("data", pa.large_binary(), nullable=False),
    ],
    metadata={"format": STORE_FORMAT},
)
PROBLEM_SCHEMA = pa.schema(
    [
        *_KEY,
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
    ],
    metadata={"format": INDEX_FORMAT},
)
KEY_SCHEMA = pa.schema(_KEY)
FOUND_SCHEMA = pa.schema([*_KEY, _MEDIA, *_CONTENT, *_PLACE, ("mtime_ns", pa.int64())])
FACTS_SCHEMA = pa.schema(
    [
        *FOUND_SCHEMA,
        ("unchanged", pa.bool_()),  # unchanged since the last conversion, so not looked at again
        ("reason", pa.string()),  # why there are no facts
        ("detail", pa.string()),
    ]
)
REQUEST_SCHEMA = pa.schema([*_KEY, _MEDIA, *_PLACE, ("length", pa.int64())])
LOCATED_SCHEMA = pa.schema(
    [
        *_KEY,
        _MEDIA,
        ("state", pa.int8()),  # one of the numbers of `locating.State`
        ("reason", pa.string()),  # why there is no file in the folders
        ("detail", pa.string()),
        # When the build last saw it, for a key that may lie in a container:
        *_PLACE,
        ("size_bytes", pa.int64()),
        ("mtime_ns", pa.int64()),
    ]
)


def read_index(path: Path, *, validated: bool = True) -> pa.Table:
    """Map a part of an index or of a table of problems; UserError if it has another format.

    Without `validated` only the columns are checked, and the caller validates each batch before
    use.
    """
    table = read_arrow(path)
    if (table.schema.metadata or {}).get(b"format") != INDEX_FORMAT.encode():
        raise UserError(
            f"{path} was written by another version of instructify; convert into a new folder"
        )
    if not any(table.schema.equals(schema) for schema in (PICTURE_INDEX_SCHEMA, PROBLEM_SCHEMA)):
        raise UserError(f"{path} is damaged; run `instructify verify` on its build.")
    if validated:
        validate(table, path)
    return table


def read_indices(paths: Sequence[Path], schema: pa.Schema, *, validated: bool = True) -> pa.Table:
    """Map all parts of an index, or of a table of problems, as one table."""
    parts = [read_index(path, validated=validated) for path in paths]
    return pa.concat_tables([schema.empty_table(), *parts]) if parts else schema.empty_table()


def validate(table: pa.Table | pa.RecordBatch, path: Path) -> None:
    """Check offsets and UTF-8, which Arrow trusts: a wrong offset can crash the process."""
    try:
        table.validate(full=True)
    except pa.ArrowException as error:
        raise UserError(f"{path} is damaged; run `instructify verify` on its build.") from error


def write_part(folder: Path, stem: str, number: int, table: pa.Table) -> FileFacts:
    """Write a part of an index under a name of its number and content.

    The table may be cut out of a larger one, of whose bytes nothing is written.
    """
    beside = folder / private_name(stem)
    facts = stream_arrow(beside, table.schema, canonical(table).to_batches(BATCH_ROWS))
    name = f"{stem}-{number:03}-{facts.sha256[:8]}.arrow"
    beside.replace(folder / name)
    return facts._replace(name=name)


def write_work(path: Path, table: pa.Table) -> Path:
    """Write a work file as one batch, which is mapped without copies.

    The file is complete or absent, but neither hashed nor synced: every run writes such files anew.
    """
    beside = path.with_name(private_name(path.name))
    try:
        with beside.open("xb") as handle, pa.ipc.new_file(handle, table.schema) as writer:
            if table.num_rows:
                writer.write_batch(table.combine_chunks().to_batches()[0])
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise unwritable(path, error) from error
    return path


def write_named(folder: Path, stem: str, table: pa.Table) -> Path:
    """Write a work file under a name made from its content, which units that read it depend on."""
    digest = hashlib.sha256()
    for batch in table.combine_chunks().to_batches():
        digest.update(batch.serialize())
    return write_work(folder / f"{stem}-{digest.hexdigest()[:32]}.arrow", table)
