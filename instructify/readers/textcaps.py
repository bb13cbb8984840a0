"""TextCaps: a row for each caption, which repeats all references of its picture.

Only `caption_str` is read: `reference_strs` of every row would give each caption five times. The
raw id is `caption_id` in training. In evaluation it is the picture id, and a record is a picture
with the captions of all its rows. Test rows have no caption and are for inference only. OCR tokens
come from the Rosetta file of the split, if it exists.
"""

from collections.abc import Iterator, Sequence

import msgspec

from instructify.readers.base import Chunk, Option, Ranges, RawFile, ReadContext, Reader
from instructify.readers.captions import Caption, caption_chunk, caption_chunks, for_training
from instructify.readers.json_items import read_list
from instructify.readers.ocr import OcrTable, apply_ocr, load_ocr
from instructify.readers.stated_split import other_split
from instructify.readers.text import clean_caption, safe_name
from instructify.rejects import Reject


class Row(msgspec.Struct, gc=False):
    image_id: str
    caption_str: str | msgspec.UnsetType = msgspec.UNSET
    caption_id: int | msgspec.UnsetType = msgspec.UNSET
    set_name: object = None


def _read(context: ReadContext) -> Iterator[Chunk]:
    file = context.files["captions"]
    wanted = "ocr" in context.files and int(context.options["ocr_tokens"]) > 0
    ocr = load_ocr(context.files["ocr"]) if wanted else None
    chunks = _caption_chunks(context, file) if for_training(context) else _sets(context, file)
    rejects: Sequence[Reject] = ocr.rejects if ocr else ()
    for chunk in chunks:
        yield _with_ocr(context, chunk, ocr, rejects)
        rejects = ()


def _caption_chunks(context: ReadContext, file: RawFile) -> Iterator[Chunk]:
    for items in read_list(file, Row, key="data"):
        rows: list[Caption] = []
        rejects = list(items.rejects)
        for position, row in zip(items.positions, items.items, strict=True):
            caption = _caption(row)
            problem = _problem(context, file, position, row, caption)
            if problem is None and caption is None:
                problem = _missing(file, position, "caption_str")
            elif problem is None and row.caption_id is msgspec.UNSET:
                problem = _missing(file, position, "caption_id")
            if problem:
                rejects.append(problem)
            elif caption:
                key = f"openimages/{row.image_id}"
                rows.append(Caption(str(row.caption_id), key, [caption], position))
        yield caption_chunk(context, file, rows, rejects)


def _sets(context: ReadContext, file: RawFile) -> Iterator[Chunk]:
    """Group the rows by picture, in the order of their first rows."""
    sets: dict[str, Caption] = {}
    rejects: list[Reject] = []
    for items in read_list(file, Row, key="data"):
        rejects += items.rejects
        for position, row in zip(items.positions, items.items, strict=True):
            caption = _caption(row)
            problem = _problem(context, file, position, row, caption)
            if problem:
                rejects.append(problem)
                continue
            key = f"openimages/{row.image_id}"
            given = sets.setdefault(row.image_id, Caption(row.image_id, key, [], position))
            if caption:
                given.captions.append(caption)
    yield from caption_chunks(context, file, list(sets.values()), rejects)


def _caption(row: Row) -> str | None:
    """Return the caption; None if the row has none, as in test."""
    return None if row.caption_str is msgspec.UNSET else clean_caption(row.caption_str)


def _problem(
    context: ReadContext, file: RawFile, position: int, row: Row, caption: str | None
) -> Reject | None:
    wrong = other_split(row.set_name, context.split)
    if wrong:
        return Reject(file.name, position, "set_name", "bad-value", wrong)
    if not safe_name(row.image_id) or "/" in row.image_id:
        detail = "the id is no plain file name"
        return Reject(file.name, position, "image_id", "path-outside-root", detail)
    if caption == "":
        detail = "the caption is empty"
        return Reject(file.name, position, "caption_str", "empty-text", detail)
    return None


def _missing(file: RawFile, position: int, field: str) -> Reject:
    return Reject(file.name, position, field, "missing-field", "a row to train on needs it")


def _with_ocr(
    context: ReadContext, chunk: Chunk, ocr: OcrTable | None, rejects: Sequence[Reject]
) -> Chunk:
    if ocr is None:
        return chunk
    records = apply_ocr(chunk.records, ocr, int(context.options["ocr_tokens"]))
    return chunk._replace(records=records, rejects=(*rejects, *chunk.rejects))


def _ranges(context: ReadContext) -> Ranges | None:
    """Return where the rows are; in evaluation those of a picture are joined over the file."""
    return Ranges(places={"captions": "data"}) if for_training(context) else None


READER = Reader(
    name="textcaps",
    version=3,
    read=_read,
    options={
        "ocr_tokens": Option(kind="int", help="how many OCR tokens are kept, 0: none", needs="ocr")
    },
    places=("data",),
    ranges=_ranges,
)
