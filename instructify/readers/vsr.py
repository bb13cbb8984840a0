"""Visual Spatial Reasoning: a statement about a picture, true (yes) or false (no).

The raw id is `<variant>-<line>`, since statements have no id; a statement may be in both variants.
The statement becomes the question. Votes and frames of reference are not used.
"""

import re
from collections.abc import Iterator
from typing import Literal

import msgspec

from instructify.readers.base import (
    JSON_LINES,
    Chunk,
    Option,
    RawFile,
    ReadContext,
    Reader,
    RecordRows,
)
from instructify.readers.json_items import collect, read_lines
from instructify.readers.text import clean

_COCO = re.compile(r"(\d{12})\.jpg", re.ASCII)


class _Statement(msgspec.Struct, frozen=True, gc=False):
    image: str
    caption: str
    label: Literal[0, 1]
    relation: str | None = None


def _read(context: ReadContext) -> Iterator[Chunk]:
    rows = RecordRows(context)
    file = context.files["data"]
    variant = context.options["variant"]

    def add(position: int, item: _Statement) -> None:
        _add(rows, file, position, f"{variant}-{position}", item)

    yield from collect(rows, read_lines(file, _Statement), add)


def _add(rows: RecordRows, file: RawFile, position: int, raw_id: str, item: _Statement) -> None:
    statement = clean(item.caption)
    picture = _COCO.fullmatch(item.image)
    if not statement:
        rows.reject(file, position, "caption", "empty-text", "the statement is empty")
    elif picture is None:
        detail = f"{item.image!a} is not <12 digits>.jpg"
        rows.reject(file, position, "image", "bad-value", detail)
    else:
        answer = "yes" if item.label else "no"
        rows.add(
            raw_id,
            form="binary",
            pictures=[f"coco/{picture[1]}"],
            source=file,
            position=position,
            question=statement,
            answer=answer,
            references=[answer],
            subset=item.relation,
        )


READER = Reader(
    name="vsr",
    version=1,
    read=_read,
    options={
        "variant": Option(
            kind="choice",
            help="zeroshot: test concepts are unseen in train; random: split by chance",
            choices=("zeroshot", "random"),
        )
    },
    places=(JSON_LINES,),
)
