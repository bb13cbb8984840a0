"""Read a part of a Parquet file, which is split between rows.

A row group is compressed as a whole, so rows have no place in the file. Here the bytes of a group
are divided among its rows in equal shares, and a row belongs to the part that its share begins in.
A part that begins within a group decodes the rows before it, which takes far less time than making
records of rows.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from instructify._util.shards import map_file
from instructify.readers.spans import Span

if TYPE_CHECKING:
    import pyarrow.parquet as pq


class _Group(NamedTuple):
    """A row group: its bytes in the file, and the number of its rows."""

    start: int
    stop: int
    rows: int

    def first_row(self, place: int) -> int:
        """Return the first row whose share of the bytes does not begin before a place."""
        if place <= self.start:
            return 0
        if place >= self.stop:
            return self.rows
        return -(-(place - self.start) * self.rows // (self.stop - self.start))


def open_parquet(path: Path) -> "pq.ParquetFile":
    """Open a Parquet file, mapped into memory."""
    import pyarrow.parquet as pq  # slow to import

    return pq.ParquetFile(map_file(path))


def parquet_cuts(path: Path, targets: Sequence[int], most: int) -> list[int]:
    """Find a cut at or after each place: before a row group, or within one of over `most` bytes."""
    with open_parquet(path) as table:
        groups = _groups(table, path)
    if not groups or any(group.start >= group.stop for group in groups):
        return []  # the groups are not in order
    stops = [group.stop for group in groups]
    cuts: list[int] = []
    for target in targets:
        group = groups[bisect_right(stops, target)]
        cuts.append(target if group.stop - group.start > most else group.stop)
    return cuts


def rows_of_span(table: "pq.ParquetFile", path: Path, span: Span) -> int:
    """Count the rows of a part of a file."""
    groups = _groups(table, path)
    return sum(group.first_row(span.stop) - group.first_row(span.start) for group in groups)


def span_batches(
    table: "pq.ParquetFile", path: Path, span: Span, batch_rows: int, columns: list[str] | None
) -> Iterator[pa.RecordBatch]:
    """Stream the rows of a part of a file."""
    for at, group in enumerate(_groups(table, path)):
        start, stop = group.first_row(span.start), group.first_row(span.stop)
        passed = 0
        if start >= stop:
            continue
        for batch in table.iter_batches(batch_size=batch_rows, row_groups=[at], columns=columns):
            first = max(0, start - passed)
            if first < batch.num_rows:
                yield batch.slice(first, stop - passed - first)
            passed += batch.num_rows
            if passed >= stop:
                break


def _groups(table: "pq.ParquetFile", path: Path) -> list[_Group]:
    """List the row groups; together they cover the whole file."""
    found = [table.metadata.row_group(at) for at in range(table.num_row_groups)]
    starts = [0, *(_start_of(group) for group in found[1:]), path.stat().st_size]
    return [
        _Group(start, stop, group.num_rows)
        for group, start, stop in zip(found, starts, starts[1:], strict=False)
    ]


def _start_of(group: "pq.RowGroupMetaData") -> int:
    """Return where the first column of a row group begins."""
    if not group.num_columns:
        return 0
    column = group.column(0)
    place: int = column.dictionary_page_offset or column.data_page_offset
    return place
