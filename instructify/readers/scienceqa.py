"""ScienceQA: a multiple-choice record for each problem; its hint is the context.

The raw id is the id of the problem. By default only problems with a picture are read (SciQA-IMG);
`pictures=all` also reads the others, without a picture. Lecture and solution are never used, since
they contain the answer. The picture is below the split of the problem (`minitest` is a part of
`test`).
"""

from collections.abc import Iterator
from typing import Literal

import msgspec

from instructify.readers.base import BY_ID, Chunk, Option, RawFile, ReadContext, Reader, RecordRows
from instructify.readers.problems import check_choices, read_problems
from instructify.readers.text import clean, safe_name


class _Problem(msgspec.Struct, frozen=True, gc=False):
    question: str
    choices: list[str]
    answer: int
    split: Literal["train", "val", "test"]
    image: str | None = None
    hint: str | None = None
    subject: str | None = None


def _read(context: ReadContext) -> Iterator[Chunk]:
    rows = RecordRows(context)
    only = context.options["pictures"] == "only"
    for position, pid, problem in read_problems(context.files, [context.split], _Problem, rows):
        if problem.image or not only:
            _add(rows, context.files["problems"], position, pid, problem)
        if rows.full:
            yield rows.take()
    yield rows.take()


def _add(rows: RecordRows, file: RawFile, position: int, pid: str, problem: _Problem) -> None:
    question = clean(problem.question)
    picture = f"{problem.split}/{pid}/{problem.image}"
    if not question:
        rows.reject(file, position, "question", "empty-text", "the question is empty")
        return
    if not safe_name(picture):
        rows.reject(file, position, "image", "path-outside-root", f"{picture!a} leads elsewhere")
        return
    choices = check_choices(rows, file, position, problem.choices, problem.answer)
    if choices is None:
        return
    right = choices.texts[choices.right]
    rows.remark("empty-choice", choices.dropped)
    rows.add(
        pid,
        form="multiple_choice",
        pictures=[f"scienceqa/{picture}"] if problem.image else [],
        source=file,
        position=position,
        question=question,
        answer=right,
        references=[right],
        choices=choices.texts,
        choice_index=choices.right,
        context=clean(problem.hint or "") or None,
        subset=problem.subject,
    )


READER = Reader(
    name="scienceqa",
    version=2,
    read=_read,
    options={
        "pictures": Option(
            kind="choice",
            help="only: the problems that have a picture; all: the others as well",
            choices=("only", "all"),
        )
    },
    places=(BY_ID,),
)
