"""IconQA: three kinds of questions about icon pictures; the raw id is that of the problem.

`choose_txt` (the default, which the paper evaluates) and `choose_img` are multiple choice.
`fill_in_blank` is open, with a text such as "7,364" as answer. Choices that are pictures follow the
main picture of the record: choice k is `pictures[k + 1]`, and its text is "picture <k + 1>". The
folder of a problem is named by split, kind and id.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import msgspec

from instructify.readers.base import BY_ID, Chunk, Option, RawFile, ReadContext, Reader, RecordRows
from instructify.readers.problems import check_choices, read_problems
from instructify.readers.text import clean, safe_name

_KINDS = ("choose_txt", "choose_img", "fill_in_blank")


class _Problem(msgspec.Struct, frozen=True, gc=False):
    question: str
    answer: int | str
    ques_type: Literal["choose_txt", "choose_img", "fill_in_blank"]
    choices: list[str] | None = None
    hint: str | None = None


class _Target(NamedTuple):
    """Answer and choices of a problem; `more_pictures` are file names beside the main picture."""

    answer: str
    choices: list[str] | None = None
    choice_index: int | None = None
    more_pictures: Sequence[str] = ()
    dropped: int = 0  # empty wrong choices


def _read(context: ReadContext) -> Iterator[Chunk]:
    rows = RecordRows(context)
    kind = str(context.options["kind"])
    names = [f"{name}_{context.split}" for name in (_KINDS if kind == "all" else (kind,))]
    for position, pid, problem in read_problems(context.files, names, _Problem, rows):
        _add(rows, context, position, pid, problem)
        if rows.full:
            yield rows.take()
    yield rows.take()


def _add(
    rows: RecordRows, context: ReadContext, position: int, pid: str, problem: _Problem
) -> None:
    file = context.files["problems"]
    folder = f"{context.split}/{problem.ques_type}/{pid}"
    question = clean(problem.question)
    if not question:
        rows.reject(file, position, "question", "empty-text", "the question is empty")
        return
    if not safe_name(folder):
        rows.reject(file, position, None, "path-outside-root", f"{pid!a} is no folder's name")
        return
    judge = _open if problem.ques_type == "fill_in_blank" else _choice
    target = judge(rows, file, position, problem)
    if target is None:
        return
    rows.remark("empty-choice", target.dropped)
    rows.add(
        pid,
        form="open" if target.choices is None else "multiple_choice",
        pictures=[f"iconqa/{folder}/{name}" for name in ("image.png", *target.more_pictures)],
        source=file,
        position=position,
        question=question,
        answer=target.answer,
        references=[target.answer],
        choices=target.choices,
        choice_index=target.choice_index,
        context=clean(problem.hint or "") or None,
        subset=problem.ques_type,
    )


def _open(rows: RecordRows, file: RawFile, position: int, problem: _Problem) -> _Target | None:
    answer = clean(str(problem.answer))
    if not answer:
        rows.reject(file, position, "answer", "empty-text", "the answer is empty")
        return None
    return _Target(answer)


def _choice(rows: RecordRows, file: RawFile, position: int, problem: _Problem) -> _Target | None:
    if problem.choices is None:
        rows.reject(file, position, "choices", "missing-field", "a choice without choices")
        return None
    if isinstance(problem.answer, str):
        rows.reject(file, position, "answer", "wrong-type", "a text where an index belongs")
        return None
    choices = check_choices(rows, file, position, problem.choices, problem.answer)
    if choices is None:
        return None
    texts, right, dropped = choices
    if problem.ques_type == "choose_txt":
        return _Target(texts[right], texts, right, dropped=dropped)
    if not all(map(safe_name, texts)):
        detail = "a choice is no file name of the problem's folder"
        rows.reject(file, position, "choices", "path-outside-root", detail)
        return None
    names = [f"picture {number}" for number in range(1, len(texts) + 1)]
    return _Target(names[right], names, right, texts, dropped)


READER = Reader(
    name="iconqa",
    version=2,
    read=_read,
    options={
        "kind": Option(
            kind="choice", help="which kind of question is read", choices=(*_KINDS, "all")
        )
    },
    places=(BY_ID,),
)
