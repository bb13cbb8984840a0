"""TextVQA: questions about text in pictures, with ten answers each, and OCR tokens in a file.

The raw id is the question id. "unanswerable" and "answering does not require reading text in the
image" are answers like any other. Test has no answers, so its records are for inference only. The
OCR file (Rosetta) is a list for all pictures; its first tokens are joined by picture. An empty list
means that no text was found, null that the picture is not in the file.
"""

from collections.abc import Iterator
from functools import partial
from typing import Annotated

import msgspec

from instructify.readers.annotators import TARGET, collect_answers
from instructify.readers.base import Chunk, Option, Ranges, ReadContext, Reader, RecordRows
from instructify.readers.json_items import collect, read_list
from instructify.readers.ocr import apply_ocr, load_ocr
from instructify.readers.stated_split import other_split
from instructify.readers.text import clean, safe_name


class _Question(msgspec.Struct, frozen=True, gc=False):
    question_id: Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)]
    question: str
    image_id: str
    answers: list[str] | None = None
    set_name: object = None


def _read(context: ReadContext) -> Iterator[Chunk]:
    rows = RecordRows(context)
    num_tokens = int(context.options["ocr_tokens"])
    ocr = load_ocr(context.files["ocr"]) if "ocr" in context.files and num_tokens > 0 else None
    if ocr is not None:
        rows.extend_rejects(ocr.rejects)
    questions = read_list(context.files["questions"], _Question, key="data")
    for chunk in collect(rows, questions, partial(_add, rows, context)):
        if ocr is None:
            yield chunk
        else:
            yield chunk._replace(records=apply_ocr(chunk.records, ocr, num_tokens))


def _add(rows: RecordRows, context: ReadContext, position: int, item: _Question) -> None:
    file = context.files["questions"]
    raw_id = str(item.question_id)
    question = clean(item.question)
    answers = collect_answers(context, raw_id, item.answers or ())
    wrong = other_split(item.set_name, context.split)
    if wrong:
        rows.reject(file, position, "set_name", "bad-value", wrong)
    elif not question:
        rows.reject(file, position, "question", "empty-text", "the question is empty")
    elif not safe_name(item.image_id):
        detail = f"{item.image_id!a} is no picture's id"
        rows.reject(file, position, "image_id", "path-outside-root", detail)
    elif item.answers and answers is None:
        rows.reject(file, position, "answers", "no-answer", "all answers are empty")
    else:
        rows.add(
            raw_id,
            form="open",
            pictures=[f"openimages/{item.image_id}"],
            source=file,
            position=position,
            question=question,
            answer=answers and answers.target,
            references=answers and answers.texts,
            answer_choice=answers and answers.chosen,
        )


READER = Reader(
    name="textvqa",
    version=3,
    read=_read,
    options={
        "target": TARGET,
        "ocr_tokens": Option(
            kind="int", help="how many OCR tokens a record has at most; 0: none", needs="ocr"
        ),
    },
    places=("data",),
    ranges=Ranges(places={"questions": "data"}),
)
