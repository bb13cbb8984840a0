"""Hateful Memes: whether a meme is hateful, yes or no, with its words as `text`.

The raw id is the name of the picture file, since the id in the file may lack its leading zero.
Files without labels (test) give records for inference only.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import PurePosixPath
from typing import Literal

import msgspec

from instructify.readers.base import JSON_LINES, Chunk, RawFile, ReadContext, Reader, RecordRows
from instructify.readers.json_items import collect, read_lines
from instructify.readers.text import clean, safe_name


class _Meme(msgspec.Struct, frozen=True, gc=False):
    img: str
    text: str
    label: Literal[0, 1] | None = None


def _read(context: ReadContext) -> Iterator[Chunk]:
    rows = RecordRows(context)
    file = context.files["data"]
    yield from collect(rows, read_lines(file, _Meme), partial(_add, rows, file))


def _add(rows: RecordRows, file: RawFile, position: int, item: _Meme) -> None:
    text = clean(item.text)
    raw_id = PurePosixPath(item.img).stem
    if not safe_name(item.img) or not raw_id:
        detail = f"{item.img!a} is no file name below the release's folder"
        rows.reject(file, position, "img", "path-outside-root", detail)
    elif not text:
        rows.reject(file, position, "text", "empty-text", "the meme has no text")
    else:
        answer = None if item.label is None else "yes" if item.label else "no"
        rows.add(
            raw_id,
            form="binary",
            pictures=[f"hateful_memes/{item.img}"],
            source=file,
            position=position,
            text=text,
            answer=answer,
            references=answer and [answer],
        )


READER = Reader(name="hateful_memes", version=1, read=_read, options={}, places=(JSON_LINES,))
