"""Convert arguments of the Python API into those of commands."""

from collections.abc import Sequence
from pathlib import Path

from instructify._util.errors import UserError
from instructify.build import Build

AnyPath = str | Path
Names = str | Sequence[str]


def names_of(names: Names) -> tuple[str, ...]:
    """Return names as a tuple; a single name may be given as a string."""
    return (names,) if isinstance(names, str) else tuple(names)


def path_of(path: AnyPath | None) -> Path | None:
    """Turn a string into a path; None stays None."""
    return None if path is None else Path(path)


def paths_of(paths: Sequence[AnyPath]) -> tuple[Path, ...]:
    """Turn strings into paths.

    Raises:
        UserError: a single path is given instead of a list.
    """
    if isinstance(paths, str | Path):
        raise UserError(f"{paths} is one path, and a list of paths is needed; write [path]")
    return tuple(Path(path) for path in paths)


def folder_of(build: Build | AnyPath) -> Path:
    """Return the folder of a build."""
    return build.paths.root if isinstance(build, Build) else Path(build)
