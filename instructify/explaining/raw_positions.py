"""Items of a raw file by their positions, as they stand there, for a person to read.

Readers take from an item what they need; this shows all of it. Which list of a file the positions
count is said by the reader (`places`); the file is streamed up to the item by the machinery that
the readers use.
"""

from collections.abc import Iterator, Set
from typing import Any

from instructify._util.errors import UserError
from instructify.readers import (
    A_LIST,
    BY_ID,
    JSON_LINES,
    READERS,
    TEXT_LINES,
    RawFile,
    class_files,
    class_names,
    column_names,
    opened,
    plain_suffix,
    read_lines,
    read_list,
    read_mapping,
    read_rows,
)

_TABLES = (".csv", ".tsv", ".parquet", ".arrow", ".tar")


def raw_item(file: RawFile, reader: str, position: int, form: str) -> object | None:
    """Return what stands at a position of a raw file; None where that can't be told.

    `reader` is its name without version. `form` tells captions from caption sets, whose positions
    count pictures.
    """
    return raw_items(file, reader, {position}, form).get(position)


def raw_items(file: RawFile, reader: str, wanted: Set[int], form: str) -> dict[int, object]:
    """Return what stands at some positions of a raw file, read once up to the last of them."""
    places = list(READERS[reader].places) if reader in READERS else []
    if form == "caption_set" and "annotations" in places:
        places.remove("annotations")
    if file.path.is_dir():
        return _taken(_class_files(file), wanted)
    if plain_suffix(file.path) in _TABLES:
        return _taken(_table_rows(file), wanted)
    for place in places:
        found = _taken(_items(file, place), wanted)
        if found:
            return found
    return {}


def _taken(items: Iterator[tuple[int, object]], wanted: Set[int]) -> dict[int, object]:
    """Take what is wanted, as far as the file can be read.

    It may be of another kind, or have no such list.
    """
    found: dict[int, object] = {}
    try:
        for at, item in items if wanted else ():
            if at in wanted:
                found[at] = item
                if len(found) == len(wanted):
                    break
    except UserError:
        pass
    return found


def _items(file: RawFile, place: str) -> Iterator[tuple[int, object]]:
    if place == TEXT_LINES:
        yield from _text_lines(file)
    elif place == JSON_LINES:
        for lines in read_lines(file, dict[str, Any]):
            yield from zip(lines.positions, lines.items, strict=True)
    elif place == BY_ID:
        for pairs in read_mapping(file, dict[str, Any]):
            for at, (name, item) in zip(pairs.positions, pairs.items, strict=True):
                yield at, {name: item}
    else:
        for items in read_list(file, dict[str, Any], key=None if place == A_LIST else place):
            yield from zip(items.positions, items.items, strict=True)


def _text_lines(file: RawFile) -> Iterator[tuple[int, str]]:
    with opened(file) as raw:
        for at, line in enumerate(raw.handle):
            yield at, line.decode("utf-8", "replace").rstrip("\r\n")


def _table_rows(file: RawFile) -> Iterator[tuple[int, object]]:
    for batch in read_rows(file, column_names(file)):
        for at, cells in batch.rows:
            yield at, {name: _without_bytes(cell) for name, cell in cells.items()}


def _without_bytes(cell: object) -> object:
    """Put a count in the place of bytes, which nobody can read."""
    if isinstance(cell, bytes):
        return f"{len(cell):,} bytes"
    if isinstance(cell, list):
        return [_without_bytes(one) for one in cell]
    if isinstance(cell, dict):
        return {name: _without_bytes(one) for name, one in cell.items()}
    return cell


def _class_files(folder: RawFile) -> Iterator[tuple[int, object]]:
    for at, found in enumerate(class_files(folder, class_names(folder))):
        yield at, {"file": found.name, "class": found.label}
