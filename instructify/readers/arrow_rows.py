"""Read rows of Parquet and Arrow files, including those that the `datasets` library writes.

Batches are limited in rows and in bytes, since a column may hold pictures. A class label is a
number in the file, whose name is in the schema; it becomes the name.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from instructify._util.errors import UserError
from instructify._util.shards import map_file
from instructify.readers.base import CHUNK_ROWS, RawFile
from instructify.readers.parquet_spans import open_parquet, span_batches
from instructify.readers.rows import Cells, Rows, check_columns
from instructify.rejects import Reject

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_BATCH_BYTES = 32 << 20


def parquet_rows(file: RawFile, columns: Sequence[str]) -> Iterator[Rows]:
    """Stream the rows of a Parquet file."""
    position = 0 if file.span is None else file.span.first
    try:
        with open_parquet(file.path) as table:
            schema = table.schema_arrow
            check_columns(file, columns, schema.names)
            # pyarrow treats a dot in a name as a path into a nested column: then read all columns.
            wanted = None if any("." in column for column in columns) else list(columns)
            labels = _class_labels(schema, columns)
            rows = _batch_rows_of(table)
            if file.span is None:
                batches = table.iter_batches(batch_size=rows, columns=wanted)
            else:
                batches = span_batches(table, file.path, file.span, rows, wanted)
            for batch in batches:
                yield _rows(file, batch, position, labels)
                position += batch.num_rows
            if file.span is not None:
                file.span.num_items = position - file.span.first
    except (OSError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        what = str(error).splitlines()[0] if str(error) else "unreadable"
        raise UserError(
            f"{file.name} is no whole Parquet file ({what}); write it again."
        ) from error


def arrow_rows(file: RawFile, columns: Sequence[str]) -> Iterator[Rows]:
    """Stream the rows of an Arrow file, in the file or the stream format."""
    position = 0
    try:
        with _ArrowReader(file) as (schema, batches):
            check_columns(file, columns, schema.names)
            labels = _class_labels(schema, columns)
            for whole in batches:
                batch = whole.select(list(columns)) if columns else whole
                step = max(1, min(CHUNK_ROWS, _step(batch.nbytes, batch.num_rows)))
                for start in range(0, batch.num_rows, step):
                    yield _rows(file, batch.slice(start, step), position + start, labels)
                position += batch.num_rows
    except (OSError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        what = str(error).splitlines()[0] if str(error) else "unreadable"
        raise UserError(f"{file.name} is no whole Arrow file ({what}); write it again.") from error


def table_schema(file: RawFile) -> pa.Schema:
    """Return the schema of a Parquet or Arrow file."""
    try:
        if file.path.suffix.lower() == ".parquet":
            with open_parquet(file.path) as table:
                return table.schema_arrow
        with _ArrowReader(file) as (schema, _):
            return schema
    except (OSError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        kind = "Parquet" if file.path.suffix.lower() == ".parquet" else "Arrow"
        raise UserError(f"{file.name} is no whole {kind} file; write it again.") from error


class _ArrowReader:
    """Opens an Arrow file; `datasets` writes the stream format, others the file format."""

    def __init__(self, file: RawFile) -> None:
        self._file = file

    def __enter__(self) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        self._source = map_file(self._file.path)
        if self._source.read(6) == b"ARROW1":
            reader = pa.ipc.open_file(self._source)
            numbers = range(reader.num_record_batches)
            return reader.schema, (reader.get_batch(at) for at in numbers)
        self._source.seek(0)
        stream = pa.ipc.open_stream(self._source)
        return stream.schema, iter(stream)

    def __exit__(self, *_: object) -> None:
        self._source.close()


def _batch_rows_of(table: "pq.ParquetFile") -> int:
    sizes = [table.metadata.row_group(at) for at in range(table.num_row_groups)]
    largest = max((group.total_byte_size / max(1, group.num_rows) for group in sizes), default=1)
    return max(1, min(CHUNK_ROWS, int(_BATCH_BYTES / max(1.0, largest))))


def _step(num_bytes: int, num_rows: int) -> int:
    return int(_BATCH_BYTES / max(1.0, num_bytes / max(1, num_rows)))


def _class_labels(schema: pa.Schema, columns: Sequence[str]) -> dict[str, list[str]]:
    """Return the columns that are class labels of `datasets`, with the names of their classes."""
    try:
        metadata = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features: Mapping[str, Any] = metadata["info"]["features"]
        return {
            name: [str(label) for label in feature["names"]]
            for name, feature in features.items()
            if (not columns or name in columns)
            and isinstance(feature, dict)
            and feature.get("_type") == "ClassLabel"
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _rows(
    file: RawFile, batch: pa.RecordBatch, start: int, labels: Mapping[str, Sequence[str]]
) -> Rows:
    rows, rejects = _plain_rows(file, batch, start)
    if not labels:
        return Rows(rows, rejects)
    return Rows([(at, _with_labels(cells, labels)) for at, cells in rows], rejects)


def _with_labels(cells: Cells, labels: Mapping[str, Sequence[str]]) -> Cells:
    named = dict(cells)
    for column, names in labels.items():
        number = cells.get(column)
        if isinstance(number, int):
            named[column] = names[number] if 0 <= number < len(names) else None
    return named


def _plain_rows(
    file: RawFile, batch: pa.RecordBatch, start: int
) -> tuple[Sequence[tuple[int, Cells]], Sequence[Reject]]:
    try:
        return list(enumerate(batch.to_pylist(), start)), ()
    except (ValueError, OverflowError):  # a value can't be converted to Python: find its row
        pass
    rows: list[tuple[int, Cells]] = []
    rejects: list[Reject] = []
    for index in range(batch.num_rows):
        try:
            rows.append((start + index, batch.slice(index, 1).to_pylist()[0]))
        except (ValueError, OverflowError) as error:
            rejects.append(Reject(file.name, start + index, None, "bad-value", str(error)))
    return rows, rejects
