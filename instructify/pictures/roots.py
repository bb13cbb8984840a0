"""The folders that pictures may come from, under labels: `raw`, `images0`, `images1`, ...

Every file of a build that names a picture's file gives a label and a path below it, so that a
build contains no absolute path. The places of the labels on this machine are kept apart, in
`pictures/local/`, which no manifest lists. After the pictures have moved, give the roots again.
"""

import json
import os
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec

from instructify._util.errors import UserError
from instructify._util.file_names import real_path
from instructify._util.outside import read_regular
from instructify._util.shards import write_json

ROOTS_FORMAT = 1
LOCAL_FOLDER = Path("pictures", "local")


class Root(NamedTuple):
    label: str
    path: Path


class Location(NamedTuple):
    """A file below a root, or `size_bytes` at `offset` of a tar below it."""

    root: str
    file: str
    offset: int | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Roots:
    """The raw root and the further picture folders, in the order they are searched.

    Made by `resolve`, so that every path is absolute and free of links. `links` are the folders
    of the raw root that are links themselves (`raw/coco` to a disk of pictures): name and target.
    """

    raw: Path
    images: tuple[Path, ...] = ()
    links: tuple[tuple[str, Path], ...] = ()

    @classmethod
    def resolve(cls, raw: Path, images: Sequence[Path] = ()) -> "Roots":
        """Follow links of the folders themselves once: a user laid them out, no dataset did."""
        resolved = real_path(raw)
        links = tuple(
            (child.name, real_path(child))
            for child in sorted(resolved.iterdir() if resolved.is_dir() else ())
            if child.is_symlink() and child.is_dir()
        )
        return cls(raw=resolved, images=tuple(real_path(f) for f in images), links=links)

    def __iter__(self) -> Iterator[Root]:
        yield Root("raw", self.raw)
        for number, path in enumerate(self.images):
            yield Root(f"images{number}", path)

    def path(self, label: str, file: str) -> Path:
        """Return the path of a file; a label that is not given here is the user's mistake."""
        for root in self:
            if root.label == label:
                return root.path / file
        raise UserError(
            f"the build refers to pictures below '{label}', but only "
            f"{', '.join(root.label for root in self)} is given; "
            "give the folders in the order of the conversion"
        )

    def place(self, path: str) -> Location | None:
        """Say where a link-free absolute path lies below the roots; None if it is outside."""
        for root in self:
            prefix = os.path.join(root.path, "")
            if path.startswith(prefix):
                return Location(root.label, path[len(prefix) :])
            if path == str(root.path):
                return Location(root.label, "")
        for name, target in self.links:
            below = Path(path)
            if below.is_relative_to(target):
                return Location("raw", (Path(name) / below.relative_to(target)).as_posix())
        return None


def idle_folders(roots: Roots, used: AbstractSet[str]) -> list[Path]:
    """List the further picture folders whose labels are not among the used ones."""
    return [root.path for root in roots if root.label not in used and root.path != roots.raw]


def check_roots(build: Path, roots: Roots) -> None:
    """Refuse other picture folders than those that the build's references count on.

    Labels are numbers in the order of --images, so earlier folders must come first and in their
    order, unless they are gone: then the pictures have moved and the new ones take their place.
    """
    before = load_roots(build)
    if before is None:
        return
    if before.raw != roots.raw and before.raw.is_dir():
        raise UserError(
            f"{build} refers to pictures below {before.raw}; give that folder as --raw again, and "
            "others as --images"
        )
    for number, old in enumerate(before.images):
        new = roots.images[number] if number < len(roots.images) else None
        if old != new and old.is_dir():
            raise UserError(
                f"{build} refers to pictures below {old}; give that folder again as --images "
                f"number {number + 1}, and further ones after it"
            )


def save_roots(build: Path, roots: Roots) -> None:
    """Note beside the build where the pictures lie on this machine."""
    note = {
        "format": ROOTS_FORMAT,
        "raw": str(roots.raw),
        "images": [str(path) for path in roots.images],
    }
    write_json(build / LOCAL_FOLDER / "roots.json", note)


def load_roots(build: Path) -> Roots | None:
    """Read the note of `save_roots`; None if the build has none, as after a copy without it."""
    path = build / LOCAL_FOLDER / "roots.json"
    if not path.is_file():
        return None
    try:
        note = msgspec.convert(json.loads(read_regular(path)), _Note)
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise UserError(f"{path} is damaged; delete it and give the picture folders") from error
    if any("\0" in text for text in (note.raw, *note.images)):
        raise UserError(f"{path} is damaged; delete it and give the picture folders")
    if note.format != ROOTS_FORMAT:
        raise UserError(f"{path} has an unknown format; delete it and give the picture folders")
    return Roots.resolve(Path(note.raw), tuple(Path(text) for text in note.images))


class _Note(msgspec.Struct):
    format: int
    raw: str
    images: list[str]
