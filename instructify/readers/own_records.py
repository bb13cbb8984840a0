"""Convert a row of own data to the fields of its records: one, or one for each caption.

Cells are checked when they are read; a row that can't be used raises `BadCell`.
"""

import json
from collections.abc import Mapping, Sequence

from instructify.catalog import fill
from instructify.readers.choice_cells import (
    ChoiceCells,
    choices_of,
    choices_of_columns,
    right_choice,
)
from instructify.readers.choices import without_empty
from instructify.readers.own_pictures import listed_pictures
from instructify.readers.own_plan import Pattern, Plan
from instructify.readers.rows import Cells
from instructify.readers.table_cells import (
    Fault,
    list_instead,
    rounds_of,
    text_of,
    texts_of,
    whole_number,
    yes_or_no,
)
from instructify.readers.text import clean_caption, most_common

Fields = dict[str, object]

_SHOWN_COLUMNS = 8
_SAID = ("question", "answer", "caption")  # texts that are used as they are


class BadCell(Exception):
    """A cell can't be used; the caller makes the row a reject."""

    def __init__(self, column: str, fault: Fault) -> None:
        super().__init__(fault.detail)
        self.column = column
        self.fault = fault


class Row:
    """The cells of a row by field, each checked when it is read."""

    def __init__(self, plan: Plan, cells: Cells, columns: Mapping[str, object]) -> None:
        self.empty_choices = 0  # removed from its choices
        self.cells = cells
        self._plan = plan
        self._columns = columns

    def has(self, field: str) -> bool:
        return field in self._columns

    def cell(self, field: str) -> object:
        column = self._columns.get(field)
        if column is None:
            return None
        if isinstance(column, str):
            return self.cells.get(column)
        if isinstance(column, Pattern):
            return self.filled(column)
        return {name: self.cells.get(name) for name in column}  # type: ignore[attr-defined]

    def pictures(self) -> list[object]:
        """Return the pictures of several columns as one list."""
        columns = self._columns["picture"]
        cells = [self.cells.get(name) for name in columns]  # type: ignore[attr-defined]
        filled = [cell for cell in cells if cell not in (None, "", [])]
        return [item for cell in filled for item in listed_pictures(cell, self._plan.separator)]

    def text(self, field: str) -> str | None:
        if field not in self._columns:
            return None
        value = text_of(self.cell(field))
        if isinstance(value, str) and field in _SAID:
            value = list_instead(value) or value
        if isinstance(value, Fault):
            raise self.bad(field, value)
        return value

    def texts(self, field: str, *, empty: bool = False) -> tuple[str, ...] | None:
        if field not in self._columns:
            return None
        value = texts_of(self.cell(field), self._plan.separator, empty=empty)
        if isinstance(value, Fault):
            raise self.bad(field, value)
        return value

    def bad(self, field: str, fault: Fault) -> BadCell:
        return BadCell(self._column(field), fault)

    def lacking(self, field: str) -> BadCell:
        """Return why a required field has no value."""
        column = self._columns.get(field, field)
        if not isinstance(column, str):
            return self.bad(field, Fault("empty-text", f"the columns of {field} are empty"))
        if column not in self.cells:
            there = ", ".join(map(str, list(self.cells)[:_SHOWN_COLUMNS]))
            detail = f"the row has no '{column}'; it has {there or 'nothing'}"
            return self.bad(field, Fault("missing-field", detail))
        if self.cells[column] is None:
            return self.bad(field, Fault("null-field", f"'{column}' holds nothing"))
        return self.bad(field, Fault("empty-text", f"'{column}' is empty"))

    def _column(self, field: str) -> str:
        column = self._columns.get(field, field)
        if isinstance(column, str):
            return column
        return column.text if isinstance(column, Pattern) else field

    def filled(self, pattern: Pattern) -> str:
        """Fill a pattern with the cells of its columns."""
        values: dict[str, str] = {}
        for name, spec in pattern.columns:
            cell = self._plan.split if name == "split" else self.cells.get(name)
            text = listed_text(cell) if isinstance(cell, list | dict) else text_of(cell)
            if isinstance(text, Fault):
                raise BadCell(pattern.text, text)
            if text is None:
                raise BadCell(name, Fault("null-field", f"'{name}' holds nothing"))
            number = whole_number(text) if spec else None
            if spec and number is None:
                raise BadCell(name, Fault("bad-value", f"'{text[:40]}' is no whole number"))
            values[name] = text if number is None else format(number, spec[1:])
        return fill(pattern.text, values)


def listed_text(cell: Sequence[object] | Mapping[str, object]) -> str | None:
    """Format a list inside a text: texts and numbers with commas, other items (boxes) as JSON."""
    if isinstance(cell, Mapping) or any(isinstance(item, list | dict) for item in cell):
        return json.dumps(cell, ensure_ascii=False, default=str) if cell else None
    return ", ".join(text for text in map(text_of, cell) if isinstance(text, str)) or None


def fields_of(plan: Plan, row: Row) -> list[Fields]:
    """Read the fields of the records of a row, without ids and pictures."""
    fields: Fields = {
        field: row.text(field) for field in ("context", "caption", "text") if row.has(field)
    }
    if row.has("ocr_tokens"):
        tokens = row.texts("ocr_tokens")
        fields |= {"ocr_tokens": tokens, "ocr_source": "table" if tokens else None}
    if plan.form == "caption":
        return [fields | caption for caption in _captions(row)]
    if plan.form == "caption_set":
        return [fields | _caption_set(row)]
    question = row.text("question") or plan.question
    if question is None:
        raise row.lacking("question")
    fields["question"] = question
    fields["history"] = _history(plan, row)
    if plan.form == "binary":
        return [fields | _yes_or_no(row)]
    choices = _choices(plan, row)
    return [fields | (_open(plan, row) if choices is None else _choice(plan, row, choices))]


def _captions(row: Row) -> list[Fields]:
    """Read the captions of a row; each is a record."""
    field = "answer" if row.has("answer") else "references"
    cell = row.cell(field)
    if isinstance(cell, list | tuple) or field == "references":
        captions = [clean_caption(text) for text in row.texts(field, empty=True) or ()]
        kept = [caption for caption in dict.fromkeys(captions) if caption]
    else:
        caption = clean_caption(row.text("answer") or "")
        kept = [caption] if caption else []
    if not kept:
        raise row.lacking(field)
    return [{"answer": caption, "references": (caption,)} for caption in kept]


def _caption_set(row: Row) -> Fields:
    field = "references" if row.has("references") else "answer"
    captions = row.texts(field)
    if captions is None:
        raise row.bad(field, Fault("no-caption", "the row has no caption"))
    return {"references": tuple(clean_caption(caption) for caption in captions)}


def _history(plan: Plan, row: Row) -> list[dict[str, str]] | None:
    rounds = rounds_of(row.cell("history"))
    if isinstance(rounds, Fault):
        raise row.bad("history", rounds)
    return [] if rounds is None and plan.form in ("dialog", "conversation") else rounds


def _yes_or_no(row: Row) -> Fields:
    answer = yes_or_no(row.cell("answer"))
    if isinstance(answer, Fault):
        raise row.bad("answer", answer)
    if answer is None:
        raise row.lacking("answer")
    return {"answer": answer, "references": (answer,)}


def _open(plan: Plan, row: Row) -> Fields:
    answer = row.text("answer")
    references = row.texts("references", empty=True)
    answer_choice = None
    if answer is None:
        if references is None:
            raise row.lacking("answer" if row.has("answer") else "references")
        answer_choice = most_common(references)
        answer = references[answer_choice]
    if plan.classes and answer not in plan.classes:
        raise row.bad("answer", Fault("bad-value", f"'{answer[:40]}' is none of the classes"))
    return {
        "answer": answer,
        "references": references or (answer,),
        "answer_choice": answer_choice,
    }


def _choices(plan: Plan, row: Row) -> ChoiceCells | None:
    cell = row.cell("choices")
    several = isinstance(plan.columns.get("choices"), tuple) and not isinstance(
        plan.columns.get("choices"), Pattern
    )
    if several and isinstance(cell, dict):
        choices = choices_of_columns(cell)
    else:
        choices = choices_of(cell, plan.separator)
    if isinstance(choices, Fault):
        raise row.bad("choices", choices)
    if choices is None and plan.form == "multiple_choice":
        if not plan.classes:
            raise row.lacking("choices")
        return ChoiceCells(plan.classes)
    return choices


def _choice(plan: Plan, row: Row, choices: ChoiceCells) -> Fields:
    field = "choice_index" if row.has("choice_index") else "answer"
    index = right_choice(row.cell(field), choices, plan.choice_base, text_first=field == "answer")
    if index is None and field == "choice_index" and row.has("answer"):
        field = "answer"
        index = right_choice(row.cell(field), choices, plan.choice_base, text_first=True)
    if isinstance(index, Fault):
        raise row.bad(field, index)
    if index is None:
        raise row.lacking(field)
    kept = without_empty(choices.texts, index)
    if isinstance(kept, str):
        raise row.bad("choices", Fault("empty-text", kept))
    row.empty_choices = kept.dropped
    return {
        "answer": choices.texts[index],
        "references": (choices.texts[index],),
        "choices": kept.texts,
        "choice_index": kept.right,
    }
