"""Items of a raw file by their positions, as they stand there, for a person to read.

Readers take from an item what they need; this shows all of it. Which list of a file a reader's
positions count is told here, reader by reader; the file is streamed up to the item by the
machinery that the readers use.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

import pyarrow.parquet as pq

from instructify._util.errors import UserError
from instructify._util.shards import map_file
from instructify.readers import (
    RawFile,
    class_files,
    class_names,
    opened,
    plain_suffix,
    read_lines,
    read_list,
    read_mapping,
    read_rows,
)

_TOP = "[]"  # the file is a list
_IDS = "{}"  # an object keyed by id
_LINES = "lines"  # JSON lines
_TEXT = "text"  # lines of text

# Where the positions of a reader's records count; the first that a file has.
_PLACES: Mapping[str, Sequence[str]] = {
    "coco_caption": ("annotations", "images", _TOP),
    "textcaps": ("data",),
    "vqav2": ("questions",),
    "vqav2_qg": ("questions",),
    "okvqa": ("questions",),
    "okvqa_qg": ("questions",),
    "aokvqa": (_TOP,),
    "aokvqa_qg": (_TOP,),
    "ocr_vqa": (_IDS,),
    "llava": (_TOP,),
    "web_capfilt": (_TOP,),
    "nocaps": ("images",),
    "flickr30k": ("images", _TOP, _TEXT),
    "vizwiz": (_TOP,),
    "gqa": (_IDS,),
    "vsr": (_LINES,),
    "iconqa": (_IDS,),
    "scienceqa": (_IDS,),
    "visdial": ("data.dialogs",),
    "textvqa": ("data",),
    "hateful_memes": (_LINES,),
    "msvd_qa": (_TOP,),
    "msrvtt_qa": (_TOP,),
}
_TABLES = (".csv", ".tsv", ".parquet")


def raw_item(file: RawFile, reader: str, position: int, form: str) -> object | None:
    """Return what stands at a position of a raw file; None where that can't be told.

    `reader` is its name without version. `form` tells captions from caption sets, whose positions
    count pictures.
    """
    return raw_items(file, reader, {position}, form).get(position)


def raw_items(file: RawFile, reader: str, wanted: Set[int], form: str) -> dict[int, object]:
    """Return what stands at some positions of a raw file, read once up to the last of them."""
    places = list(
        _PLACES.get(reader, (_LINES,) if plain_suffix(file.path) == ".jsonl" else (_TOP,))
    )
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
    if place == _TEXT:
        yield from _text_lines(file)
    elif place == _LINES:
        for lines in read_lines(file, dict[str, Any]):
            yield from zip(lines.positions, lines.items, strict=True)
    elif place == _IDS:
        for pairs in read_mapping(file, dict[str, Any]):
            for at, (name, item) in zip(pairs.positions, pairs.items, strict=True):
                yield at, {name: item}
    else:
        for items in read_list(file, dict[str, Any], key=None if place == _TOP else place):
            yield from zip(items.positions, items.items, strict=True)


def _text_lines(file: RawFile) -> Iterator[tuple[int, str]]:
    with opened(file) as raw:
        for at, line in enumerate(raw.handle):
            yield at, line.decode("utf-8", "replace").rstrip("\r\n")


def _table_rows(file: RawFile) -> Iterator[tuple[int, object]]:
    columns: Sequence[str] = ()
    if plain_suffix(file.path) == ".parquet":
        columns = pq.read_schema(map_file(file.path)).names
    for batch in read_rows(file, columns):
        yield from batch.rows


def _class_files(folder: RawFile) -> Iterator[tuple[int, object]]:
    for at, found in enumerate(class_files(folder, class_names(folder))):
        yield at, {"file": found.name, "class": found.label}
