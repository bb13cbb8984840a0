"""File names to skip or refuse: files of a desktop, and names that are not UTF-8."""

import os
from pathlib import Path

from instructify._util.errors import UserError

_NAMES = frozenset({".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"})


def is_stray(name: str) -> bool:
    """Return whether a desktop made a file: `Thumbs.db`, `.DS_Store`, macOS' `._name`."""
    return name.startswith("._") or name.lower() in _NAMES


def files_of(folder: Path, pattern: str) -> list[Path]:
    """List the files of a folder that match, sorted, without those made by a desktop."""
    return sorted(path for path in folder.glob(pattern) if not is_stray(path.name))


def is_empty(folder: Path) -> bool:
    """Return whether a folder has no files but those made by a desktop."""
    return all(is_stray(path.name) for path in folder.iterdir())


def is_text(path: str) -> bool:
    """Return whether a path is UTF-8, so that an index can hold it."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def real_path(path: Path) -> Path:
    """Make a path absolute and free of links; one that leads to itself stays as it is."""
    return Path(os.path.realpath(path))


def require_text(out: Path) -> None:
    """Raise UserError for a folder of weights whose path is not UTF-8, before any work is done."""
    if not is_text(os.path.abspath(out)):
        raise UserError(
            f"{out} has a name that is not UTF-8, which files of weights can't have; choose "
            "another --out"
        )
