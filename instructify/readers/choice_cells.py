"""Read the choices of a row of own data in all their forms, and the right one among them.

Choices are a list of texts, JSON, an object by label, pairs of label and text, two lists of labels
and texts, or several columns. The right one is given by its number (from 0 or from 1), its letter,
its label or its text.
"""

import json
import string
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from instructify.readers.table_cells import Fault, text_of, texts_of, whole_number

_LABEL_KEYS = ("label", "key", "letter", "id", "option")
_TEXT_KEYS = ("text", "value", "content", "choice", "answer")


class ChoiceCells(NamedTuple):
    """The choices of a row; `labels` are empty if the data has none."""

    texts: tuple[str, ...]
    labels: tuple[str, ...] = ()


def choices_of(cell: object, separator: str) -> ChoiceCells | Fault | None:
    """Read the choices of one cell; None if it is empty."""
    if isinstance(cell, str) and cell.lstrip()[:1] in ("{", "["):
        cell = _json_of(cell)
    if isinstance(cell, Mapping):
        return _of_object(cell)
    if isinstance(cell, list | tuple) and any(isinstance(item, Mapping) for item in cell):
        return _of_pairs(cell)
    texts = texts_of(cell, separator, empty=True)
    return texts if texts is None or isinstance(texts, Fault) else ChoiceCells(texts)


def choices_of_columns(columns: Mapping[str, object]) -> ChoiceCells | Fault | None:
    """Read choices from one column each; the names of the columns are their labels."""
    return _labelled(list(columns), list(columns.values()))


def right_choice(
    cell: object, choices: ChoiceCells, base: int, *, text_first: bool
) -> int | Fault | None:
    """Find the right choice.

    Args:
        base: the number of the first choice, 0 or 1.
        text_first: whether a cell that is a choice is that choice, even where it is a number.
    """
    text = text_of(cell)
    if text is None or isinstance(text, Fault):
        return text
    if text_first and text in choices.texts:
        return choices.texts.index(text)
    number = whole_number(text)
    if number is not None:
        if str(number) in choices.labels:
            return choices.labels.index(str(number))
        return _numbered(number, text, choices.texts, base)
    if text in choices.labels:
        return choices.labels.index(text)
    letter = text.strip("(). :").lower()
    if len(letter) == 1 and letter in string.ascii_lowercase:
        if (index := string.ascii_lowercase.index(letter)) < len(choices.texts):
            return index
        return Fault("bad-value", f"'{text}' points past the {len(choices.texts)} choices")
    if text in choices.texts:
        return choices.texts.index(text)
    what = f"none of the {len(choices.texts)} choices"
    where = f"a number from {base} on, a letter nor a label"
    return Fault("bad-value", f"'{text[:40]}' is {what}, and neither {where}")


def _numbered(number: int, text: str, texts: Sequence[str], base: int) -> int | Fault:
    if 0 <= number - base < len(texts):
        return number - base
    if number == len(texts) and base == 0:
        how = "; where the numbers begin with 1, write choice_base: 1"
        return Fault("bad-value", f"{number} points past the {len(texts)} choices{how}")
    if number < base:
        how = "; where the numbers begin with 0, leave choice_base out"
        return Fault("bad-value", f"{number} lies before the first choice, which is 1{how}")
    return Fault("bad-value", f"'{text[:40]}' points past the {len(texts)} choices")


def _json_of(cell: str) -> object:
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        return cell


def _of_object(cell: Mapping[object, object]) -> ChoiceCells | Fault | None:
    lists = {str(key).lower(): value for key, value in cell.items() if isinstance(value, list)}
    texts = next((lists[key] for key in ("text", "texts", "choices") if key in lists), None)
    labels = next((lists[key] for key in ("label", "labels") if key in lists), None)
    if texts is not None and labels is not None and len(texts) == len(labels):
        return _labelled([str(label) for label in labels], texts)
    named = {str(key): value for key, value in cell.items()}
    keys = _in_order(list(named))
    return _labelled(keys, [named[key] for key in keys])


def _in_order(labels: list[str]) -> list[str]:
    """Sort choices by label if the labels are letters or numbers; other labels keep their order."""
    if all(len(label) == 1 and label.isalpha() for label in labels):
        return sorted(labels)
    if all(label.isascii() and label.isdigit() for label in labels):
        return sorted(labels, key=int)
    return labels


def _of_pairs(cell: Sequence[object]) -> ChoiceCells | Fault | None:
    labels: list[str] = []
    texts: list[object] = []
    for item in cell:
        if not isinstance(item, Mapping):
            return Fault("wrong-type", "some choices are objects and others are not")
        text_key = next((key for key in _TEXT_KEYS if key in item), None)
        label_key = next((key for key in _LABEL_KEYS if key in item), None)
        if text_key is not None:
            labels.append("" if label_key is None else str(item[label_key]))
            texts.append(item[text_key])
        elif len(item) == 1:
            ((label, text),) = item.items()
            labels.append(str(label))
            texts.append(text)
        else:
            keys = ", ".join(map(str, list(item)[:5]))
            return Fault("wrong-type", f"a choice with the keys {keys}; label and text are read")
    return _labelled(labels, texts)


def _labelled(labels: Sequence[str], cells: Sequence[object]) -> ChoiceCells | Fault | None:
    texts: list[str] = []
    for cell in cells:
        text = text_of(cell)
        if isinstance(text, Fault):
            return text
        texts.append(text or "")
    if not any(texts):
        return None
    return ChoiceCells(tuple(texts), tuple(labels) if any(labels) else ())
