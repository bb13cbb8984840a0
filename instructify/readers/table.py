"""The user's own data: a table whose columns are mapped to fields, or folders named after classes.

The raw id of a record is its `id` column, else its 0-based row; in class folders `<class>/<file>`.
A picture's key is `<dataset>/<name>` with the name as the table gives it (in class folders: the
path below the dataset's folder). In the name of a class folder an underscore stands for a blank.
"""

import json
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from instructify.catalog import FIELDS
from instructify.readers.base import (
    A_LIST,
    JSON_LINES,
    Chunk,
    Option,
    RawFile,
    ReadContext,
    Reader,
    RecordRows,
)
from instructify.readers.choices import without_empty
from instructify.readers.class_folders import class_files, class_names, printable
from instructify.readers.table_cells import (
    Fault,
    index_of,
    list_instead,
    rounds_of,
    text_of,
    texts_of,
    yes_or_no,
)
from instructify.readers.table_rows import Cells, read_rows
from instructify.readers.text import clean_caption, most_common, safe_name

Fields = dict[str, object]

_SAID = ("question", "answer", "caption")  # texts that are asked or said as they stand


@dataclass(frozen=True, kw_only=True, slots=True)
class _Plan:
    """The options of the dataset, read once."""

    dataset: str
    form: str
    question: str | None
    classes: tuple[str, ...]
    separator: str
    columns: Mapping[str, str]  # field => column


class _BadCell(Exception):
    """Ends the reading of a row; caught where the row becomes a reject."""

    def __init__(self, column: str, fault: Fault) -> None:
        super().__init__(fault.detail)
        self.column = column
        self.fault = fault


def read(context: ReadContext) -> Iterator[Chunk]:
    """Read one split of the user's own data."""
    plan = _plan(context)
    if "folder" in context.files:
        return _read_folders(context, context.files["folder"], plan)
    return _read_table(context, context.files["file"], plan)


def _plan(context: ReadContext) -> _Plan:
    options = {name: str(value) for name, value in context.options.items()}
    columns = {field: options[f"column_{field}"] for field in FIELDS}
    return _Plan(
        dataset=context.dataset,
        form=options["form"],
        question=options["question"] or None,
        classes=tuple(json.loads(options["classes"])) if options["classes"] else (),
        separator=options["separator"],
        columns={field: column for field, column in columns.items() if column},
    )


def _read_table(context: ReadContext, file: RawFile, plan: _Plan) -> Iterator[Chunk]:
    records = RecordRows(context)
    for batch in read_rows(file, tuple(dict.fromkeys(plan.columns.values()))):
        records.extend_rejects(batch.rejects)
        for position, cells in batch.rows:
            row = _Row(plan, cells)
            try:
                raw_id = row.text("id") or str(position)
                pictures = _picture_keys(plan, row)
                fields = _fields(plan, row)
            except _BadCell as error:
                records.reject(file, position, error.column, *error.fault)
                continue
            records.remark("empty-choice", row.empty_choices)
            records.add(
                raw_id,
                form=plan.form,
                pictures=pictures,
                source=file,
                position=position,
                **fields,
            )
        if records.full:
            yield records.take()
    yield records.take()


class _Row:
    """The cells of a row by field, each checked when it is asked for."""

    def __init__(self, plan: _Plan, cells: Cells) -> None:
        self.empty_choices = 0  # left out of its choices
        self._plan = plan
        self._cells = cells

    def cell(self, field: str) -> object:
        column = self._plan.columns.get(field)
        return None if column is None else self._cells.get(column)

    def text(self, field: str) -> str | None:
        if field not in self._plan.columns:
            return None
        value = text_of(self.cell(field))
        if isinstance(value, str) and field in _SAID:
            value = list_instead(value) or value
        if isinstance(value, Fault):
            raise self.bad(field, value)
        return value

    def texts(self, field: str, *, empty: bool = False) -> tuple[str, ...] | None:
        if field not in self._plan.columns:
            return None
        value = texts_of(self.cell(field), self._plan.separator, empty=empty)
        if isinstance(value, Fault):
            raise self.bad(field, value)
        return value

    def bad(self, field: str, fault: Fault) -> _BadCell:
        return _BadCell(self._plan.columns.get(field, field), fault)

    def lacking(self, field: str) -> _BadCell:
        """Say why a field that the record needs has no value."""
        column = self._plan.columns.get(field, field)
        if column not in self._cells:
            return self.bad(field, Fault("missing-field", f"the row has no '{column}'"))
        if self._cells[column] is None:
            return self.bad(field, Fault("null-field", f"'{column}' holds nothing"))
        return self.bad(field, Fault("empty-text", f"'{column}' is empty"))


def _picture_keys(plan: _Plan, row: _Row) -> list[str]:
    cell = row.cell("picture")
    listed = isinstance(cell, list) or (isinstance(cell, str) and cell.lstrip().startswith("["))
    names = row.texts("picture") if listed else (row.text("picture"),)
    keys = []
    for name in names or ():
        if name is None:
            raise row.lacking("picture")
        if not safe_name(name):
            raise row.bad("picture", Fault("path-outside-root", f"'{name[:80]}'"))
        keys.append(f"{plan.dataset}/{posixpath.normpath(name)}")
    if not keys:
        raise row.lacking("picture")
    return keys


def _fields(plan: _Plan, row: _Row) -> Fields:
    """Read everything of a record but its id and its pictures."""
    fields: Fields = {
        field: row.text(field) for field in ("context", "caption", "text") if field in plan.columns
    }
    if "ocr_tokens" in plan.columns:
        tokens = row.texts("ocr_tokens")
        fields |= {"ocr_tokens": tokens, "ocr_source": "table" if tokens else None}
    if plan.form == "caption":
        return fields | _caption(row)
    if plan.form == "caption_set":
        return fields | _caption_set(row)
    question = row.text("question") or plan.question
    if question is None:
        raise row.lacking("question")
    fields["question"] = question
    fields["history"] = _history(plan, row)
    if plan.form == "binary":
        return fields | _yes_or_no(row)
    choices = row.texts("choices", empty=True) or (
        plan.classes if plan.form == "multiple_choice" else None
    )
    return fields | (_open(plan, row) if choices is None else _choice(row, choices))


def _caption(row: _Row) -> Fields:
    caption = clean_caption(row.text("answer") or "")
    if not caption:
        raise row.lacking("answer")
    return {"answer": caption, "references": (caption,)}


def _caption_set(row: _Row) -> Fields:
    captions = row.texts("references")
    if captions is None:
        raise row.bad("references", Fault("no-caption", "the row has no caption"))
    return {"references": tuple(clean_caption(caption) for caption in captions)}


def _history(plan: _Plan, row: _Row) -> list[dict[str, str]] | None:
    rounds = rounds_of(row.cell("history"))
    if isinstance(rounds, Fault):
        raise row.bad("history", rounds)
    return [] if rounds is None and plan.form in ("dialog", "conversation") else rounds


def _yes_or_no(row: _Row) -> Fields:
    answer = yes_or_no(row.cell("answer"))
    if isinstance(answer, Fault):
        raise row.bad("answer", answer)
    if answer is None:
        raise row.lacking("answer")
    return {"answer": answer, "references": (answer,)}


def _open(plan: _Plan, row: _Row) -> Fields:
    answer = row.text("answer")
    references = row.texts("references", empty=True)
    answer_choice = None
    if answer is None:
        if references is None:
            raise row.lacking("answer" if "answer" in plan.columns else "references")
        answer_choice = most_common(references)
        answer = references[answer_choice]
    if plan.classes and answer not in plan.classes:
        raise row.bad("answer", Fault("bad-value", f"'{answer[:40]}' is none of the classes"))
    return {
        "answer": answer,
        "references": references or (answer,),
        "answer_choice": answer_choice,
    }


def _choice(row: _Row, choices: tuple[str, ...]) -> Fields:
    index = index_of(row.cell("choice_index"), len(choices))
    if isinstance(index, Fault):
        raise row.bad("choice_index", index)
    if index is None:
        answer = row.text("answer")
        if answer is None:
            raise row.lacking("answer")
        if answer not in choices:
            raise row.bad("answer", Fault("bad-value", f"'{answer[:40]}' is none of the choices"))
        index = choices.index(answer)
    kept = without_empty(choices, index)
    if isinstance(kept, str):
        raise row.bad("choices", Fault("empty-text", kept))
    row.empty_choices = kept.dropped
    return {
        "answer": choices[index],
        "references": (choices[index],),
        "choices": kept.texts,
        "choice_index": kept.right,
    }


def _read_folders(context: ReadContext, folder: RawFile, plan: _Plan) -> Iterator[Chunk]:
    records = RecordRows(context)
    below = posixpath.normpath(folder.name)
    if below.split("/")[0] != plan.dataset:  # the dataset's folder is a link out of the raw root
        below = posixpath.normpath(f"{plan.dataset}/{below}")
    classes = plan.classes or class_names(folder)
    choices = classes if plan.form == "multiple_choice" else None
    for position, (name, label, fault) in enumerate(class_files(folder, classes)):
        if fault is not None:
            detail = f"{printable(name)}: {fault.detail}"
            records.reject(folder, position, None, fault.reason, detail)
            continue
        records.add(
            name,
            form=plan.form,
            pictures=[f"{below}/{name}"],
            source=folder,
            position=position,
            question=plan.question,
            answer=label,
            references=(label,),
            choices=choices,
            choice_index=None if choices is None else choices.index(label),
        )
        if records.full:
            yield records.take()
    yield records.take()


def _options() -> dict[str, Option]:
    fixed = {
        "form": Option(kind="text", help="the form of the records"),
        "pictures": Option(kind="text", help="the folder of the pictures"),
        "question": Option(kind="text", help="the question, where no column holds it"),
        "classes": Option(kind="text", help="the classes, as a JSON list"),
        "separator": Option(kind="text", help="what stands between the items of a list"),
    }
    return fixed | {
        f"column_{field}": Option(kind="text", help=f"the column of {field}") for field in FIELDS
    }


READER = Reader(name="table", version=2, read=read, options=_options(), places=(A_LIST, JSON_LINES))
