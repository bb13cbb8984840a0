"""Read a cell of the user's own table: a text, a list, an index, or rounds of a dialogue.

Every function gets a cell as it was read, and returns its value, None if it is empty, or a `Fault`.
Numbers are accepted as texts, since labels and ids often are numbers.
"""

import json
import math
import re
from typing import NamedTuple

from instructify.readers.printed import looks_printed, read_printed
from instructify.readers.text import clean

_WHOLE = re.compile(r"-?[0-9]{1,8}(?:\.0+)?", re.ASCII)
# Keys of the text in an answer or caption that is an object, as in VQAv2.
_TEXT_KEYS = ("answer", "caption", "raw", "text", "sentence")
_ROUND_KEYS = (("question", "answer"), ("user", "assistant"), ("human", "gpt"), ("q", "a"))
_HOW_TO_WRITE = 'write lists of texts as JSON, ["red", "green"], or with separators, red|green'


class Fault(NamedTuple):
    """Why a cell can't be used: a reason code and a description of the cell."""

    reason: str
    detail: str


def text_of(cell: object) -> str | Fault | None:
    """Read a text without outer white space; None if it is empty."""
    if not isinstance(cell, str):
        return _text_of_other(cell)
    text = clean(cell)
    if not text.isascii() and not _has_bytes(text):
        return Fault("lone-surrogate", "bytes that are no UTF-8, or half of a character")
    return text or None


def texts_of(
    cell: object, separator: str, *, empty: bool = False
) -> tuple[str, ...] | Fault | None:
    """Read a list of texts: a list, a text with separators, or a list as JSON or Python writes it.

    With `empty` some items of a list may be empty, but not all of them.
    """
    items = cell
    if isinstance(cell, str):
        items = _list_in(cell, separator, empty=empty)
    if items is None or isinstance(items, Fault):
        return items
    if not isinstance(items, list | tuple):
        items = [items]
    texts: list[str] = []
    for item in items:
        if isinstance(item, dict):
            item = next((item[key] for key in _TEXT_KEYS if isinstance(item.get(key), str)), item)
        if isinstance(item, dict | list | tuple):
            what = "an object" if isinstance(item, dict) else "a list"
            return Fault("wrong-type", f"an item of the list is {what}; {_HOW_TO_WRITE}")
        text = text_of(item)
        if isinstance(text, Fault):
            return text
        if text is None and not empty:
            return Fault("empty-text", "an item of the list is empty")
        texts.append(text or "")
    return tuple(texts) if any(texts) else None


def list_instead(text: str) -> Fault | None:
    """Return a fault if a text is a list or object that Python printed."""
    if not looks_printed(text) or _json_list(text) is not None:
        return None
    if not text.lstrip().startswith("["):
        try:
            if _is_parenthesis(text, read_printed(text)):
                return None
        except ValueError:
            return None
    what = f"'{text.strip()[:40]}' looks like a list printed by Python where one text is wanted"
    return Fault(
        "bad-value", f"{what}; map the column to a field that holds a list, or write a text"
    )


def whole_number(text: str) -> int | None:
    """Read a whole number, also in the form `1.0` that pandas writes for a column with gaps."""
    return int(float(text)) if _WHOLE.fullmatch(text) else None


def yes_or_no(cell: object) -> str | Fault | None:
    """Read a boolean in one of the usual spellings."""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    text = text_of(cell)
    if text is None or isinstance(text, Fault):
        return text
    number = whole_number(text)
    if text.lower() in ("yes", "true") or number == 1:
        return "yes"
    if text.lower() in ("no", "false") or number == 0:
        return "no"
    return Fault("bad-value", f"'{text[:40]}' is neither yes nor no")


def rounds_of(cell: object) -> list[dict[str, str]] | Fault | None:
    """Read earlier rounds of a dialogue: a list of {question, answer}, or a text that is one."""
    items = _json_list(cell) if isinstance(cell, str) else cell
    if items is None and isinstance(cell, str):
        items = _printed_list(cell)
    if items is None and cell is None:
        return None
    if not isinstance(items, list):
        return Fault("wrong-type", "the history must be a list of {question, answer}")
    rounds: list[dict[str, str]] = []
    for item in items:
        pair = _pair_of(item)
        if pair is None:
            return Fault("wrong-type", "a round of the history is no {question, answer}")
        dialogue_round: dict[str, str] = {}
        for key, value in zip(("question", "answer"), pair, strict=True):
            text = text_of(value)
            if isinstance(text, Fault):
                return text
            if text is None:
                return Fault("empty-text", f"a round of the history has no {key}")
            dialogue_round[key] = text
        rounds.append(dialogue_round)
    return rounds


def _pair_of(item: object) -> tuple[object, object] | None:
    """Return question and answer of a round, which may be a list of both."""
    if isinstance(item, list | tuple) and len(item) == 2:
        return item[0], item[1]
    if not isinstance(item, dict):
        return None
    keys = next((keys for keys in _ROUND_KEYS if any(key in item for key in keys)), _ROUND_KEYS[0])
    return item.get(keys[0]), item.get(keys[1])


def _text_of_other(cell: object) -> str | Fault | None:
    if cell is None:
        return None
    if isinstance(cell, bool):
        return Fault("wrong-type", "a truth value where a text is wanted")
    if isinstance(cell, float) and not math.isfinite(cell):
        return Fault("not-finite", "a number that is not finite")
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1 << 53:
        return str(int(cell))  # a column of whole numbers with gaps
    if isinstance(cell, int | float):
        return str(cell)
    return Fault("wrong-type", f"{type(cell).__name__} where a text is wanted")


def _has_bytes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _list_in(cell: str, separator: str, *, empty: bool) -> list[object] | Fault:
    """Read a list from a text in one of three notations."""
    items = _json_list(cell)
    if items is None:
        items = _printed_list(cell)
        if items is not None and None in items:
            return Fault("empty-text", f"an item of the list is None; {_HOW_TO_WRITE}")
    if items is not None:
        return items
    text = cell.strip()
    listed = text.startswith("[") and text.endswith("]") and "," in text
    if listed or (looks_printed(text) and not text.startswith(("(", "{"))):
        return Fault("bad-value", f"'{text[:40]}' looks like a list and is none; {_HOW_TO_WRITE}")
    parts: list[object] = [part for part in cell.split(separator) if empty or part.strip()]
    if len(parts) > 1 and not str(parts[-1]).strip():
        parts.pop()  # a separator at the end closes the list
    return parts


def _printed_list(cell: str) -> list[object] | None:
    """Read a list that Python, NumPy or pandas printed; None if the text is not one."""
    text = cell.strip()
    if not (text.startswith("[") and text.endswith("]")) and not looks_printed(text):
        return None
    try:
        value = read_printed(text)
    except ValueError:
        return None
    if not isinstance(value, list) or _is_parenthesis(text, value):
        return None
    return value


def _is_parenthesis(text: str, value: object) -> bool:
    """Whether brackets enclose a plain text: Python prints a tuple of one item with a comma."""
    single = isinstance(value, list) and len(value) == 1
    return single and text.lstrip().startswith("(") and not text.rstrip(") \n\t").endswith(",")


def _json_list(cell: str) -> list[object] | None:
    if not cell.lstrip().startswith("["):
        return None
    try:
        value = json.loads(cell)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, list) else None
