"""Items of a raw file by their positions, unchanged, for a person to read.

Readers take some fields of an item; this module returns all of it. `places` of the reader says
which list of a file the positions count in. The file is streamed up to the item, as readers do.
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
    """Return the item at a position of a raw file; None if there is no readable item.

    `reader` is the name of the reader without version. `form` matters for captions: positions of
    caption sets count pictures.
    """
    return raw_items(file, reader, {position}, form).get(position)


def raw_items(file: RawFile, reader: str, positions: Set[int], form: str) -> dict[int, object]:
    """Return the items at some positions of a raw file, which is read up to the last of them."""
    places = list(READERS[reader].places) if reader in READERS else []
    if form == "caption_set" and "annotations" in places:
        places.remove("annotations")
    if file.path.is_dir():
        return _taken(_class_files(file), positions)
    if plain_suffix(file.path) in _TABLES:
        return _taken(_table_rows(file), positions)
    for place in places:
        chosen = _taken(_items(file, place), positions)
        if chosen:
            return chosen
    return {}


def _taken(items: Iterator[tuple[int, object]], positions: Set[int]) -> dict[int, object]:
    """Return the items at these positions, as far as the file can be read.

    The file may be of another kind, or have no such list.
    """
    chosen: dict[int, object] = {}
    try:
        for at, item in items if positions else ():
            if at in positions:
                chosen[at] = item
                if len(chosen) == len(positions):
                    break
    except UserError:
        pass
    return chosen


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
    """Replace bytes, which are not readable, by their number."""
    if isinstance(cell, bytes):
        return f"{len(cell):,} bytes"
    if isinstance(cell, list):
        return [_without_bytes(item) for item in cell]
    if isinstance(cell, dict):
        return {name: _without_bytes(item) for name, item in cell.items()}
    return cell


def _class_files(folder: RawFile) -> Iterator[tuple[int, object]]:
    for at, class_file in enumerate(class_files(folder, class_names(folder))):
        yield at, {"file": class_file.name, "class": class_file.label}
