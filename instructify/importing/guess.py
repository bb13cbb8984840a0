"""Guess from names and the first rows what the columns of own data hold.

If no column is clearly the one for a field that the task needs, the error lists the columns and
says how to write the entry.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from instructify._util.errors import UserError
from instructify._util.field_names import MOST_FIELDS, is_own_field
from instructify.catalog import SPELLINGS, Catalog
from instructify.importing.pictures import USUAL, column_by_split, picture_entry, picture_folder
from instructify.importing.places import Place, split_of
from instructify.importing.values import entry_value
from instructify.readers import (
    PICTURE_KEYS,
    TAR_PICTURES,
    ChoiceCells,
    RawFile,
    choices_of,
    choices_of_columns,
    column_names,
    list_keys,
    read_rows,
    table_suffix,
    text_of,
    turns_column,
)

Row = Mapping[str, Any]

_LOOKED_AT = 500
# The usual names of columns for a field, the most likely first, in lower case.
_NAMES: dict[str, tuple[str, ...]] = {
    "question": ("question", "query", "q", "instruction", "problem", "question_text", "input_text"),
    "choices": ("choices", "options", "multiple_choices", "candidates", "answer_choices"),
    "references": ("answers", "direct_answers", "references", "references_answers"),
    "answer": (
        *("answer", "a", "response", "output", "target", "label", "gt_answer", "solution"),
        *("reply", "ground_truth", "gt"),
    ),
    "caption": ("captions", "caption", "text", "txt", "sentences", "description", "alt_text"),
    "context": ("context", "hint", "input", "passage", "lecture"),
    "history": ("history",),
    "id": ("question_id", "id", "qid", "uid", "sample_id"),
}
_RIGHT = (
    *("choice_index", "answer_index", "answer_idx", "correct_choice_idx", "correct", "right"),
    *("correct_idx", "gold", "label", "answer", "answer_key", "answerkey", "a", "target"),
)
_CLASSES = ("label", "class", "species", "category", "target", "answer", "fine_label", "cls")
_LETTERS = re.compile(r"(?:option|choice|answer|opt|candidate)?[ _-]?([A-Ha-h]|[0-9])")
_EXPORTED = {"sample_id", "instruction", "response", "template"}
_QUIZ = "multiple_choice"


class Guess(NamedTuple):
    """The content of an entry."""

    task: str
    form: str | None
    data: dict[str, object]  # the keys of `data` besides the files
    columns: tuple[str, ...]  # of the data, if they are known


def guess(place: Place, task: str | None, catalog: Catalog) -> Guess:
    """Look at the data and guess task, form and columns.

    Raises:
        UserError: something that the task needs is not clear from the data.
    """
    if place.is_folder and not place.has_metadata:
        return Guess(task or "image_classification", None, {}, ())
    file = RawFile(place.first.name, place.first)
    if place.annotations is not None:
        return _vqa(place, file)
    key = _key(place, file)
    if isinstance(key, Guess):
        return key
    rows = list(islice(_rows(file, key), _LOOKED_AT))
    if not rows:
        raise UserError(f"{place.first} holds no readable row; give a file with rows.")
    extra: dict[str, object] = {} if key is None else {"key": key}
    if turns_column(rows[0]) is not None:
        listed = [row[key] for row in rows for key in PICTURE_KEYS if row.get(key)]
        data = {"kind": "conversations", **extra, **picture_folder(place, listed)}
        data |= {**_item_id(rows), **_own_fields(rows)}
        return Guess(task or "llava_instruct", None, data, tuple(rows[0]))
    names = list(dict.fromkeys([*column_names(file), *(name for row in rows for name in row)]))
    if set(names) >= _EXPORTED:
        return _of_export(place, rows, names)
    return _of_columns(place, rows, names, task, catalog, extra)


def _of_export(place: Place, rows: Sequence[Row], names: Sequence[str]) -> Guess:
    """Guess from samples that instructify exported: their texts are whole and used as they are."""
    in_tar = place.first.suffix == ".tar"
    picture = TAR_PICTURES if in_tar else "images" if "images" in names else "image"
    columns = {"picture": picture, "id": "sample_id", "question": "instruction"}
    columns |= {"answer": "response"}
    columns |= {"references": "references"} if "references" in names else {}
    data: dict[str, object] = {"columns": columns, "text_only": True, **_own_fields(rows)}
    return Guess("llava_instruct", None, data, tuple(names))


def _rows(file: RawFile, key: str | None) -> Iterator[Row]:
    for batch in read_rows(file, column_names(file), key):
        yield from (cells for _, cells in batch.rows)


def _key(place: Place, file: RawFile) -> str | Guess | None:
    """Return the key of the list in a JSON object, or the guess if it is a list of COCO."""
    if table_suffix(file) != ".json":
        return None
    keys = list_keys(file)
    if not keys:
        return None
    if "images" in keys or (keys == ["annotations"] and _has(file, "annotations", "caption")):
        names = [row.get("file_name") for row in islice(_rows(file, "images"), _LOOKED_AT)]
        folder = picture_folder(place, names)
        column = column_by_split(place, folder, "file_name")
        if column is not None:
            folder = {"columns": {"picture": column}}
        return Guess("image_captioning", None, {"kind": "coco", **folder}, ())
    return keys[0]


def _vqa(place: Place, file: RawFile) -> Guess:
    """Guess from the questions of a pair of VQA files."""
    rows = list(islice(_rows(file, "questions"), _LOOKED_AT))
    names = list(dict.fromkeys(name for row in rows for name in row))
    picture = picture_entry(place, rows, names)
    data = {"kind": "vqa", **picture.data, "columns": {"picture": picture.column}}
    return Guess("image_qa", None, data, tuple(names))


def _has(file: RawFile, key: str, column: str) -> bool:
    return any(column in row for row in islice(_rows(file, key), 1))


def _of_columns(
    place: Place,
    rows: Sequence[Row],
    names: Sequence[str],
    task: str | None,
    catalog: Catalog,
    extra: dict[str, object],
) -> Guess:
    by_field = _fields(rows, names)
    picture = picture_entry(place, rows, names)
    classes = [name for name in _by_name(names, _CLASSES) if name not in by_field.values()]
    form = None
    if "choices" in by_field:
        form = _QUIZ
        task = task or "knowledge_qa"
        by_field |= _right_one(rows, names, by_field, extra)
    elif "question" not in by_field and "history" not in by_field:
        captions = task is not None and "caption" in catalog.tasks.get(task, _NO_TASK).forms
        if "caption" in by_field and (task is None or captions):
            task = task or "image_captioning"
        elif classes or "answer" in by_field:
            task = task or "image_classification"
            by_field.setdefault("answer", classes[0] if classes else "")
    task = task or ("llava_instruct" if "history" in by_field else "image_qa")
    forms = catalog.tasks[task].forms
    if form is not None and form not in forms:
        having = ", ".join(name for name, entry in catalog.tasks.items() if form in entry.forms)
        raise UserError(f"{task} has no records with choices; give --task with one of {having}.")
    columns: dict[str, object] = {"picture": picture.column} | _kept(by_field, task, forms, rows)
    _check_needed(place, names, columns, task, forms, form)
    data = {**extra, **_split(rows, names, place), **picture.data, "columns": columns}
    data |= _own_fields(rows)
    return Guess(task, form, data, tuple(names))


class _NoTask(NamedTuple):
    forms: tuple[str, ...] = ()


_NO_TASK = _NoTask()


def _fields(rows: Sequence[Row], names: Sequence[str]) -> dict[str, object]:
    """Find the columns of fields by name; choices may be in several columns."""
    columns: dict[str, object] = {}
    for field, usual in _NAMES.items():
        named = [name for name in _by_name(names, usual) if name not in columns.values()]
        if named:
            columns[field] = named[0]
    if "choices" not in columns:
        lettered = _lettered(names)
        if lettered:
            columns["choices"] = lettered
            columns = {field: name for field, name in columns.items() if name not in lettered}
    if "id" in columns and not _is_unique(rows, str(columns["id"])):
        del columns["id"]
    if "context" in columns and not any(row.get(str(columns["context"])) for row in rows):
        del columns["context"]
    choices = columns.get("choices")
    if isinstance(choices, list) and columns.get("answer") in choices:
        del columns["answer"]
    return columns


def _lettered(names: Sequence[str]) -> list[str]:
    """Find choices in separate columns: A, B, C, D or option_a, option_b and so on."""
    groups: dict[tuple[str, bool], list[str]] = {}
    for name in names:
        match = _LETTERS.fullmatch(name)
        if match is not None:
            groups.setdefault((name[: match.start(1)], match[1].isupper()), []).append(name)
    largest = max(groups.values(), key=len, default=[])
    return largest if len(largest) > 1 and largest[0][-1] in "Aa01" else []


def _by_name(names: Sequence[str], usual: Sequence[str]) -> list[str]:
    lowered = {name.lower(): name for name in reversed(names)}
    return [lowered[name] for name in usual if name in lowered]


def _is_unique(rows: Sequence[Row], column: str) -> bool:
    values = [str(row.get(column)) for row in rows]
    return len(set(values)) == len(values) and "None" not in values


def _right_one(
    rows: Sequence[Row], names: Sequence[str], columns: dict[str, object], extra: dict[str, object]
) -> dict[str, object]:
    """Find the column of the right choice: its texts, or its numbers, maybe from 1 on.

    Texts that are letters or numbers themselves must not be read as the place of a choice.
    """
    right = next((name for name in _by_name(names, _RIGHT) if name not in _listed(columns)), None)
    if right is None:
        return {}
    columns.pop("answer", None)
    columns.pop("references", None)
    if all(_is_a_choice(row.get(right), row, columns["choices"]) for row in rows):
        return {"answer": right}
    values = [_whole(row.get(right)) for row in rows]
    numbers = [value for value in values if value is not None]
    counts = [_num_choices(row, columns["choices"]) for row in rows]
    at_end = any(value == count for value, count in zip(values, counts, strict=True))
    if numbers and min(numbers) >= 1 and at_end:
        extra["choice_base"] = 1
    return {"choice_index": right}


def _listed(columns: Mapping[str, object]) -> list[object]:
    choices = columns.get("choices")
    return choices if isinstance(choices, list) else [choices, columns.get("question")]


def _whole(value: object) -> int | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(str(value))
    except ValueError:
        return None
    return int(number) if number.is_integer() else None


def _is_a_choice(cell: object, row: Row, columns: object) -> bool:
    """Whether a cell is the text of one of the choices of its row."""
    if isinstance(columns, list):
        choices = choices_of_columns({name: row.get(name) for name in columns})
    else:
        choices = choices_of(row.get(str(columns)), USUAL)
    text = text_of(cell)
    return isinstance(choices, ChoiceCells) and text in choices.texts and text not in choices.labels


def _num_choices(row: Row, choices: object) -> int:
    if isinstance(choices, list):
        return sum(row.get(name) not in (None, "") for name in choices)
    cell = row.get(str(choices))
    if isinstance(cell, str):
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError):
            return cell.count("|") + 1 if isinstance(cell, str) and "|" in cell else -1
    return len(cell) if isinstance(cell, list | dict) else -1


def _kept(
    columns: Mapping[str, object], task: str, forms: Sequence[str], rows: Sequence[Row]
) -> dict[str, object]:
    """Return the columns that records of this task use."""
    chosen = {field: column for field, column in columns.items() if field == "id"}
    if "caption" in forms:
        column = columns.get("caption") or columns.get("references") or columns.get("answer")
        if column is None:
            return chosen
        several = any(isinstance(row.get(str(column)), list) for row in rows)
        return chosen | {"references" if several else "answer": column}
    usual = ("question", "choices", "choice_index", "answer", "references", "context", "history")
    chosen |= {field: columns[field] for field in usual if field in columns}
    answer = str(chosen.get("answer", ""))
    if "choices" not in chosen and any(isinstance(row.get(answer), list) for row in rows):
        chosen["references"] = chosen.pop("answer")
    if "references" in chosen and "answer" in chosen and "choices" not in chosen:
        chosen.pop("answer" if _prefer_all(rows, str(chosen["references"])) else "references")
    return chosen


def _prefer_all(rows: Sequence[Row], column: str) -> bool:
    return all(row.get(column) for row in rows)


def _item_id(rows: Sequence[Row]) -> dict[str, object]:
    """Map the id column of conversations, if there is one."""
    names = [name for row in rows for name in row]
    usual = [name for name in _by_name(names, _NAMES["id"]) if _is_unique(rows, name)]
    return {"columns": {"id": usual[0]}} if usual else {}


def _own_fields(rows: Sequence[Row]) -> dict[str, object]:
    """Map the fields of own data in an export of instructify."""
    names: dict[str, None] = {}
    for row in rows:
        held = row.get("fields")
        if isinstance(held, list):
            held = {field.get("name"): None for field in held if isinstance(field, dict)}
        if isinstance(held, list | dict):
            names |= dict.fromkeys(name for name in held if is_own_field(name))
    shown = sorted(names)[:MOST_FIELDS]
    return {"fields": {name: f"fields.{name}" for name in shown}} if shown else {}


def _split(rows: Sequence[Row], names: Sequence[str], place: Place) -> dict[str, object]:
    """Use a column with the split of each row, if the files have no splits."""
    if len(place.sources) > 1:
        return {}
    spelled = {spelling: split for split, spellings in SPELLINGS.items() for spelling in spellings}
    for name in _by_name(names, ("split", "set", "subset", "fold", "partition")):
        values = {str(row.get(name)) for row in rows if row.get(name) not in (None, "")}
        splits = {value: spelled.get(value.lower()) or split_of(value) for value in values}
        if len(rows) == _LOOKED_AT and all(value.lower() in spelled for value in values):
            return {"split": {"column": name}}
        if values and all(splits.values()):
            by_split: dict[str, list[str]] = {}
            for value in sorted(values):
                by_split.setdefault(str(splits[value]), []).append(value)
            return {"split": {"column": name, "values": by_split}}
    return {}


def _check_needed(
    place: Place,
    names: Sequence[str],
    columns: Mapping[str, object],
    task: str,
    forms: Sequence[str],
    form: str | None,
) -> None:
    needs: tuple[tuple[str, ...], ...] = (("question",), ("answer", "references"))
    if form == _QUIZ:
        needs = (("question",), ("answer", "choice_index"))
    elif "caption" in forms:
        needs = (("answer", "references"),)
    elif task == "image_classification":
        needs = (("answer",),)
    lacking = [group[0] for group in needs if not any(columns.get(field) for field in group)]
    if lacking:
        blank = dict.fromkeys(lacking, "COLUMN")
        shown = ", ".join(names[:20])
        known = {field: entry_value(column) for field, column in columns.items() if column}
        example = ", ".join(f"{field}: {column}" for field, column in {**known, **blank}.items())
        raise UserError(
            f"{place.first} has the columns {shown}; which of them holds the "
            f"{' and the '.join(lacking)} that {task} needs is not clear. Give another "
            f"--task, or write the entry yourself, with columns: {{{example}}} (docs/own-data.md)."
        )
