"""Parse the lines of a CSV or TSV file to rows, so that a stray quotation mark swallows no rows.

CSV: a quoted cell may continue in the next lines. If such a cell is never closed, is closed
wrongly, or its lines are themselves rows of the table, only its first line is bad, and the lines
after it are read as rows.

TSV: no cell needs quotation marks, and most programs write none. A line with all its cells is a
row, and quotation marks around a whole cell are removed. A cell continues in the next line only if
none of its lines could be a row and the quotation mark is closed.
"""

import csv
import re
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple, TextIO

from instructify._util.wording import counted

_MOST_LINES = 10_000  # of one cell in a CSV file
_MOST_TSV_LINES = 200
_BLOCK_LINES = 256  # that are parsed together if each is a row
_OPENING = re.compile(r'(?:(?<=,)|(?<=^))"')
_WHOLLY_QUOTED = re.compile(r'"(?:[^"]|"")*"', re.DOTALL)


class Line(NamedTuple):
    """The cells of a row, or its fault, and the line where it begins.

    `at_end`: the file ends with this row, without a newline after it.
    """

    cells: list[str] | None
    number: int  # of its first line, from 1
    fault: str = ""
    never_closed: bool = False
    at_end: bool = False


class _Feed:
    """The lines of a file, one by one; lines can be given back and are then returned again."""

    def __init__(self, handle: TextIO) -> None:
        self.number = 0  # of the last line that was returned
        self.taken: list[str] = []  # since `begin`
        self._handle = handle
        self._waiting: deque[str] = deque()
        self._given_back = 0  # blocks
        self._slow_until = 0

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        if len(self.taken) >= _MOST_LINES:
            raise StopIteration
        line = self._waiting.popleft() if self._waiting else next(self._handle)
        self.number += 1
        self.taken.append(line)
        return line

    def begin(self) -> None:
        self.taken = []

    def block(self) -> list[str]:
        """Return the next lines, which `give_back` takes back; none if lines were given back."""
        if self._waiting or self.number < self._slow_until:
            return []
        return list(islice(self._handle, _BLOCK_LINES))

    def give_back(self, lines: Sequence[str]) -> None:
        """Take a block back; the more blocks come back, the fewer are returned later."""
        self._waiting.extend(lines)
        self._given_back = min(self._given_back + 1, 6)
        self._slow_until = self.number + (len(lines) << self._given_back)

    def keep(self, count: int) -> None:
        """Take back all lines since `begin` except the first `count`."""
        self._waiting.extendleft(reversed(self.taken[count:]))
        self.number -= len(self.taken) - count
        del self.taken[count:]


def read_lines_of_csv(handle: TextIO) -> Iterator[Line]:
    """Read the rows of a CSV file, first its header; empty lines are skipped."""
    feed = _Feed(handle)
    rows = csv.reader(feed, "excel", strict=True)
    width = 0
    while True:
        if width and (block := feed.block()):
            yield from _whole_lines(feed, block, _csv_rows(block))
            continue
        feed.begin()
        try:
            cells = next(rows, None)
        except csv.Error as error:
            yield _bad_line(feed, error, width)
            continue
        if cells is None:
            if not feed.taken:
                return
            continue
        if not cells:
            continue
        lines = feed.taken
        number = feed.number - len(lines) + 1
        if len(lines) > 1 and width and _took_rows(lines, len(cells), width):
            below = counted(len(lines) - 1, "line")
            feed.keep(1)
            fault = (
                f"the quotation mark that opens in line {number} is closed {below} below, and what "
                "lies between are rows themselves; close it, or double it"
            )
            yield Line(None, number, fault)
            continue
        width = width or len(cells)
        yield Line(cells, number, at_end=_ends_without_newline(lines[-1]))


def _csv_rows(block: list[str]) -> list[list[str]]:
    try:
        return list(csv.reader(block, "excel", strict=True))
    except csv.Error:
        return []


def _whole_lines(feed: _Feed, block: list[str], rows: list[list[str]]) -> Iterator[Line]:
    """Yield the rows of a block of lines; give the lines back if any is not a row."""
    if len(rows) != len(block):
        feed.give_back(block)
        return
    number = feed.number
    feed.number += len(block)
    at_end = _ends_without_newline(block[-1])
    last = len(block)
    for line, cells in enumerate(rows, 1):
        if cells:
            yield Line(cells, number + line, "", False, at_end and line == last)


def _bad_line(feed: _Feed, error: csv.Error, width: int) -> Line:
    """Reject only the first line if the parser failed, maybe many lines after it."""
    lines = feed.taken
    number = feed.number - len(lines) + 1
    text = str(error)
    opening = f"the quotation mark that opens in line {number} is"
    never_closed = "unexpected end" in text
    at_end = len(lines) == 1 and _ends_without_newline(lines[-1])
    if never_closed and len(lines) < _MOST_LINES:
        fault = f"{opening} never closed"
    elif never_closed or ("field larger" in text and _took_rows(lines, width, width)):
        fault, never_closed = f"{opening} not closed within {len(lines):,} lines", True
    elif len(lines) > 1:
        fault = f"{opening} not closed rightly ({text} in line {feed.number})"
    else:
        fault = f"not a line of CSV: {text}"
    feed.keep(1)
    return Line(None, number, fault, never_closed, at_end)


def _took_rows(lines: Sequence[str], num_cells: int, width: int) -> bool:
    """Whether a row of several lines swallowed rows.

    It did if its first line is a row without the quotation mark, and most other lines are rows."""
    rest = lines[1:]
    opening = list(_OPENING.finditer(lines[0]))
    if not rest or not opening:
        return False
    first = lines[0][: opening[-1].start()] + lines[0][opening[-1].end() :]
    if not _is_row(first, width):
        return False
    rows = sum(_is_row(line, width) for line in rest)
    return 2 * rows >= len(rest) if num_cells == width else rows > 0


def _is_row(line: str, width: int) -> bool:
    """Whether a line has as many cells as the table, and none begins like a clause."""
    if width < 2:
        return False
    try:
        cells = next(csv.reader([line], "excel", strict=True), [])
    except csv.Error:
        return False
    return len(cells) == width and not any(cell[:1].isspace() for cell in cells)


def read_lines_of_tsv(handle: TextIO) -> Iterator[Line]:
    """Read the rows of a TSV file, first its header; empty lines are skipped."""
    feed = _Feed(handle)
    width = 0
    while True:
        if width and (block := feed.block()):
            yield from _whole_lines(feed, block, _tsv_rows(block, width))
            continue
        feed.begin()
        line = next(feed, None)
        if line is None:
            return
        text = line.rstrip("\r\n")
        if not text:
            continue
        number = feed.number
        cells = _tsv_cells(text, width)
        if '"' in text and width and _opens(text):
            cells = _tsv_cells_of_lines(feed, width) or cells
        width = width or len(cells)
        yield Line(cells, number, at_end=_ends_without_newline(feed.taken[-1]))


def _tsv_rows(block: list[str], width: int) -> list[list[str]]:
    rows: list[list[str]] = []
    for line in block:
        text = line.rstrip("\r\n")
        if '"' not in text:
            rows.append(text.split("\t") if text else [])
        elif _opens(text):
            return []
        else:
            rows.append(_tsv_cells(text, width))
    return rows


def _tsv_cells(text: str, width: int) -> list[str]:
    cells = text.split("\t")
    if '"' not in text:
        return cells
    if width and len(cells) != width:
        quoted = _parsed([text])
        if quoted is not None and len(quoted) == width:
            return quoted
    return [_unquoted(cell) for cell in cells]


def _unquoted(cell: str) -> str:
    if len(cell) > 1 and cell[0] == '"' and _WHOLLY_QUOTED.fullmatch(cell):
        return cell[1:-1].replace('""', '"')
    return cell


def _opens(text: str) -> bool:
    """Whether a cell opens a quotation mark that is not closed in the same line."""
    return any(
        cell[:1] == '"' and cell.count('"') % 2 and not _WHOLLY_QUOTED.fullmatch(cell)
        for cell in text.split("\t")
    )


def _tsv_cells_of_lines(feed: _Feed, width: int) -> list[str] | None:
    """Read a row whose quoted cell continues in the next lines; None if there is no such row."""
    while len(feed.taken) < _MOST_TSV_LINES:
        line = next(feed, None)
        if line is None or line.count("\t") + 1 >= width:
            break
        if '"' in line:
            cells = _parsed(feed.taken)
            if cells is not None and len(cells) == width:
                return cells
    feed.keep(1)
    return None


def _parsed(lines: Sequence[str]) -> list[str] | None:
    """Parse lines as one row with quoted cells; None if they are not exactly one row."""
    try:
        rows = list(csv.reader(lines, "excel-tab", strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def _ends_without_newline(line: str) -> bool:
    return not line.endswith(("\n", "\r"))
