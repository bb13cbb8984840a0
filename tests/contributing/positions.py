"""Whether the positions of records name the items that the records are made of.

`explain` reads a record again and shows the item at its position; a wrong position gives the same
record and shows another item. What tells them apart is the raw id, or a picture's name: where the
item at the position lacks it and another item of the file has it, the position is wrong.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from finding import Finding

from instructify.build import Build
from instructify.catalog import Dataset
from instructify.explaining import raw_items
from instructify.readers import RawFile

_LOOKED_AT = 50  # records of a split
_SCANNED = 1000  # items of a file
_COLUMNS = ["record_id", "form", "pictures", "source", "position"]


def misplaced(entry: Dataset, build: Build, split: str, raw: Path) -> Iterator[Finding]:
    """Name the first record of a split whose position is another item's."""
    table = build.records(entry.name, split).select(_COLUMNS)
    step = max(1, len(table) // _LOOKED_AT)
    rows = table.take(pa.array(range(0, len(table), step), pa.int64())).to_pylist()
    for source, form in sorted({(row["source"], row["form"]) for row in rows}):
        chosen = [row for row in rows if (row["source"], row["form"]) == (source, form)]
        wanted = {*range(_SCANNED), *(row["position"] for row in chosen)}
        items = raw_items(RawFile(source, raw / source), entry.reader, wanted, form)
        texts = {at: frozenset(_texts(item)) for at, item in items.items()}
        wrong = next((text for row in chosen if (text := _wrong(row, texts))), None)
        if wrong is not None:
            yield Finding(wrong)
            return


def _wrong(row: Mapping[str, Any], texts: Mapping[int, frozenset[str]]) -> str | None:
    """Say which item has what the item at the position lacks; None where no item does."""
    position = row["position"]
    raw_id = row["record_id"].split("/", 2)[2]
    for mark in (raw_id, *(key.split("/", 1)[1] for key in row["pictures"] if "/" in key)):
        if mark in texts.get(position, ()):
            return None
    for at, there in texts.items():
        if raw_id in there:
            return (
                f"{row['record_id']} has the position {position} in {row['source']}, and "
                f"{raw_id!a} stands at {at}: give the position that the reader is handed"
            )
    return None


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield str(key)
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
    else:
        yield str(value)
