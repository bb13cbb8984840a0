"""The location of own data: its folder below a raw root, and its files by split.

Files of one split whose names differ only in a number are shards, and are written as a glob.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from instructify._util.errors import UserError
from instructify._util.file_names import is_stray
from instructify.catalog import SPELLINGS, SUFFIXES
from instructify.readers import METADATA, RawFile, list_keys, plain_suffix, split_word

_MOST_FILES = 20_000
_MOST_DEPTH = 3
_NOT_DATA = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json")
_RECEIPT = "export.json"  # beside the files of our own exports
_WORD = re.compile(r"[^A-Za-z]+")
_NUMBER = re.compile(r"[0-9]+")
_HASH = re.compile(r"(?<=[0-9])-[0-9a-f]{16}(?=\.)")  # behind the number of a shard of the Hub
_PICTURES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp")


class Place(NamedTuple):
    """The folder of the data, and its files by split."""

    folder: Path  # below the raw root, which is its parent
    is_folder: bool  # of classes, or with metadata
    has_metadata: bool
    sources: Mapping[str, Sequence[str]]  # split => names, where shards are one glob
    annotations: str | None  # of VQA; its questions are in `sources`
    first: Path  # a file to look at; the folder itself for class folders


def find_place(paths: Sequence[Path]) -> Place:
    """Find the files of the data that these paths name."""
    for path in paths:
        if not path.exists():
            raise UserError(f"{path} is not there; give the files or the folder of your data.")
    folders = [path if path.is_dir() else path.parent for path in map(Path.resolve, paths)]
    folder = Path(os.path.commonpath(folders))
    if folder.parent == folder:
        raise UserError(f"the paths have only {folder} in common; put the data into one folder.")
    files = [path.resolve() for path in paths if path.is_file()]
    if files and len(paths) >= 1:
        return _of_tables(folder, [file for file in files if _is_table(file)], files)
    return _of_folder(folder)


def split_of(text: str) -> str | None:
    """Return the split that a name contains as a word, or None."""
    words = [word.lower() for word in _WORD.split(text) if word]
    for word in words:
        for split, spellings in SPELLINGS.items():
            if word in spellings and len(word) > 2:
                return split
    return None


def _of_folder(folder: Path) -> Place:
    if (folder / "state.json").is_file():
        return _saved(folder, {"train": folder})
    if (folder / "dataset_dict.json").is_file():
        children = {split_of(child.name) or child.name: child for child in _folders(folder)}
        return _saved(folder, {s: c for s, c in children.items() if (c / "state.json").is_file()})
    metadata = {
        split_of(where.name) or "train": where
        for where in (folder, *_folders(folder))
        if any((where / name).is_file() for name in METADATA)
    }
    if metadata:
        first = next(iter(metadata.values()))
        name = next(name for name in METADATA if (first / name).is_file())
        sources = {split: [_name(folder, where) or "."] for split, where in metadata.items()}
        return Place(folder, True, True, sources, None, first / name)
    tables = [file for file in _files(folder) if _is_table(file)]
    tables = [file for file in tables if file.name != _RECEIPT] or tables
    if tables:
        return _of_tables(folder, tables, tables)
    return _of_classes(folder)


def _saved(folder: Path, places: Mapping[str, Path]) -> Place:
    sources = {split: [_name(folder, where) or "."] for split, where in places.items()}
    shards = sorted(next(iter(places.values())).glob("*.arrow")) if places else []
    if not shards:
        raise UserError(f"{folder} holds no .arrow file; give the folder that save_to_disk wrote.")
    return Place(folder, False, False, sources, None, shards[0])


def _of_classes(folder: Path) -> Place:
    inner, children = folder, _folders(folder)
    while len(children) == 1 and _folders(children[0]) and not split_word(children[0].name):
        inner, children = children[0], _folders(children[0])
    named = {child: split_word(child.name) for child in children if _folders(child)}
    splits = {split: child for child, split in named.items() if split is not None}
    if splits and (len(splits) == len(children) or len(splits) > 1):
        sources = {split: [_name(folder, child)] for split, child in splits.items()}
        return Place(folder, True, False, sources, None, next(iter(splits.values())))
    if not any(_has_pictures(child) for child in children):
        raise UserError(
            f"{folder} holds no table ({', '.join(SUFFIXES)}), no metadata.csv and no folders of "
            "pictures; give the files of your data."
        )
    return Place(folder, True, False, {"train": [_name(folder, inner) or "."]}, None, inner)


def _of_tables(folder: Path, tables: Sequence[Path], files: Sequence[Path]) -> Place:
    if not tables:
        raise UserError(
            f"{files[0]} is not a table that can be read; allowed: {', '.join(SUFFIXES)}, and text "
            "packed as .gz, .zst, .bz2 or .zip."
        )
    others = [file for file in tables if not (file.suffix == ".tar" and file.stem.isdigit())]
    tables = others or tables  # the tars of img2dataset beside a table are its pictures
    pair = _vqa_pair(tables)
    if pair is not None:
        named = split_of(pair[0].stem) or "train"
        questions, annotations = (_name(folder, file) for file in pair)
        return Place(folder, False, False, {named: [questions]}, annotations, pair[0])
    kinds = [plain_suffix(file) for file in tables]
    if (
        "".join(set(kinds)) != kinds[0]
    ):  # such as Parquet with pictures beside a CSV of the same rows
        names = ", ".join(file.name for file in tables[:5])
        raise UserError(
            f"{folder} holds tables of several kinds ({names}); give those that count as "
            "PATHs, all of one kind."
        )
    sources: dict[str, dict[str, list[Path]]] = {}
    for file in tables:
        split = split_of(file.stem) or split_of(file.parent.name if file.parent != folder else "")
        shape = _NUMBER.sub("*", _HASH.sub("-0", _name(folder, file)))
        sources.setdefault(split or "", {}).setdefault(shape, []).append(file)
    if "" in sources and (len(sources) > 1 or len(sources[""]) > 1):
        names = ", ".join(_name(folder, file) for file in tables[:6])
        raise UserError(
            f"{folder} holds several tables whose splits their names do not say: {names}; give "
            "one as PATH and add the others to its entry, files: {train: NAME, val: NAME} "
            "(docs/own-data.md)."
        )
    for split, shapes in sources.items():
        _check_one_set(folder, split, list(shapes))
    return Place(
        folder,
        False,
        False,
        {split or "train": _globs(folder, shapes) for split, shapes in sources.items()},
        None,
        next(iter(next(iter(sources.values())).values()))[0],
    )


def _check_one_set(folder: Path, split: str, shapes: Sequence[str]) -> None:
    """Refuse files of one name in several folders: configurations of the Hub, of the same rows."""
    names = [shape.rpartition("/")[2] for shape in shapes]
    if len(set(names)) < len(names):
        shown = ", ".join(shape.rpartition("/")[0] or "." for shape in shapes[:6])
        raise UserError(
            f"{folder} holds tables of one name for {split or 'train'} in several folders "
            f"({shown}); give the one that counts as PATH, or list them in its entry, file: "
            "[NAME, NAME] (docs/own-data.md)."
        )


def _vqa_pair(tables: Sequence[Path]) -> tuple[Path, Path] | None:
    """Find the questions and the annotations of VQA among two files of JSON."""
    if len(tables) != 2 or any(plain_suffix(file) != ".json" for file in tables):
        return None
    keys = [list_keys(RawFile(file.name, file)) for file in tables]
    for at in range(2):
        if "questions" in keys[at] and "annotations" in keys[1 - at]:
            return tables[at], tables[1 - at]
    return None


def _globs(folder: Path, shapes: Mapping[str, Sequence[Path]]) -> list[str]:
    names = []
    for shape, files in shapes.items():
        pattern = re.sub(r"\*[-_a-z]*\*", "*", shape)
        names.append(_name(folder, files[0]) if len(files) == 1 else pattern)
    return names


def _files(folder: Path, depth: int = 0) -> list[Path]:
    files: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or is_stray(path.name) or len(files) > _MOST_FILES:
            continue
        if path.is_dir() and depth < _MOST_DEPTH:
            files += _files(path, depth + 1)
        elif path.is_file():
            files.append(path)
    return files


def _folders(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and path.name[:1] != "."]


def _has_pictures(folder: Path) -> bool:
    return any(file.suffix.lower() in _PICTURES for file in _files(folder))


def _is_table(file: Path) -> bool:
    if file.name in _NOT_DATA or file.name.endswith((".yaml", ".yml")):
        return False
    if file.suffix.lower() == ".zip":
        return file.name.count(".") > 1 and plain_suffix(file) in SUFFIXES
    return plain_suffix(file) in SUFFIXES


def _name(folder: Path, path: Path) -> str:
    name = path.relative_to(folder).as_posix()
    return "" if name == "." else name


def picture_folders(folder: Path) -> Iterator[str]:
    """Yield the possible places of pictures: the folder, folders below it, archives."""
    yield ""
    folders: set[str] = set()
    for file in _files(folder):
        where = _name(folder, file.parent)
        while where and where not in folders:
            folders.add(where)
            yield where
            where = where.rpartition("/")[0]
        if file.suffix.lower() in (".zip", ".tar"):
            yield _name(folder, file)
