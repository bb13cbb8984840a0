"""What the tables of the picture index hold, and how a build's index is read and written.

The index itself is part of a build. Requests, probe results and the notes of when files were last
seen are work files: they hold times and never reach a manifest.
"""

from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from instructify._util.errors import UserError
from instructify._util.shards import FileFacts, private_name, read_arrow, stream_arrow

INDEX_FORMAT = "1"
BATCH_ROWS = 65_536

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
STORE_SCHEMA = pa.schema(
    [
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("data", pa.large_binary(), nullable=False),
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
REQUEST_SCHEMA = pa.schema(
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


class Known(NamedTuple):
    """What a build knows already: its index, its problems, and when files were last seen."""

    index: pa.Table
    problems: pa.Table
    seen: pa.Table  # rows of PROBE_SCHEMA without problems


def read_index(path: Path, *, validated: bool = True) -> pa.Table:
    """Map an index or a table of problems; one of another format is refused.

    Without `validated` nothing but its columns is looked at, and who touches a batch validates it.
    """
    table = read_arrow(path)
    if (table.schema.metadata or {}).get(b"format") != INDEX_FORMAT.encode():
        raise UserError(
            f"{path} was written by another version of instructify; convert into a new folder"
        )
    if not any(table.schema.equals(one) for one in (PICTURE_INDEX_SCHEMA, PROBLEM_SCHEMA)):
        raise UserError(f"{path} is damaged; run `instructify verify` on its build.")
    if validated:
        validate(table, path)
    return table


def validate(table: pa.Table | pa.RecordBatch, path: Path) -> None:
    """Check what Arrow trusts, offsets and UTF-8; a wrong offset can take the process down."""
    try:
        table.validate(full=True)
    except pa.ArrowException as error:
        raise UserError(f"{path} is damaged; run `instructify verify` on its build.") from error


def write_index(folder: Path, index: pa.Table) -> FileFacts:
    """Write an index into the build's folder of pictures, under a name of its content."""
    return _write_named(folder, "index", index)


def write_problems(folder: Path, problems: pa.Table) -> FileFacts:
    """Write which wanted pictures there are not, and why, beside the index."""
    return _write_named(folder, "problems", problems)


def _write_named(folder: Path, stem: str, table: pa.Table) -> FileFacts:
    beside = folder / private_name(stem)
    batches = table.combine_chunks().to_batches(BATCH_ROWS)
    facts = stream_arrow(beside, table.schema, batches)
    name = f"{stem}-{facts.sha256[:8]}.arrow"
    beside.replace(folder / name)
    return facts._replace(name=name)
