"""Read predictions and references from JSON and JSONL files of any origin.

A file is a JSON list of objects or has one object per line. Each has an `id`, a text or a whole
number. Predictions have `prediction` (a text), `score` (AUC) or `scores` (one per option).
References have `references` (a list of texts), `label` or `gold`, and may have `relevance`,
`choices`, `subset` and `difficult`. Other keys are ignored. A wrong value is reported with file and
place.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TypeVar

from instructify._util.errors import UserError
from instructify._util.file_kinds import HEAD_BYTES, other_kind
from instructify._util.outside import read_given
from instructify.metrics.align import Prediction
from instructify.metrics.model import Answer, Item

LABELS: Mapping[str, int] = {"yes": 1, "true": 1, "1": 1, "no": 0, "false": 0, "0": 0}

_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xfd7zXZ\0": "xz",
    b"PK\x03\x04": "zip",
}
_MOST_BYTES = 1 << 32
_MOST_RELEVANCE = 1e9
_GOLD_KEYS = {"auc": "label", "mrr": "gold"}

ValueT = TypeVar("ValueT")


class _Row(NamedTuple):
    """An object of a file, and its place for messages."""

    where: str
    values: Mapping[str, object]

    def wrong(self, what: str) -> UserError:
        return UserError(f"{self.where}: {what}")


def answer_key(metric: str) -> str:
    """Return the key with the answer for a metric."""
    return {"auc": "score", "mrr": "scores"}.get(metric, "prediction")


def read_predictions(path: Path, metric: str) -> list[Prediction]:
    """Read the predictions of a file for a metric."""
    key = answer_key(metric)
    predictions = [Prediction(_id(row), _answer(row, key), _given(row)) for row in _rows(path)]
    if not predictions:
        raise UserError(f'{path} is empty; give it lines such as {{"id": 1, "{key}": ...}}')
    return predictions


def _answer(row: _Row, key: str) -> Answer:
    if key == "score":
        return _number(row, key)
    return _numbers(row, key) if key == "scores" else _text(row, key)


def read_items(path: Path, metric: str) -> list[Item]:
    """Read the references of a file for a metric; a duplicate id is an error."""
    items: dict[str, Item] = {}
    for row in _rows(path):
        item = _item(row, metric)
        if items.setdefault(item.id, item) is not item:
            raise row.wrong(f"the id '{item.id}' was there before; keep one of them")
    if not items:
        raise UserError(f"{path} is empty; there is nothing to score against")
    return list(items.values())


def _item(row: _Row, metric: str) -> Item:
    item = Item(
        id=_id(row),
        references=_optional(row, "references", _texts) or (),
        label=_optional(row, "label", _label),
        gold=_optional(row, "gold", _index),
        relevance=_optional(row, "relevance", _relevance),
        choices=_optional(row, "choices", _texts) or (),
        subset=_optional(row, "subset", _text),
        difficult=_optional(row, "difficult", _flag) or False,
        given=_given(row),
    )
    item = completed(item)
    if not is_gold_for(item, metric):
        raise row.wrong(f"no `{_GOLD_KEYS.get(metric, 'references')}`, which {metric} needs")
    return item


def is_gold_for(item: Item, metric: str) -> bool:
    """Return whether an item has the reference that a metric needs."""
    if metric == "auc":
        return item.label is not None
    if metric == "mrr":
        return item.gold is not None
    return bool(item.references) or (item.gold is not None and bool(item.choices))


def completed(item: Item) -> Item:
    """Derive a label from a single reference yes or no, and references from a label or a choice."""
    if item.label is None and len(item.references) == 1:
        return replace(item, label=LABELS.get(item.references[0].strip().lower()))
    if item.references:
        return item
    if item.label is not None:
        return replace(item, references=("yes" if item.label else "no",))
    if item.gold is not None and 0 <= item.gold < len(item.choices):
        return replace(item, references=(item.choices[item.gold],))
    return item


def _optional(row: _Row, key: str, read: Callable[[_Row, str], ValueT]) -> ValueT | None:
    return None if row.values.get(key) is None else read(row, key)


def _read_text(path: Path) -> str:
    """Read a whole file of UTF-8; UserError says what it is if it is of another kind."""
    try:
        data = read_given(path, _MOST_BYTES)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); give another file") from error
    for magic, program in _COMPRESSED.items():
        if data.startswith(magic):
            raise UserError(f"{path} is compressed by {program}; unpack it and give what it holds")
    kind = other_kind(data[:HEAD_BYTES])
    if kind is not None:
        raise UserError(f"{path} is {kind.what}; {kind.advice}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 at byte {error.start:,}; save it as UTF-8") from error


def _rows(path: Path) -> Iterator[_Row]:
    """Read a file's objects; only line feeds end lines, since texts may contain other line ends."""
    text = _read_text(path)
    if text.lstrip(" \t\r\n").startswith("["):
        values = _decoded(text, str(path))
        assert isinstance(values, list)
        for position, value in enumerate(values):
            yield _row(f"{path}, item {position}", value)
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip(" \t\r"):
            where = f"{path}, line {number}"
            yield _row(where, _decoded(line, where))


def _decoded(text: str, where: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{where} is no JSON ({error.msg} at character {error.pos:,}); a file is a JSON list "
            "or has one object a line"
        ) from error
    except (RecursionError, ValueError) as error:
        raise UserError(f"{where} is JSON nested or numbered beyond reason") from error


def _row(where: str, value: object) -> _Row:
    if not isinstance(value, dict):
        raise UserError(f'{where} is no object; it should look like {{"id": ..., ...}}')
    return _Row(where, value)


def _id(row: _Row) -> str:
    value = row.values.get("id")
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise row.wrong("no `id` that is a text or a whole number")


def _given(row: _Row) -> int | None:
    value = row.values["id"]
    return value if isinstance(value, int) else None


def _text(row: _Row, key: str) -> str:
    value = row.values.get(key)
    if not isinstance(value, str):
        raise row.wrong(f"no `{key}` that is a text")
    return value


def _number(row: _Row, key: str) -> float:
    value = row.values.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise row.wrong(f"no `{key}` that is a number")
    return _finite(row, key, value)


def _numbers(row: _Row, key: str) -> tuple[float, ...]:
    value = row.values.get(key)
    if not isinstance(value, list) or not set(map(type, value)) <= {int, float}:
        raise row.wrong(f"no `{key}` that is a list of numbers")
    return tuple(_finite(row, key, number) for number in value)


def _relevance(row: _Row, key: str) -> tuple[float, ...]:
    """Read relevance: usually shares of annotators, whose sums must stay finite."""
    numbers = _numbers(row, key)
    if not all(0 <= number <= _MOST_RELEVANCE for number in numbers):
        raise row.wrong(f"`{key}` holds a number that is below 0 or above {_MOST_RELEVANCE:g}")
    return numbers


def _finite(row: _Row, key: str, value: int | float) -> float:
    """Read a number that is not NaN; an infinite log-likelihood is allowed."""
    try:
        number = float(value)
    except OverflowError as error:
        raise row.wrong(f"`{key}` holds a number beyond all floats") from error
    if number != number:
        raise row.wrong(f"`{key}` holds NaN, which has no place in an order")
    return number


def _texts(row: _Row, key: str) -> tuple[str, ...]:
    value = row.values.get(key)
    if not isinstance(value, list) or not value or not set(map(type, value)) <= {str}:
        raise row.wrong(f"no `{key}` that is a list of texts")
    return tuple(value)


def _label(row: _Row, key: str) -> int:
    value = row.values.get(key)
    label = LABELS.get(str(value).lower())
    if label is None:
        raise row.wrong(f"`{key}` is {str(value)[:40]!r}; it is 1 or 0")
    return label


def _index(row: _Row, key: str) -> int:
    value = row.values.get(key)
    if isinstance(value, bool) or not isinstance(value, int):
        raise row.wrong(f"no `{key}` that is an index")
    return value


def _flag(row: _Row, key: str) -> bool:
    value = row.values.get(key)
    if not isinstance(value, bool):
        raise row.wrong(f"no `{key}` that is true or false")
    return value
