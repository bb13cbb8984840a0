"""Stream the rows of the user's own table of any type: CSV, TSV, JSON, Parquet, Arrow or a tar.

Rows come in batches of bounded size, in the order of the file, with at least the requested columns.
A row that can't be read becomes a reject, and the others are kept. `readers.table` interprets the
cells.
"""

import io
from collections.abc import Callable, Iterator, Sequence

from instructify._util.errors import UserError
from instructify._util.file_kinds import zip_names
from instructify.readers.arrow_rows import arrow_rows, parquet_rows, table_schema
from instructify.readers.base import CHUNK_ROWS, RawFile
from instructify.readers.json_rows import json_rows
from instructify.readers.opening import Opened, opened, plain_suffix
from instructify.readers.rows import Cells, Rows, check_columns
from instructify.readers.table_lines import Line, read_lines_of_csv, read_lines_of_tsv
from instructify.readers.tar_rows import tar_rows
from instructify.rejects import Reject


def read_rows(file: RawFile, columns: Sequence[str], key: str | None = None) -> Iterator[Rows]:
    """Stream the rows of a table; raises UserError if the table lacks a column.

    `key` is the place of the list of rows in a JSON object (dots descend).
    """
    suffix = table_suffix(file)
    if suffix == ".json":
        return json_rows(file, key)
    readers: dict[str, Callable[[RawFile, Sequence[str]], Iterator[Rows]]] = {
        ".csv": _text_rows,
        ".tsv": _text_rows,
        ".jsonl": _json_lines,
        ".parquet": parquet_rows,
        ".arrow": arrow_rows,
        ".tar": tar_rows,
    }
    if suffix not in readers:
        allowed = ", ".join((".json", *readers))
        raise UserError(f"{file.name} is no table that we read; allowed: {allowed}.")
    return readers[suffix](file, columns)


def table_suffix(file: RawFile) -> str:
    """Return the kind of a table by its name, or by that of the only file in a zip archive."""
    suffix = plain_suffix(file.path)
    if file.path.suffix.lower() != ".zip":
        return suffix
    names = zip_names(file.path)
    if len(names) != 1:
        raise UserError(
            f"{file.name} is a zip archive that holds {len(names)} files; put the table beside it, "
            "and name an archive of pictures as 'pictures'."
        )
    return plain_suffix(names[0])


def column_names(file: RawFile) -> list[str]:
    """List the columns of a table with a header or schema; empty for JSON and tars."""
    suffix = table_suffix(file)
    if suffix in (".parquet", ".arrow"):
        return list(table_schema(file).names)
    if suffix not in (".csv", ".tsv"):
        return []
    read = read_lines_of_tsv if suffix == ".tsv" else read_lines_of_csv
    with opened(file) as raw:
        handle = io.TextIOWrapper(
            raw.handle, encoding="utf-8-sig", errors="surrogateescape", newline=""
        )
        header = next(read(handle), None)
        handle.detach()
    return [] if header is None or header.cells is None else header.cells


def _json_lines(file: RawFile, columns: Sequence[str]) -> Iterator[Rows]:
    return json_rows(file, None)


def _text_rows(file: RawFile, columns: Sequence[str]) -> Iterator[Rows]:
    read = read_lines_of_tsv if table_suffix(file) == ".tsv" else read_lines_of_csv
    with opened(file) as raw:
        # Bytes that are not UTF-8 become surrogates, and so a fault of one row, not of the file.
        handle = io.TextIOWrapper(
            raw.handle, encoding="utf-8-sig", errors="surrogateescape", newline=""
        )
        yield from _text_batches(file, raw, read(handle), columns)
        handle.detach()


def _text_batches(
    file: RawFile, raw: Opened, lines: Iterator[Line], columns: Sequence[str]
) -> Iterator[Rows]:
    header = next(lines, None)
    if raw.cut_off and (header is None or header.at_end):
        raise UserError(
            f"{file.name} is a compressed file that ends in the middle; fetch it again."
        )
    if header is None or header.cells is None:
        why = f" that can be read ({header.fault})" if header is not None else ""
        raise UserError(
            f"{file.name} has no header line{why}; its first line must name the columns."
        )
    check_columns(file, columns, header.cells)
    rows: list[tuple[int, Cells]] = []
    rejects: list[Reject] = []
    ends = _Ends(raw)
    position = 0
    names, width = header.cells, len(header.cells)
    for position, line in enumerate(lines):
        cells = line.cells
        if cells is not None and len(cells) == width and not line.at_end:  # nearly every row
            # An empty cell is all that CSV has to say that there is nothing.
            rows.append((position, {n: c or None for n, c in zip(names, cells, strict=True)}))
            ends.count(cells)
        else:
            row = _text_row(file, names, line, position)
            if (cut := ends.cut_off(line, row)) is not None:
                row = Reject(file.name, position, None, "cut-off", cut)
            if isinstance(row, Reject):
                rejects.append(row)
            else:
                rows.append((position, row))
        if len(rows) + len(rejects) >= CHUNK_ROWS:
            yield Rows(rows, rejects)
            rows, rejects = [], []
    if raw.cut_off and not ends.noticed:
        detail = "the compressed file ends before its end mark"
        rejects.append(Reject(file.name, position + 1, None, "cut-off", detail))
    yield Rows(rows, rejects)


class _Ends:
    """Decides whether a file ends in the middle of its last row, by looking at all rows."""

    def __init__(self, raw: Opened) -> None:
        self.noticed = False
        self._raw = raw
        self._rows = 0
        self._empty_last_cells = 0

    def count(self, cells: Sequence[str]) -> None:
        """Count a complete row that does not end the file."""
        self._rows += 1
        self._empty_last_cells += not cells[-1]

    def cut_off(self, line: Line, row: Cells | Reject) -> str | None:
        """Return how the file is cut off in this row; None if it is not."""
        detail = None
        if line.never_closed:
            detail = f"{line.fault}, or the file ends in the middle"
        elif line.at_end and line.cells is not None:
            detail = self._of_last(line.cells, row)
        if line.cells is not None:
            self.count(line.cells)
        self.noticed |= detail is not None
        return detail

    def _of_last(self, cells: list[str], row: Cells | Reject) -> str | None:
        """Check the last row, if no newline comes after it."""
        if self._raw.cut_off:
            return "the compressed file ends within this row"
        if isinstance(row, Reject) and row.reason == "missing-field":
            return f"the file ends within this row: {row.detail} and no newline"
        if not cells[-1] and self._rows and not self._empty_last_cells:
            return "the file ends before the last cell of this row, which no other row lacks"
        return None


def _text_row(file: RawFile, header: Sequence[str], line: Line, position: int) -> Cells | Reject:
    cells = line.cells
    if cells is None:
        return Reject(file.name, position, None, "bad-value", line.fault)
    if len(cells) != len(header):
        what = f"{len(cells)} cells under {len(header)} column names"
        reason = "missing-field" if len(cells) < len(header) else "bad-value"
        return Reject(file.name, position, None, reason, what)
    # An empty cell is all that CSV has to say that there is nothing.
    return {name: cell or None for name, cell in zip(header, cells, strict=True)}
