"""Pages that belong together: those of a build, of its runs, and of the runs' evaluations.

The head of a page states what the page is about. Pages that are written later read it and link to
the page. They look in their folder, at `report.html` of the folders in it and, for the page of a
run, in the same places of the parent folder.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

REPORT = "report.html"
_HEAD_BYTES = 4_096
_MOST_FILES = 200
_MOST_LINKS = 12
_MOST_LETTERS = 80
_IDENTITY = re.compile(r'<meta name="instructify" content="([^"]*)">')


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """The subject of a page: its kind, its name, and the build and the runs that it shows."""

    kind: str
    name: str
    build: str = ""
    runs: tuple[str, ...] = ()

    def value(self) -> dict[str, Any]:
        """Return plain values for the head of the page."""
        return {"kind": self.kind, "name": self.name, "build": self.build, "runs": list(self.runs)}

    @property
    def subjects(self) -> set[tuple[str, str]]:
        """The build and the runs of the page; pages with a common subject belong together."""
        runs = {("run", run) for run in self.runs}
        return runs | ({("build", self.build)} if self.build else set())


class Link(NamedTuple):
    """A link to another page: relative address, kind and name."""

    href: str
    kind: str
    name: str


def find_links(page: Path, identity: Identity) -> list[Link]:
    """Find the pages near `page` that belong to it, directly or through other pages."""
    others = dict(_pages_near(page))
    subjects, chosen = set(identity.subjects), set[Path]()
    while near := [
        at for at, other in others.items() if other.subjects & subjects and at not in chosen
    ]:
        chosen.update(near)
        subjects.update(*(others[at].subjects for at in near))
    links = [
        Link(quote(os.path.relpath(at, page.parent).replace(os.sep, "/")), other.kind, other.name)
        for at, other in others.items()
        if at in chosen
    ]
    return sorted(links, key=lambda link: (link.kind, link.name, link.href))[:_MOST_LINKS]


def date_of(path: Path) -> str | None:
    """Return the day, in UTC, on which a file was last written; None if it does not exist."""
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()
    except (OSError, OverflowError, ValueError):
        return None


def _pages_near(page: Path) -> Iterator[tuple[Path, Identity]]:
    folder = page.parent
    folders = [folder, folder / ".."] if page.name == REPORT else [folder]
    for place in folders:
        for path in _files_of(place):
            if not _is_same(path, page):
                identity = _identity_of(path)
                if identity is not None:
                    yield path, identity


def _files_of(folder: Path) -> Sequence[Path]:
    try:
        paths = [*sorted(folder.glob("*.html")), *sorted(folder.glob(f"*/{REPORT}"))]
    except OSError:
        return []
    return paths[:_MOST_FILES]


def _is_same(path: Path, other: Path) -> bool:
    return os.path.abspath(path) == os.path.abspath(other)


def _identity_of(path: Path) -> Identity | None:
    """Read the identity of a page; None if the file is not a page of this project."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            start = file.read(_HEAD_BYTES).decode("utf-8", "replace")
        stated = _IDENTITY.search(start)
        return None if stated is None else _checked(json.loads(unescape(stated[1])))
    except (OSError, ValueError, RecursionError):
        return None


def _checked(value: object) -> Identity | None:
    if not isinstance(value, Mapping):
        return None
    texts = [value.get(name) for name in ("kind", "name", "build")]
    runs = value.get("runs")
    if not isinstance(runs, list) or not all(isinstance(text, str) for text in (*texts, *runs)):
        return None
    kind, name, build = (str(text)[:_MOST_LETTERS] for text in texts)
    return Identity(
        kind=kind, name=name, build=build, runs=tuple(run[:_MOST_LETTERS] for run in runs)
    )
