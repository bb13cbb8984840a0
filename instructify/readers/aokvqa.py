"""A-OKVQA: a list for each split, whose questions have four choices and ten direct answers.

A question becomes two records, open and multiple choice; the option `forms` selects one of them.
Raw ids are `<question id>/open` and `<question id>/mc`, and the question id for question
generation. The open target is the most common direct answer, the first of equally common ones; with
`target=weighted` it is drawn in proportion to the counts. The official files have empty answers and
empty wrong choices; the records stay (see `annotators` and `choices`). Rows without a label (all of
test) are for inference only. A bad label rejects one form, not both.
"""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from instructify.readers.annotators import choose_answer
from instructify.readers.base import A_LIST, Chunk, Option, RawFile, ReadContext, Reader, RecordRows
from instructify.readers.choices import Choices, without_empty
from instructify.readers.json_items import collect, read_list
from instructify.readers.stated_split import other_split
from instructify.readers.text import clean

_UNSET = msgspec.UNSET


class Row(msgspec.Struct, gc=False):
    image_id: Annotated[int, msgspec.Meta(ge=0, lt=10**12)]
    question_id: str
    question: str
    choices: list[str] | msgspec.UnsetType | None = _UNSET
    correct_choice_idx: int | msgspec.UnsetType | None = _UNSET
    direct_answers: list[str] | msgspec.UnsetType | None = _UNSET
    difficult_direct_answer: bool | None = None
    split: object = None


class _Writer:
    """Converts the rows of one file to records and rejects."""

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
        """Add the record of a question that is to be generated."""
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
        wrong = other_split(row.split, self._context.split)
        if wrong:
            self._reject(position, "split", "bad-value", wrong)
            return None
        question = clean(row.question)
        if not question:
            self._reject(position, "question", "empty-text", "the question is empty")
            return None
        return question

    def _add_open(self, position: int, row: Row, question: str) -> None:
        raw_id = f"{row.question_id}/open"
        answers = self._direct_answers(position, row)
        if answers is None:
            return
        answer, choice = None, None
        if answers:
            choice = choose_answer(self._context, raw_id, answers)
            answer = None if choice is None else answers[choice]
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
        labelled = self._labelled_choices(position, row)
        if labelled is None:
            return
        choices, index, dropped = labelled
        self.rows.remark("empty-choice", dropped)
        self._add(
            row,
            position,
            f"{row.question_id}/mc",
            "multiple_choice",
            question,
            choices=choices,
            answer=None if index is None else choices[index],
            choice_index=index,
        )

    def _labelled_choices(self, position: int, row: Row) -> Choices | None:
        """Return the choices with the right one (None: no label); None if the row is rejected."""
        if not row.choices:
            reason = "null-field" if row.choices is None else "missing-field"
            self._reject(position, "choices", reason, "the question has no choices")
            return None
        texts = [clean(text) for text in row.choices]
        index = None if row.correct_choice_idx is _UNSET else row.correct_choice_idx
        if row.correct_choice_idx is None:
            self._reject(position, "correct_choice_idx", "null-field", "the label is null")
            return None
        if index is not None and not 0 <= index < len(texts):
            detail = f"it is the index of none of {len(texts)} choices"
            self._reject(position, "correct_choice_idx", "bad-value", detail)
            return None
        choices = without_empty(texts, index)
        if isinstance(choices, str):
            right_is_empty = index is not None and not texts[index]
            field = f"choices[{index}]" if right_is_empty else "choices"
            self._reject(position, field, "empty-text", choices)
            return None
        return choices

    def _given_answer(self, position: int, row: Row) -> str | None:
        """Return the right choice, else the most common direct answer."""
        if row.choices and row.correct_choice_idx is not _UNSET:
            labelled = self._labelled_choices(position, row)
            if labelled is None or labelled.right is None:
                return None
            return labelled.texts[labelled.right]
        answers = self._direct_answers(position, row)
        if answers == []:
            self._reject(position, "direct_answers", "no-answer", "the row has no answer")
        if not answers:
            return None
        choice = choose_answer(self._context, row.question_id, answers)
        return None if choice is None else answers[choice]

    def _direct_answers(self, position: int, row: Row) -> list[str] | None:
        """Return the answers, at least one of them not empty; no answers if the row has no label.

        The result is None if the answers are rejected.
        """
        given = row.direct_answers
        if given is _UNSET:
            return []
        if given is None:
            self._reject(position, "direct_answers", "null-field", "the list is null")
            return None
        texts = [clean(text) for text in given]
        if any(texts):
            return texts
        detail = "all answers are empty" if texts else "the list is empty"
        self._reject(position, "direct_answers", "no-answer", detail)
        return None

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
    yield from collect(writer.rows, read_list(context.files["questions"], Row), writer.add)


def _read_generation(context: ReadContext) -> Iterator[Chunk]:
    writer = _Writer(context)
    questions = read_list(context.files["questions"], Row)
    yield from collect(writer.rows, questions, writer.add_generation)


READER = Reader(
    name="aokvqa",
    version=3,
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
            needs="labels",
            idle_with={"forms": ("multiple_choice",)},
        ),
    },
    places=(A_LIST,),
)
QG_READER = Reader(
    name="aokvqa_qg",
    version=3,
    read=_read_generation,
    options={
        "yes_no": Option(
            kind="choice",
            help="whether questions answered by yes or no are kept",
            choices=("keep", "drop"),
        )
    },
    places=(A_LIST,),
)
