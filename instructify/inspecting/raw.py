"""The items of raw files that shown samples and rejects come from, as text."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from instructify._util.errors import UserError
from instructify.build import Build, DatasetEntry, RawRoots, RawSource, SplitEntry, find_split
from instructify.catalog import Catalog
from instructify.explaining import raw_items
from instructify.pictures import load_roots
from instructify.readers import RawFile

_WIDTH = 84
_MOST_LETTERS = 6_000


class Position(NamedTuple):
    """An item of a raw file; `form` says which of its lists `position` counts in."""

    dataset: str
    split: str
    source: str
    position: int
    form: str


class RawTexts(NamedTuple):
    """Items as text, by position, and the reasons why some splits have none."""

    texts: Mapping[Position, str]
    notes: Mapping[str, str]  # "dataset/split" => why


def read_raw(
    build: Build, catalog: Catalog, raw: Path | None, positions: Iterable[Position]
) -> RawTexts:
    """Look up items by position; files whose size changed since the conversion are skipped."""
    root = raw_root(build, raw)
    groups: dict[tuple[str, str, str, str], set[int]] = {}
    for position in positions:
        key = (position.dataset, position.split, position.source, position.form)
        groups.setdefault(key, set()).add(position.position)
    texts: dict[Position, str] = {}
    notes: dict[str, str] = {}
    for (name, split, source, form), numbers in groups.items():
        entry, of = build.dataset(name), build.split(name, split)
        file = _file(catalog, name, entry, split, of, source, root)
        if not isinstance(file, RawFile):
            notes[f"{name}/{split}"] = file
            continue
        reader = of.reader.partition("@")[0]
        for at, item in raw_items(file, reader, numbers, form).items():
            texts[Position(name, split, source, at, form)] = item_text(item)
    return RawTexts(texts, notes)


def raw_root(build: Build, raw: Path | None) -> Path | None:
    """Return `raw`, or the raw root of the conversion; None if neither exists."""
    if raw is not None:
        if not raw.is_dir():
            raise UserError(f"--raw {raw} is not a folder; give the raw root.")
        return raw
    noted = load_roots(build.paths.root)
    return noted.raw if noted is not None and noted.raw.is_dir() else None


def _file(
    catalog: Catalog,
    name: str,
    entry: DatasetEntry,
    split: str,
    of: SplitEntry,
    source: str,
    root: Path | None,
) -> RawFile | str:
    """Find a raw file of a split, or return the reason why it can't be read."""
    if root is None:
        return "the raw root is not known here; give --raw"
    if name not in catalog.datasets:
        return "the dataset is not in our catalog; give --catalog"
    dataset = catalog.dataset(name).with_options(entry.options)
    try:
        files = find_split(catalog, dataset, dataset.split(split), RawRoots(raw=root)).files
    except UserError:
        return "its raw files are not below the raw root"
    file = next((file for file in files.values() if file.name == source), None)
    if file is None:
        return f"{source} is not below the raw root"
    recorded = next((source_file for source_file in of.raw if source_file.name == source), None)
    if recorded is not None and _has_changed(file, recorded):
        return f"{source} has changed since the conversion"
    return file


def _has_changed(file: RawFile, recorded: RawSource) -> bool:
    return file.path.is_file() and file.path.stat().st_size != recorded.size_bytes


def item_text(item: object) -> str:
    """Return an item as JSON, in which values that fit stay on one line."""
    text = item if isinstance(item, str) else _json(item, 0)
    if len(text) > _MOST_LETTERS:
        text = f"{text[:_MOST_LETTERS]}\n... and {len(text) - _MOST_LETTERS:,} more characters"
    return text


def _json(value: Any, depth: int) -> str:
    flat = json.dumps(value, ensure_ascii=False, default=str)
    if len(flat) + 2 * depth <= _WIDTH or not isinstance(value, dict | list) or not value:
        return flat
    pad, end = "  " * (depth + 1), "  " * depth
    if isinstance(value, list):
        inside = ",\n".join(pad + _json(item, depth + 1) for item in value)
        return f"[\n{inside}\n{end}]"
    inside = ",\n".join(
        f"{pad}{json.dumps(str(key), ensure_ascii=False)}: {_json(item, depth + 1)}"
        for key, item in value.items()
    )
    return f"{{\n{inside}\n{end}}}"
