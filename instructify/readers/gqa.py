"""GQA: questions generated from scene graphs, with one short answer each.

The raw id is the question id, which is the key of the item and may begin with zeros. Pictures are
from Visual Genome, except those whose id begins with a letter. Submission files have no answers, so
their records are for inference only. With `questions=all` train has ten files, read in order.
"""

import re
from collections.abc import Iterator, Sequence

import msgspec

from instructify._util.errors import UserError
from instructify.readers.base import (
    BY_ID,
    Chunk,
    Option,
    Ranges,
    RawFile,
    ReadContext,
    Reader,
    RecordRows,
)
from instructify.readers.json_items import read_mapping
from instructify.readers.text import clean

_IMAGE_ID = re.compile(r"[A-Za-z]?\d+", re.ASCII)
_PARTS = tuple(f"part_{number}" for number in range(10))


class _Types(msgspec.Struct, frozen=True, gc=False):
    structural: str | None = None


class _Question(msgspec.Struct, frozen=True, gc=False):
    question: str
    imageId: str
    answer: str | None = None
    types: _Types | None = None


def _read(context: ReadContext) -> Iterator[Chunk]:
    rows = RecordRows(context)
    for file in _files(context):
        for items in read_mapping(file, _Question):
            rows.extend_rejects(items.rejects)
            for position, (question_id, item) in zip(items.positions, items.items, strict=True):
                _add(rows, file, position, question_id, item)
                if rows.full:
                    yield rows.take()
    yield rows.take()


def _files(context: ReadContext) -> Sequence[RawFile]:
    if "questions" in context.files:
        return [context.files["questions"]]
    parts = [context.files[part] for part in _PARTS if part in context.files]
    if len(parts) == len(_PARTS):
        return parts
    missing = [part for part in _PARTS if part not in context.files]
    what = f"lacks {', '.join(missing)} of its questions" if parts else "has no file of questions"
    raise UserError(
        f"{context.dataset}: split '{context.split}' {what}; "
        f"`instructify catalog {context.dataset}` says which files it needs and where to get them."
    )


def _add(rows: RecordRows, file: RawFile, position: int, question_id: str, item: _Question) -> None:
    question = clean(item.question)
    answer = None if item.answer is None else clean(item.answer)
    if not question_id:
        rows.reject(file, position, None, "bad-value", "the question's id is empty")
    elif not question:
        rows.reject(file, position, "question", "empty-text", "the question is empty")
    elif answer == "":
        rows.reject(file, position, "answer", "empty-text", "the answer is empty")
    elif not _IMAGE_ID.fullmatch(item.imageId):
        detail = f"{item.imageId!a} is no picture's id"
        rows.reject(file, position, "imageId", "bad-value", detail)
    else:
        family = "vg" if item.imageId.isdigit() else "gqa"
        rows.add(
            question_id,
            form="open",
            pictures=[f"{family}/{item.imageId}"],
            source=file,
            position=position,
            question=question,
            answer=answer,
            references=None if answer is None else [answer],
            subset=None if item.types is None else item.types.structural,
        )


READER = Reader(
    name="gqa",
    version=1,
    read=_read,
    options={
        "questions": Option(
            kind="choice",
            help="balanced: the set that is evaluated; all: every generated question",
            choices=("balanced", "all"),
        )
    },
    places=(BY_ID,),
    ranges=Ranges(places=dict.fromkeys(("questions", *_PARTS), BY_ID)),
)
