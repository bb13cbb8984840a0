"""Pictures in folders that are named after their classes.

Files are listed by class and name, one folder at a time, so the memory for a million pictures is
that of the largest folder. An underscore in the name of a class folder stands for a space. No file
is opened.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from instructify._util.errors import UserError
from instructify._util.file_names import is_stray
from instructify.catalog import SPELLINGS, class_name
from instructify.readers.base import RawFile
from instructify.readers.own_rows import METADATA
from instructify.readers.table_cells import Fault

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff")
_WORD = re.compile(r"[^A-Za-z]+")
_BESIDE_SPLITS = ("set", "data", "images", "imgs", "dataset")  # words in the names of splits
_LINK_NOWHERE = "a link to nothing"
_LINK_OUT = "a link that leads out of the folder"


class ClassFile(NamedTuple):
    """A file of a class folder, or the reason why it can't be used."""

    name: str  # below the folder of classes
    label: str
    fault: Fault | None


def class_names(folder: RawFile) -> tuple[str, ...]:
    """List the classes, sorted."""
    root = os.path.realpath(folder.path)
    folders = [entry.name for entry in _visible(folder.path) if _is_class(entry, root)]
    _refuse_splits(folder, folders)
    _refuse_wrapper(folder, folders)
    names = {class_name(name) for name in folders if name == printable(name)}
    if not names:
        raise UserError(f"{folder.name} holds no class folders; give the folder that holds them.")
    return tuple(sorted(names))


def _refuse_splits(folder: RawFile, names: list[str]) -> None:
    """Refuse folders of splits around the class folders, which would be read as classes."""
    splits = {name: split_word(name) for name in names if _holds_folders_alone(folder.path / name)}
    named = {name: split for name, split in splits.items() if split is not None}
    if not named or (len(named) < len(names) and len(set(named.values())) < 2):
        return
    keys = ", ".join(f"{split}: {_below(folder, name)}" for name, split in named.items())
    raise UserError(
        f"{folder.name} holds folders of splits ({', '.join(named)}), not of classes; "
        f"write folders: {{{keys}}}."
    )


def _refuse_wrapper(folder: RawFile, names: list[str]) -> None:
    """Refuse a folder around the class folders, whose name would be that of every picture."""
    if len(names) != 1 or not _holds_folders_alone(folder.path / names[0]):
        return
    path = names[0]
    while len(below := _visible(folder.path / path)) == 1 and _holds_folders_alone(below[0].path):
        path = f"{path}/{below[0].name}"
    inner = RawFile(f"{folder.name}/{path}", folder.path / path)
    _refuse_splits(inner, [entry.name for entry in below])
    raise UserError(
        f"{folder.name} holds one folder alone, {names[0]}, which would be the class of every "
        f"picture; write folder: {_below(folder, path)}, whose folders are the classes."
    )


def _below(folder: RawFile, name: str) -> str:
    """Write a path for the entry: below the dataset's folder, as `folder` itself is given."""
    given = folder.name.rstrip("/").partition("/")[2]
    return name if given in ("", ".") else f"{given}/{name}"


def split_word(name: str) -> str | None:
    """Return the split that a folder is named after: `Training`, `test_set`, `val2017`."""
    words = [word.lower() for word in _WORD.split(name) if word]
    named = [word for word in words if word not in _BESIDE_SPLITS]
    if len(named) != 1:
        return None
    return next((split for split, spelled in SPELLINGS.items() if named[0] in spelled), None)


def _holds_folders_alone(folder: str | Path) -> bool:
    below = _visible(folder)
    return bool(below) and all(_is_folder(entry) for entry in below)


def class_files(folder: RawFile, classes: tuple[str, ...]) -> Iterator[ClassFile]:
    """List the files below the class folders, by class and name, without hidden files."""
    root = os.path.realpath(folder.path)
    for entry in _visible(folder.path):
        if not _is_class(entry, root):
            yield ClassFile(entry.name, "", _why_no_class(entry))
            continue
        label = class_name(entry.name)
        for file in _files_below(entry.path):
            name = Path(file.path).relative_to(folder.path).as_posix()
            fault = _fault_of(name, label, classes)
            if file.is_symlink() and _is_folder(file):
                fault = Fault("not-a-picture", "a link to a folder; put the folder itself there")
            elif fault is None and file.is_symlink() and not _is_below(file.path, root):
                fault = Fault("path-outside-root", _LINK_OUT)
            yield ClassFile(name, label, fault)


def _is_class(entry: os.DirEntry[str], root: str) -> bool:
    """Whether an entry is a class folder, or a link to a folder below the same root.

    The target of a link that leads outside is neither listed nor named.
    """
    return _is_folder(entry) and (not entry.is_symlink() or _is_below(entry.path, root))


def _why_no_class(entry: os.DirEntry[str]) -> Fault:
    if entry.is_symlink() and _is_folder(entry):
        return Fault("path-outside-root", f"{_LINK_OUT}; put the folder itself there")
    if entry.is_symlink() and not os.path.exists(entry.path):
        return Fault("bad-value", f"{_LINK_NOWHERE}; put the class folder itself there")
    if entry.name in METADATA:
        how = "map its columns under 'columns' to read it, or take it out"
        return Fault("bad-value", f"a table beside class folders; {how}")
    return Fault("bad-value", "not in a class folder")


def _fault_of(name: str, label: str, classes: tuple[str, ...]) -> Fault | None:
    if name != printable(name):
        return Fault("bad-value", "the file name is not printable text")
    if not name.lower().endswith(PICTURE_SUFFIXES):
        return Fault("not-a-picture", f"allowed: {' '.join(PICTURE_SUFFIXES)}")
    if label not in classes:
        return Fault("bad-value", f"'{label}' is none of the classes")
    return None


def _is_below(path: str, root: str) -> bool:
    return os.path.commonpath([os.path.realpath(path), root]) == root


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return os.path.isdir(entry.path)  # False for a link to itself, where `entry.is_dir` raises


def _visible(folder: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            shown = [
                entry
                for entry in entries
                if not entry.name.startswith(".") and not is_stray(entry.name)
            ]
    except OSError as error:
        raise UserError(f"{folder} can't be read: {error.strerror}; give a folder.") from error
    return sorted(shown, key=lambda entry: entry.name)


def _files_below(folder: str) -> Iterator[os.DirEntry[str]]:
    for entry in _visible(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from _files_below(entry.path)
        else:
            yield entry


def printable(name: str) -> str:
    """Return a file name that can be printed in a message."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)
