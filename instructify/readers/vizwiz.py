"""VizWiz-VQA: questions that blind people asked about their photographs, with ten answers each.

The raw id is the name of the picture, since each picture has one question. Names of the first
release (12 digits) and of the present one (8 digits) are both accepted. The questions were spoken,
so a question mark may be missing. Test has no answers, so its records are for inference only. The
fields `answerable` and `answer_type` contradict each other, so only the ten answers decide whether
a question has an answer.
"""

from collections.abc import Iterator
from functools import partial

import msgspec

from instructify.readers.annotators import TARGET, collect_answers
from instructify.readers.base import (
    A_LIST,
    Chunk,
    Option,
    Ranges,
    RawFile,
    ReadContext,
    Reader,
    RecordRows,
)
from instructify.readers.json_items import collect, read_list
from instructify.readers.text import clean, most_common, safe_name

_NO_ANSWER = {"unsuitable": "unanswerable"}  # the name in the first release


class _Answer(msgspec.Struct, frozen=True, gc=False):
    answer: str


class _Question(msgspec.Struct, frozen=True, gc=False):
    image: str
    question: str
    answers: list[_Answer] | None = None
    answer_type: str | None = None


def _read(context: ReadContext) -> Iterator[Chunk]:
    rows = RecordRows(context)
    file = context.files["questions"]
    yield from collect(rows, read_list(file, _Question), partial(_add, rows, context, file))


def _add(
    rows: RecordRows, context: ReadContext, file: RawFile, position: int, item: _Question
) -> None:
    question = clean(item.question)
    answers = collect_answers(context, item.image, (entry.answer for entry in item.answers or ()))
    if not question:
        rows.reject(file, position, "question", "empty-text", "the question is empty")
    elif not safe_name(item.image):
        detail = f"{item.image!a} is no file name of the picture folder"
        rows.reject(file, position, "image", "path-outside-root", detail)
    elif item.answers is not None and answers is None:
        rows.reject(file, position, "answers", "no-answer", "all answers are empty")
    elif answers is None or context.options["unanswerable"] == "keep" or _has_answer(answers.texts):
        rows.add(
            item.image,
            form="open",
            pictures=[f"vizwiz/{item.image}"],
            source=file,
            position=position,
            question=question,
            answer=answers and answers.target,
            references=answers and answers.texts,
            subset=item.answer_type,
            answer_choice=answers and answers.chosen,
        )


def _has_answer(texts: list[str]) -> bool:
    """Whether an answer is more frequent than the statement that there is none."""
    merged = [_NO_ANSWER.get(text, text) for text in texts if text]
    return merged[most_common(merged)] != "unanswerable"


READER = Reader(
    name="vizwiz",
    version=2,
    read=_read,
    options={
        "target": TARGET,
        "unanswerable": Option(
            kind="choice",
            help="drop leaves out questions that most annotators found unanswerable",
            choices=("keep", "drop"),
            needs="labels",
        ),
    },
    places=(A_LIST,),
    ranges=Ranges(places={"questions": A_LIST}),
)
