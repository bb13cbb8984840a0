"""Read rows of JSON: a list, JSON lines, or a list in an object, recognised by the beginning."""

import json
from collections.abc import Iterator
from typing import Any

from instructify._util.errors import UserError
from instructify.readers.base import RawFile
from instructify.readers.json_items import Items, read_lines, read_list
from instructify.readers.json_source import BYTE_ORDER_MARK
from instructify.readers.opening import opened
from instructify.readers.rows import Rows

_HEAD_BYTES = 1 << 20


def json_rows(file: RawFile, key: str | None) -> Iterator[Rows]:
    """Stream the objects of a JSON file.

    `key` is the place of the list in an object (dots descend).
    """
    if key is not None and json_head(file).startswith(b"["):
        raise UserError(
            f"{file.name} is a JSON list and has no key '{key}'; remove 'key' from its entry, or "
            "give files of the other shape an entry of their own."
        )
    read: Iterator[Items[dict[str, Any]]] = (
        read_lines(file, dict[str, Any])
        if key is None and is_lines(file)
        else read_list(file, dict[str, Any], key=key)
    )
    for items in read:
        yield Rows(list(zip(items.positions, items.items, strict=True)), items.rejects)


def is_lines(file: RawFile) -> bool:
    """Whether a file has an object in each line; an object over several lines is refused."""
    by_name = ".jsonl" in file.path.name.lower()
    head = json_head(file)
    if head.startswith(b"["):
        return by_name and _is_value(head.partition(b"\n")[0])
    if by_name or not head.startswith(b"{"):
        return by_name
    if _is_value(head.partition(b"\n")[0]) and b'"' in head.partition(b"\n")[2]:
        return True
    keys = _list_keys(head)
    how = (
        f"; write key: {keys[0]}"
        if keys
        else "; write its rows as a list (pandas: to_json(orient='records')), or name where a list "
        "of rows is: key: NAME"
    )
    raise UserError(f"{file.name} is not a JSON list; it holds an object{how}.")


class _Enough(Exception):
    """Stops reading a compressed file, which would otherwise be read up to its checksum."""

    def __init__(self, head: bytes) -> None:
        super().__init__()
        self.head = head


def json_head(file: RawFile) -> bytes:
    """Read the first bytes of a text file, decompressed."""
    try:
        with opened(file) as raw:
            raise _Enough(raw.handle.read(_HEAD_BYTES))
    except _Enough as enough:
        return enough.head.removeprefix(BYTE_ORDER_MARK).lstrip()


def list_keys(file: RawFile) -> list[str]:
    """List the keys of a JSON object whose values are lists of objects, in the head of the file."""
    head = json_head(file)
    first = head.partition(b"\n")[0]
    is_object = head.startswith(b"{") and not (_is_value(first) and len(head) > len(first) + 1)
    return _list_keys(head) if is_object else []


def _is_value(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _list_keys(head: bytes) -> list[str]:
    """List the keys whose values begin as lists of objects, in the part that was read."""
    text = head.decode("utf-8", "replace")
    decoder = json.JSONDecoder()
    keys: list[str] = []
    at = 1
    while True:
        try:
            key, at = decoder.raw_decode(text, _skip(text, at))
            at = _skip(text, at)
            if not isinstance(key, str) or text[at : at + 1] != ":":
                return keys
            at = _skip(text, at + 1)
            if text[at : at + 1] == "[" and text[_skip(text, at + 1) :][:1] == "{":
                keys.append(key)
            _, at = decoder.raw_decode(text, at)
            at = _skip(text, at)
        except (ValueError, RecursionError):
            return keys
        if text[at : at + 1] != ",":
            return keys
        at += 1


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at
