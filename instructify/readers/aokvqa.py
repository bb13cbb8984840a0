"""A-OKVQA: one list per split, whose questions have four choices and ten direct answers.

A question becomes two records, open and multiple choice; `forms` asks for one of them. Raw id:
`<question id>/open`, `<question id>/mc`; of question generation the question id. The open target is
the most common direct answer, ties to the first, or with `target=weighted` one drawn by its count.
Rows that lack a label (all of test) are for inference only. A bad label rejects one form, not both.
"""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from instructify.readers.base import Chunk, Option, RawFile, ReadContext, Reader, RecordRows
from instructify.readers.json_items import read_list
from instructify.readers.text import clean, most_common, weighted_choice

_UNSET = msgspec.UNSET


class Row(msgspec.Struct, gc=False):
    image_id: Annotated[int, msgspec.Meta(ge=0, lt=10**12)]
    question_id: str
    question: str
    choices: list[str] | msgspec.UnsetType | None = _UNSET
    correct_choice_idx: int | msgspec.UnsetType | None = _UNSET
    direct_answers: list[str] | msgspec.UnsetType | None = _UNSET
    difficult_direct_answer: bool | None = None


class _Writer:
    """Turns the rows of one file into records and rejects."""

    def __init__(self, context: ReadContext) -> None:
        self.rows = RecordRows(context)
        self._context = context
        self._file: RawFile = context.files["questions"]
        self._forms = str(context.options.get("forms", "both"))

    def add(self, position: int, row: Row) -> None:
        """Add the records of one question."""
        question = self._question(position, row)
        if question is None:
            return
        if self._forms != "multiple_choice":
            self._add_open(position, row, question)
        if self._forms != "open":
            self._add_choices(position, row, question)

    def add_generation(self, position: int, row: Row) -> None:
        """Add the record of a question that is to be asked."""
        question = self._question(position, row)
        if question is None:
            return
        answer = self._given_answer(position, row)
        if answer is None:
            return
        if self._context.options["yes_no"] == "drop" and answer.lower() in ("yes", "no"):
            return
        self._add(row, position, row.question_id, "question_generation", question, answer=answer)

    def _question(self, position: int, row: Row) -> str | None:
        if not row.question_id.strip() or not row.question_id.isprintable():
            self._reject(position, "question_id", "bad-value", "the id is empty or not printable")
            return None
        question = clean(row.question)
        if not question:
            self._reject(position, "question", "empty-text", "the question is empty")
            return None
        return question

    def _add_open(self, position: int, row: Row, question: str) -> None:
        raw_id = f"{row.question_id}/open"
        answers = self._texts(position, "direct_answers", row.direct_answers)
        if answers is None:
            return
        answer, choice = None, None
        if answers:
            choice = self._choose(raw_id, answers)
            answer = answers[choice]
        self._add(
            row,
            position,
            raw_id,
            "open",
            question,
            answer=answer,
            answer_choice=choice,
            references=answers or None,
        )

    def _add_choices(self, position: int, row: Row, question: str) -> None:
        choices = self._texts(position, "choices", row.choices)
        if choices is None:
            return
        if not choices:
            self._reject(position, "choices", "missing-field", "the form needs choices")
            return
        index = self._correct_choice(position, row, len(choices))
        if index is None:
            return
        self._add(
            row,
            position,
            f"{row.question_id}/mc",
            "multiple_choice",
            question,
            choices=choices,
            answer=None if index < 0 else choices[index],
            choice_index=None if index < 0 else index,
        )

    def _correct_choice(self, position: int, row: Row, num_choices: int) -> int | None:
        """Index of the right choice, -1 where the row has no label, None where it is rejected."""
        index = row.correct_choice_idx
        if index is _UNSET:
            return -1
        if index is None:
            self._reject(position, "correct_choice_idx", "null-field", "the label is null")
            return None
        if not 0 <= index < num_choices:
            detail = f"{index} is the index of none of {num_choices} choices"
            self._reject(position, "correct_choice_idx", "bad-value", detail)
            return None
        return index

    def _given_answer(self, position: int, row: Row) -> str | None:
        """The right choice, else the most common direct answer."""
        if row.choices and row.correct_choice_idx is not _UNSET:
            choices = self._texts(position, "choices", row.choices)
            index = None if choices is None else self._correct_choice(position, row, len(choices))
            return None if choices is None or index is None else choices[index]
        answers = self._texts(position, "direct_answers", row.direct_answers)
        if answers == []:
            self._reject(position, "direct_answers", "no-answer", "the row has no answer")
        return answers[most_common(answers)] if answers else None

    def _choose(self, raw_id: str, answers: list[str]) -> int:
        context = self._context
        if context.options["target"] == "weighted":
            record_id = f"{context.dataset}/{context.split}/{raw_id}"
            return weighted_choice(answers, record_id, context.seed)
        return most_common(answers)

    def _texts(
        self, position: int, field: str, given: list[str] | msgspec.UnsetType | None
    ) -> list[str] | None:
        """The cleaned texts, none where the field is absent; None where they are rejected."""
        if given is _UNSET:
            return []
        if given is None:
            self._reject(position, field, "null-field", "the list is null")
            return None
        texts = [clean(text) for text in given]
        if not texts:
            reason = "no-answer" if field == "direct_answers" else "bad-value"
            self._reject(position, field, reason, "the list is empty")
            return None
        if "" in texts:
            self._reject(position, f"{field}[{texts.index('')}]", "empty-text", "the text is empty")
            return None
        return texts

    def _add(
        self, row: Row, position: int, raw_id: str, form: str, question: str, **fields: object
    ) -> None:
        self.rows.add(
            raw_id,
            form=form,
            pictures=[f"coco/{row.image_id:012d}"],
            source=self._file,
            position=position,
            question=question,
            difficult=row.difficult_direct_answer,
            **fields,
        )

    def _reject(self, position: int, field: str, reason: str, detail: str) -> None:
        self.rows.reject(self._file, position, field, reason, detail)


def _read(context: ReadContext) -> Iterator[Chunk]:
    writer = _Writer(context)
    yield from _chunks(context, writer, generation=False)


def _read_generation(context: ReadContext) -> Iterator[Chunk]:
    writer = _Writer(context)
    yield from _chunks(context, writer, generation=True)


def _chunks(context: ReadContext, writer: _Writer, *, generation: bool) -> Iterator[Chunk]:
    add = writer.add_generation if generation else writer.add
    for items in read_list(context.files["questions"], Row):
        writer.rows.extend_rejects(items.rejects)
        for position, row in zip(items.positions, items.items, strict=True):
            add(position, row)
            if writer.rows.full:
                yield writer.rows.take()
    yield writer.rows.take()


READER = Reader(
    name="aokvqa",
    version=1,
    read=_read,
    options={
        "forms": Option(
            kind="choice",
            help="which records a question becomes",
            choices=("both", "open", "multiple_choice"),
        ),
        "target": Option(
            kind="choice",
            help="which direct answer is trained on: the most common, or one drawn by its count",
            choices=("most_common", "weighted"),
        ),
    },
)
QG_READER = Reader(
    name="aokvqa_qg",
    version=1,
    read=_read_generation,
    options={
        "yes_no": Option(
            kind="choice",
            help="whether questions answered by yes or no are kept",
            choices=("keep", "drop"),
        )
    },
)
