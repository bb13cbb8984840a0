"""Tables for a terminal of 80 columns, for names of any length.

A column is as wide as its longest cell, so that cells stay apart. If a line would be longer than 80
characters, texts are shortened: the last column is wrapped, and long names are cut in their middle.
Figures are never cut.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap
from unicodedata import combining, east_asian_width

from instructify._util.terminal import WIDTH, visible

_CUT = "..."


@dataclass(frozen=True)
class TextColumn:
    """A column of texts, set to the left.

    Args:
        head: What stands above it.
        least: Its width at least, so that tables with short names look alike.
        floor: How far it gives way to the others; None: never.
        wraps: Long cells go on in further lines. For the last column only.
    """

    head: str
    least: int = 0
    floor: int | None = 16
    wraps: bool = False


@dataclass(frozen=True)
class FigureColumn:
    """A column of figures, set to the right and never cut.

    Args:
        head: What stands above it.
        least: Its width at least.
    """

    head: str
    least: int = 0


Column = TextColumn | FigureColumn


def table_lines(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lay out a head and rows, a text for each column.

    A text column has two spaces behind it, a figure column one or, before a text, two.
    """
    shown = [[visible(cell) for cell in row] for row in rows]
    widths = _widths(columns, shown)
    yield from _row_lines(columns, [column.head for column in columns], widths)
    for row in shown:
        yield from _row_lines(columns, row, widths)


def shortened_name(name: str, most: int) -> str:
    """Cut a name in its middle: what tells names apart stands at their ends."""
    if text_width(name) <= most:
        return name
    room = most - len(_CUT)
    head, tail = _start(name, room - room // 2), _start(name[::-1], room // 2)[::-1]
    return f"{head}{_CUT}{tail}"


def text_width(text: str) -> int:
    """Count the cells of a terminal that a text takes: wide characters take two."""
    return len(text) + sum(_extra(letter) for letter in text)


def _extra(letter: str) -> int:
    if combining(letter):
        return -1
    return 1 if east_asian_width(letter) in "WF" else 0


def _start(text: str, most: int) -> str:
    """Return the longest start of a text that takes no more than `most` cells."""
    width = 0
    for at, letter in enumerate(text):
        width += 1 + _extra(letter)
        if width > most:
            return text[:at]
    return text


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[int]:
    cells = zip(*rows, strict=True) if rows else [()] * len(columns)
    needed = [
        max(text_width(cell) for cell in (column.head, *of_column))
        for column, of_column in zip(columns, cells, strict=True)
    ]
    gaps = sum(_gap(columns, at) for at in range(len(columns)))
    widths = [max(column.least, wide) for column, wide in zip(columns, needed, strict=True)]
    for at in reversed(range(len(columns))):  # what is only there for the looks gives way first
        widths[at] -= max(0, min(sum(widths) + gaps - WIDTH, widths[at] - needed[at]))
    floors = {
        at: max(column.floor, text_width(column.head))
        for at, column in enumerate(columns)
        if isinstance(column, TextColumn) and column.floor is not None
    }
    for at, column in enumerate(columns):  # then what can be wrapped
        if isinstance(column, TextColumn) and column.wraps:
            over = sum(widths) + gaps - WIDTH
            widths[at] -= max(0, min(over, widths[at] - floors.get(at, widths[at])))
    while sum(widths) + gaps > WIDTH:
        wide = [at for at, floor in floors.items() if widths[at] > floor]
        if not wide:
            break
        widths[max(wide, key=lambda at: widths[at])] -= 1
    return widths


def _gap(columns: Sequence[Column], at: int) -> int:
    """Return how many spaces stand before a column."""
    if at == 0:
        return 0
    both_figures = all(isinstance(column, FigureColumn) for column in columns[at - 1 : at + 1])
    return 1 if both_figures else 2


def _row_lines(
    columns: Sequence[Column], row: Sequence[str], widths: Sequence[int]
) -> Iterator[str]:
    line, rest = "", list[str]()
    for at, (column, cell, width) in enumerate(zip(columns, row, widths, strict=True)):
        line += " " * _gap(columns, at)
        if isinstance(column, FigureColumn):
            line += " " * (width - text_width(cell)) + cell
            continue
        if column.wraps:
            cell, *rest = wrap(cell, width, break_on_hyphens=False) or [""]
            rest = [" " * text_width(line) + continuation for continuation in rest]
        cell = shortened_name(cell, width)
        line += cell + " " * (width - text_width(cell))
    yield line.rstrip()
    yield from rest
