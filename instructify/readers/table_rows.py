"""Rows of the user's own table, whatever its file type: CSV, TSV, JSON list, JSON lines or Parquet.

Rows come in batches of bounded size, in file order, with at least the wanted columns; a row that
cannot be read becomes a reject and its neighbours are kept. What the cells mean is judged by
`readers.table`.
"""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from instructify._util.errors import UserError, did_you_mean
from instructify._util.shards import map_file
from instructify.readers.base import CHUNK_ROWS, RawFile, unreadable
from instructify.readers.json_items import Items, read_lines, read_list
from instructify.rejects import Reject

Cells = Mapping[str, object]


class Rows(NamedTuple):
    """Consecutive good rows with their 0-based positions, and the bad ones among them."""

    rows: Sequence[tuple[int, Cells]]
    rejects: Sequence[Reject]


def read_rows(file: RawFile, columns: Sequence[str]) -> Iterator[Rows]:
    """Stream the rows of a table; a column that the whole table lacks is a UserError."""
    readers: dict[str, Callable[[RawFile, Sequence[str]], Iterator[Rows]]] = {
        ".csv": _csv_rows,
        ".tsv": _csv_rows,
        ".json": _json_rows,
        ".jsonl": _json_rows,
        ".parquet": _parquet_rows,
    }
    suffix = file.path.suffix.lower()
    if suffix not in readers:
        raise UserError(f"{file.name} is no table that we read; allowed: {', '.join(readers)}.")
    return readers[suffix](file, columns)


def _check_columns(file: RawFile, wanted: Sequence[str], present: Sequence[str]) -> None:
    for column in wanted:
        if column not in present:
            raise UserError(
                f"{file.name} has no column '{column}'; {did_you_mean(column, present)}"
            )
        if present.count(column) > 1:
            raise UserError(f"{file.name} has two columns '{column}'; rename one of them.")


def _json_rows(file: RawFile, columns: Sequence[str]) -> Iterator[Rows]:
    lines = file.path.suffix.lower() == ".jsonl"
    read: Iterator[Items[dict[str, Any]]] = (
        read_lines(file, dict[str, Any]) if lines else read_list(file, dict[str, Any])
    )
    for found in read:
        yield Rows(list(zip(found.positions, found.items, strict=True)), found.rejects)


def _csv_rows(file: RawFile, columns: Sequence[str]) -> Iterator[Rows]:
    try:
        # Bytes that are no UTF-8 become surrogates, and so the fault of one row, not of the file.
        handle = file.path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")
    except OSError as error:
        raise unreadable(file, error) from error
    with handle:
        yield from _csv_batches(file, handle, columns)


def _csv_batches(file: RawFile, handle: TextIO, columns: Sequence[str]) -> Iterator[Rows]:
    dialect = "excel-tab" if file.path.suffix.lower() == ".tsv" else "excel"
    lines = csv.reader(handle, dialect, strict=True)
    header = _next_line(lines)
    if not isinstance(header, list):
        raise UserError(f"{file.name} has no header line; its first line must name the columns.")
    _check_columns(file, columns, header)
    rows: list[tuple[int, Cells]] = []
    rejects: list[Reject] = []
    position = 0
    while (line := _next_line(lines)) is not None:
        if line == []:
            continue  # an empty line is no row
        row = _csv_row(file, header, line, position)
        if isinstance(row, Reject):
            rejects.append(row)
        else:
            rows.append((position, row))
        position += 1
        if len(rows) + len(rejects) >= CHUNK_ROWS:
            yield Rows(rows, rejects)
            rows, rejects = [], []
    yield Rows(rows, rejects)


def _next_line(lines: "Iterator[list[str]]") -> list[str] | str | None:
    """Return the next line's cells, the parser's complaint about it, or None at the end."""
    try:
        return next(lines, None)
    except csv.Error as error:
        return str(error)


def _csv_row(
    file: RawFile, header: Sequence[str], line: list[str] | str, position: int
) -> Cells | Reject:
    if isinstance(line, str):
        return Reject(file.name, position, None, "bad-value", f"not a line of CSV: {line}")
    if len(line) != len(header):
        what = f"{len(line)} cells under {len(header)} column names"
        reason = "missing-field" if len(line) < len(header) else "bad-value"
        return Reject(file.name, position, None, reason, what)
    # An empty cell is all that CSV has to say that there is nothing.
    return {name: cell or None for name, cell in zip(header, line, strict=True)}


def _parquet_rows(file: RawFile, columns: Sequence[str]) -> Iterator[Rows]:
    position = 0
    try:
        with pq.ParquetFile(map_file(file.path)) as table:
            _check_columns(file, columns, table.schema_arrow.names)
            # A dot in a name would be taken for a path into a nested column: then read them all.
            wanted = None if any("." in column for column in columns) else list(columns)
            for batch in table.iter_batches(batch_size=CHUNK_ROWS, columns=wanted):
                yield _batch_rows(file, batch, position)
                position += batch.num_rows
    except (OSError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        what = str(error).splitlines()[0] if str(error) else "unreadable"
        raise UserError(
            f"{file.name} is no whole Parquet file ({what}); write it again."
        ) from error


def _batch_rows(file: RawFile, batch: pa.RecordBatch, start: int) -> Rows:
    try:
        return Rows(list(enumerate(batch.to_pylist(), start)), ())
    except (ValueError, OverflowError):  # one value has no Python form: find its row
        pass
    rows: list[tuple[int, Cells]] = []
    rejects: list[Reject] = []
    for index in range(batch.num_rows):
        try:
            rows.append((start + index, batch.slice(index, 1).to_pylist()[0]))
        except (ValueError, OverflowError) as error:
            rejects.append(Reject(file.name, start + index, None, "bad-value", str(error)))
    return Rows(rows, rejects)
