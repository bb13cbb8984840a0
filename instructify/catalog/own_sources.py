"""The sources of own data: the files or folders of each split, or one table for several splits.

A name is a path below the dataset's folder of the raw root: a file, a glob of shards, a folder
saved by `datasets`, or the address `hf://datasets/USER/NAME/PATH`, which stands for PATH in that
folder.
"""

import json
import posixpath
import re
from typing import NamedTuple

from instructify._util.yaml_lines import Node
from instructify.catalog.splits import RawFileSpec, Split

SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".arrow", ".tar")
PACKED = (".gz", ".zst", ".bz2", ".zip")
_BINARY = (".parquet", ".arrow", ".tar")
_PACKED_ARCHIVES = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst", ".7z", ".rar")
USUAL_SPLITS = ("train", "val", "test")
# How the splits of ours are written elsewhere, in small letters.
SPELLINGS: dict[str, tuple[str, ...]] = {
    "train": ("train", "training", "trn", "tr"),
    "val": ("val", "valid", "validation", "dev", "eval", "development"),
    "test": ("test", "testing", "tst", "te"),
}
_SPLIT = re.compile(r"[a-z0-9_]+")
_HUB = re.compile(r"hf://datasets/[^/@]+/[^/@]+(?:@[^/]+)?/")
_PERCENT = re.compile(r"([0-9]{1,2}(?:\.[0-9]+)?) ?%")


class Sources(NamedTuple):
    """The files of an entry."""

    is_folder: bool  # class folders, or a folder with metadata
    splits: tuple[Split, ...]
    split_by: str  # "" or JSON: the column of the split and its values, or shares in percent


def read_sources(node: Node, fields: dict[str, Node], base: str) -> Sources:
    """Read the one of file, files, folder, folders that is given.

    Args:
        base: what every path begins with: "", or `../NAME/` where the data lies in another folder
            of the raw root than that of the dataset's name.
    """
    given = [key for key in ("file", "files", "folder", "folders") if key in fields]
    if len(given) != 1:
        stated = " and ".join(given) or "none"
        raise node.error(
            f"'{node.path}' needs one of file, files, folder, folders; given: {stated}"
        )
    key = given[0]
    is_folder = key.startswith("folder")
    beside = _beside(fields, base)
    if key in ("file", "folder"):
        split_by, names = _one_source(fields, is_folder)
        specs = _specs(fields[key], is_folder, base, beside)
        splits = tuple(_split(name, fields[key], specs) for name in names)
        return Sources(is_folder, splits, split_by)
    if "split" in fields:
        raise fields["split"].error(f"the keys of '{key}' name the splits; remove 'split'")
    if not fields[key].entries():
        raise fields[key].error(f"'{fields[key].path}' names no split; give train: NAME")
    named = fields[key].entries().items()
    splits = tuple(_split(name, at, _specs(at, is_folder, base, beside)) for name, at in named)
    return Sources(is_folder, splits, "")


def plain_path(node: Node, text: str) -> str:
    """Check that a path stays below the folder of the release."""
    path = _HUB.sub("", text.strip()).rstrip("/")
    outside = path.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", path)
    if not path or outside or any(letter in path for letter in "{}:"):
        raise node.error(
            f"'{path}' must be a plain path below the dataset's folder of the raw root"
        )
    return posixpath.normpath(path)


def _one_source(fields: dict[str, Node], is_folder: bool) -> tuple[str, tuple[str, ...]]:
    """Read `split`: the name of one split, the column that names it, or shares."""
    if "split" not in fields:
        return "", ("train",)
    node = fields["split"]
    if not node.is_mapping:
        name = node.text()
        if name == "split":
            raise node.error(
                "'split: split' would name a split 'split'; for the column of that name write "
                "split: {column: split}"
            )
        return "", (name,)
    if is_folder:
        raise node.error("folders have no column of splits; write folders: {train: NAME}")
    if "column" in node.entries() and not _is_percent(node.entries()["column"]):
        return _by_column(node)
    return _by_share(node)


def _by_column(node: Node) -> tuple[str, tuple[str, ...]]:
    fields = node.fields(required=("column",), optional=("values",))
    values = {name: list(SPELLINGS[name]) for name in USUAL_SPLITS}
    if "values" in fields:
        values = {name: _values(value) for name, value in fields["values"].entries().items()}
        if not values:
            raise fields["values"].error("'values' names no split; give train: VALUE")
    rule = {"column": fields["column"].text(), "values": values, "usual": "values" not in fields}
    return json.dumps(rule), tuple(values)


def _values(node: Node) -> list[str]:
    """Read the values of a column that mean one split; numbers and booleans become text."""
    scalars = [item.scalar() for item in node.items()] if node.is_list else [node.scalar()]
    return ["" if scalar is None else str(scalar) for scalar in scalars]


def _by_share(node: Node) -> tuple[str, tuple[str, ...]]:
    shares: dict[str, float] = {}
    for name, value in node.entries().items():
        if not _is_percent(value):
            raise value.error(
                f"'{value.path}' must be a share such as 5%; or name the column: "
                "split: {column: NAME}"
            )
        match = _PERCENT.fullmatch(str(value.value).strip())
        shares[name] = float(match[1]) if match else 0.0
    if "train" in shares:
        raise node.entries()["train"].error("train gets what the shares leave; remove it")
    if not shares or not 0 < sum(shares.values()) < 100 or 0.0 in shares.values():
        raise node.error(f"the shares of '{node.path}' must be above 0 and below 100 % together")
    return json.dumps({"shares": shares}), ("train", *shares)


def _is_percent(node: Node) -> bool:
    return isinstance(node.value, str) and bool(_PERCENT.fullmatch(node.value.strip()))


def picture_paths(node: Node) -> tuple[str, ...]:
    """Read where the pictures lie: one folder, or archives, of which a name may be a glob."""
    paths = tuple(plain_path(node, text) for text in node.texts())
    for path in paths:
        if path.lower().endswith(_PACKED_ARCHIVES):
            raise node.error(f"'{path}' is a packed archive; unpack it into a folder or a .tar")
        if not is_archive(path) and (len(paths) > 1 or is_glob(path)):
            raise node.error(
                f"'{path}' is no archive; 'pictures' is one folder, or archives (.zip, .tar) as a "
                "list or a glob"
            )
    return paths


def _beside(fields: dict[str, Node], base: str) -> tuple[RawFileSpec, ...]:
    """Return the archives of pictures, if there are any: they are read like the table."""
    paths = picture_paths(fields["pictures"]) if "pictures" in fields else ()
    if not any(map(is_archive, paths)):
        return ()
    many = len(paths) > 1 or is_glob(paths[0])
    names = tuple(base + path for path in paths)
    return (RawFileSpec(role="pictures", names=names, optional=False, many=many),)


def is_archive(path: str) -> bool:
    """Return whether a path of pictures names an archive."""
    return path.lower().endswith((".zip", ".tar"))


def _specs(
    node: Node, is_folder: bool, base: str, beside: tuple[RawFileSpec, ...]
) -> tuple[RawFileSpec, ...]:
    if node.is_mapping and "questions" in node.entries():
        fields = node.fields(required=("questions",), optional=("annotations",))
        parts = [("file", fields["questions"])]
        parts += [("annotations", fields["annotations"])] if "annotations" in fields else []
        return (
            *(
                RawFileSpec(role=role, names=(base + _table(at, at.text()),), optional=False)
                for role, at in parts
            ),
            *beside,
        )
    if not node.is_list:
        node.text()
    texts = node.texts()
    if is_folder:
        paths = tuple(base + plain_path(node, text) for text in texts)
        return (RawFileSpec(role="folder", names=paths, optional=False, many=True), *beside)
    paths = tuple(base + _table(node, text) for text in texts)
    many = len(paths) > 1 or any(is_glob(path) or "." not in path for path in paths)
    return (RawFileSpec(role="file", names=paths, optional=False, many=many), *beside)


def is_glob(path: str) -> bool:
    """Return whether a path is a glob."""
    return any(letter in path for letter in "*?[")


def _table(node: Node, text: str) -> str:
    """Check the path of a table; a path without a suffix is a folder."""
    path = plain_path(node, text)
    name = posixpath.basename(path).lower()
    stem, dot, last = name.rpartition(".")
    if dot and f".{last}" in PACKED:
        name = stem if "." in stem else name
    if "." in name.strip("*?[].") and not name.endswith((*SUFFIXES, ".zip")):
        allowed = f"{', '.join(SUFFIXES)}, and text packed as {', '.join(PACKED)}"
        raise node.error(f"'{path}' is no table that we read; allowed: {allowed}")
    if f".{last}" in PACKED and stem.endswith(_BINARY):
        raise node.error(f"'{path}' is no table that we read; unpack it")
    return path


def _split(name: str, node: Node, specs: tuple[RawFileSpec, ...]) -> Split:
    if not _SPLIT.fullmatch(name):
        raise node.error(f"'{name}' is no valid split; use small letters, digits and underscores")
    return Split(name=name, files=specs, expected=(), labelled=True)
