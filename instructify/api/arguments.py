"""What functions of a notebook are given, in the shape that commands have."""

from collections.abc import Sequence
from pathlib import Path

from instructify._util.errors import UserError
from instructify.build import Build

AnyPath = str | Path
Names = str | Sequence[str]


def names_of(names: Names) -> tuple[str, ...]:
    """List names, of which one may be given alone."""
    return (names,) if isinstance(names, str) else tuple(names)


def path_of(path: AnyPath | None) -> Path | None:
    """Make a path of a text."""
    return None if path is None else Path(path)


def paths_of(paths: Sequence[AnyPath]) -> tuple[Path, ...]:
    """Make paths of texts; UserError for a single path, whose letters would be read as paths."""
    if isinstance(paths, str | Path):
        raise UserError(f"{paths} is one path where a list of them is needed; write [path]")
    return tuple(Path(path) for path in paths)


def folder_of(build: Build | AnyPath) -> Path:
    """Return the folder of a build."""
    return build.paths.root if isinstance(build, Build) else Path(build)
