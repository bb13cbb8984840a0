"""JSON files in the authors' layouts, written piece by piece, so that memory does not grow with a
twin.

A file appears under its name only when it is whole. Members keep the order in which they are
written; texts are escaped to ASCII, as most of the authors' own files are. Nothing is read here.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from instructify.twins.truth import Json

_dumps = json.JSONEncoder(check_circular=False).encode


class WholeFile:
    """A text file that is renamed into place when its `with` block ends without an error."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._part = path.with_name(f"part-{path.name}")
        self._file = self._part.open("w", encoding="utf-8", newline="\n", buffering=1 << 18)

    def write(self, text: str) -> None:
        """Append text as it stands."""
        self._file.write(text)

    def finish(self) -> None:
        """Write what must stand at the end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.finish()
        self._file.close()
        if error is None:
            os.replace(self._part, self._path)
        else:
            self._part.unlink()


class JsonObject(WholeFile):
    """A file with one JSON object, written member by member; a list may be filled row by row."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._before = "{"
        self._in_list = False

    def put(self, name: str, value: Json) -> None:
        """Write a member."""
        self._name(name)
        self.write(_dumps(value))

    def start(self, name: str) -> None:
        """Begin a member that is a list; the next `put` or `start` ends it."""
        self._name(name)
        self._in_list = True
        self._before = "["

    def row(self, value: Json) -> None:
        """Append to the list that was begun."""
        self.write(self._before + _dumps(value))
        self._before = ", "

    def rows(self, name: str, values: Iterable[Json]) -> None:
        """Write a whole list member, one row in memory at a time."""
        self.start(name)
        for value in values:
            self.row(value)

    def finish(self) -> None:
        self._end_list()
        self.write("{}" if self._before == "{" else "}")

    def _name(self, name: str) -> None:
        self._end_list()
        self.write(f"{self._before}{_dumps(name)}: ")
        self._before = ", "

    def _end_list(self) -> None:
        if self._in_list:
            self.write("[]" if self._before == "[" else "]")
            self._in_list = False
            self._before = ", "


class JsonList(WholeFile):
    """A file with one JSON list, written row by row."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._before = "["

    def row(self, value: Json) -> None:
        """Append to the list."""
        self.write(self._before + _dumps(value))
        self._before = ", "

    def finish(self) -> None:
        self.write("[]" if self._before == "[" else "]")


def write_list(path: Path, rows: Iterable[Json]) -> None:
    """Write a file with one JSON list, one row in memory at a time."""
    with JsonList(path) as file:
        for row in rows:
            file.row(row)


def write_lines(path: Path, rows: Iterable[Json]) -> None:
    """Write a file with one JSON value a line."""
    with WholeFile(path) as file:
        for row in rows:
            file.write(_dumps(row) + "\n")


def write_json(path: Path, value: Json) -> None:
    """Write a file with one JSON value that fits in memory."""
    with WholeFile(path) as file:
        file.write(_dumps(value))


def write_text(path: Path, lines: Iterable[str]) -> None:
    """Write plain lines: csv, tsv, token files. Each line brings its own line end."""
    with WholeFile(path) as file:
        for line in lines:
            file.write(line)
