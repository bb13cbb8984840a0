"""Describe the top level of a JSON file by its beginning, for messages."""

import re
from collections.abc import Iterator

from instructify.readers.base import RawFile
from instructify.readers.opening import opened

_LOOKED_AT = 1 << 20
_MARKS = re.compile(rb'"((?:[^"\\]|\\.)*)"(\s*:)?|[\[\]{}]', re.DOTALL)
_KEYS_SHOWN = 4
_JSON_BEGINS = b'{["-0123456789tfn'


def outline(file: RawFile) -> str:
    """Describe a file: an object with some keys, a list, JSON lines, or no JSON."""
    with opened(file) as raw:
        head = raw.handle.read(_LOOKED_AT).removeprefix(b"\xef\xbb\xbf").lstrip()
        cut_off = raw.cut_off
    if not head:
        return "is a compressed file that is cut off" if cut_off else "is empty"
    if head[:1] not in _JSON_BEGINS:
        return f"is no JSON (it begins with {head[:20].decode('utf-8', 'replace')!a})"
    if head[:1] == b"[":
        return "is a JSON list"
    if head[:1] != b"{":
        return "is a single JSON value"
    keys = list(_top_keys(head))
    first = head.partition(b"\n")[0].rstrip()
    if first.endswith(b"}") and head[len(first) :].lstrip().startswith(b"{"):
        return "holds one JSON object a line"
    shown = ", ".join(f"'{key}'" for key in keys[:_KEYS_SHOWN])
    more = " ..." if len(keys) > _KEYS_SHOWN else ""
    return f"is a JSON object that holds {shown}{more}" if keys else "is a JSON object without keys"


def _top_keys(head: bytes) -> Iterator[str]:
    depth = 0
    seen: set[bytes] = set()
    for match in _MARKS.finditer(head):
        mark = match[0][:1]
        if mark in (b"{", b"["):
            depth += 1
        elif mark in (b"}", b"]"):
            depth -= 1
            if depth == 0:
                return
        elif match[2] is not None and depth == 1 and match[1] not in seen:
            seen.add(match[1])
            key = match[1].decode("utf-8", "replace")[:40]
            yield key if key.isprintable() else ascii(key)
