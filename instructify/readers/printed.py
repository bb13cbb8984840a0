"""Read lists and objects that Python, NumPy and pandas printed into the cells of a table.

Examples: `['a', "b's"]`, `['a' 'b']`, `('a', 'b')`, `array(['a'], dtype=object)`,
`{'question': 'Who?'}`, as `str` and `to_csv` write them. Nothing is evaluated, and depth and size
are limited.
"""

import re

MOST_CHARS = 1 << 20
_MOST_DEPTH = 8

_SPACE = re.compile(r"\s*")
_TEXT = re.compile(r"""[uU]?('(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")""", re.DOTALL)
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.])")
_WORD = re.compile(r"(?:None|True|False|nan|NaN|inf)(?!\w)")
_ARRAY = re.compile(r"(?:np\.|numpy\.)?array\(")
_ARRAY_END = re.compile(r"\s*(?:,\s*dtype=[\w.<>'\"|]+\s*)?\)")
_SCALAR = re.compile(r"(?:np|numpy)\.(?:str_|int64|int32|float64|float32|bool_?)\(")
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_CLOSING = {"[": "]", "(": ")", "{": "}"}
_WORDS: dict[str, object] = {"None": None, "True": True, "False": False}


def read_printed(text: str) -> object:
    """Read a value that Python printed.

    Lists, tuples, sets and arrays become lists, objects become dicts, `None` and `nan` None.
    Raises ValueError if the text is not such a value.
    """
    if len(text) > MOST_CHARS:
        raise ValueError("too long")
    value, end = _value(text, _skip(text, 0), 0)
    if _skip(text, end) != len(text):
        raise ValueError("more text behind the value")
    return value


def looks_printed(text: str) -> bool:
    """Whether a text begins like a list that Python printed: a bracket, then a quoted text."""
    return _LIST_OF_TEXTS.match(text) is not None


_LIST_OF_TEXTS = re.compile(
    r"""\s*(?:(?:np\.|numpy\.)?array\(\s*)?[\[({]\s*(?:['"]|[uU]['"]|None\s*,|nan\s*,|np\.str_\()"""
)


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _value(text: str, at: int, depth: int) -> tuple[object, int]:
    if depth > _MOST_DEPTH:
        raise ValueError("nested too deep")
    if match := _TEXT.match(text, at):
        return _unescaped(match[1][1:-1]), match.end()
    if match := _WORD.match(text, at):
        return _WORDS.get(match[0]), match.end()
    if match := _NUMBER.match(text, at):
        return _number(match[0]), match.end()
    if (match := _ARRAY.match(text, at)) or (match := _SCALAR.match(text, at)):
        value, end = _value(text, _skip(text, match.end()), depth + 1)
        closed = _ARRAY_END.match(text, end)
        if closed is None:
            raise ValueError("an array that is not closed")
        return value, closed.end()
    if text[at : at + 1] in _CLOSING:
        return _items(text, at, depth)
    raise ValueError(f"no value at character {at}")


def _items(text: str, at: int, depth: int) -> tuple[object, int]:
    """Read the items between brackets, separated by commas or, as in NumPy, by white space."""
    closing = _CLOSING[text[at]]
    items: list[object] = []
    keyed: dict[str, object] = {}
    end = _skip(text, at + 1)
    while text[end : end + 1] != closing:
        item, after = _value(text, end, depth + 1)
        end = _skip(text, after)
        if closing == "}" and text[end : end + 1] == ":":
            keyed[str(item)], after = _value(text, _skip(text, end + 1), depth + 1)
            end = _skip(text, after)
        else:
            items.append(item)
        if text[end : end + 1] == ",":
            end = _skip(text, end + 1)
        elif end == after and text[end : end + 1] != closing:
            raise ValueError("nothing between two items")
    if keyed and items:
        raise ValueError("an object with an item that has no key")
    return keyed or items, end + 1


def _number(text: str) -> int | float:
    if len(text) > 40:
        raise ValueError("a number that is too long")
    return int(text) if text.lstrip("+-").isdigit() else float(text)


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda match: _character(match[1]), text)


def _character(escape: str) -> str:
    if len(escape) > 1:
        number = int(escape[1:], 16)
        if number > 0x10FFFF:
            raise ValueError("no character has this number")
        return chr(number)
    return _ESCAPED.get(escape, escape if escape in "\\'\"" else "\\" + escape)
