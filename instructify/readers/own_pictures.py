"""Read the pictures of a row of own data: names, or bytes in one of several forms.

A cell may hold a name, an absolute path, an address, bytes, base64, a data URL, the `{bytes, path}`
of the `datasets` library, or a list of these. The form is recognised by the text alone.
"""

import base64
import binascii
import hashlib
import json
import posixpath
import re
from collections.abc import Sequence

from instructify.readers.own_plan import Plan
from instructify.readers.picture_archive import PictureArchives, RowPicture
from instructify.readers.printed import looks_printed
from instructify.readers.table_cells import Fault, text_of, texts_of
from instructify.readers.text import safe_name

_DATA_URL = re.compile(r"\s*data:\s*[\w.+-]*/?[\w.+-]*(?:\s*;\s*[\w.+=-]+)*\s*,", re.ASCII)
# How base64 of a JPEG, PNG, GIF, WEBP or BMP begins.
_BASE64 = re.compile(r"\s*(?:/9j/|iVBORw0KGgo|R0lGOD[dl]h|UklGR|Qk[\w+/]{4}AAAAAA)[\w+/]", re.ASCII)
_LEAST_BASE64 = 64
_WEB = re.compile(r"https?://", re.IGNORECASE)
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_URL_DIGITS = 20
_NO_PLAIN_START = ("", "[", "{", "(", " ", "/")


def pictures_in(
    cell: object, plan: Plan, archive: PictureArchives | None
) -> list[RowPicture] | Fault:
    """Read the pictures of a cell, in order; empty if the cell is empty."""
    if archive is None and isinstance(cell, str) and _is_plain(cell, plan.separator):
        return [RowPicture(posixpath.normpath(cell.strip()), None)]
    pictures: list[RowPicture] = []
    for item in _items(cell, plan.separator):
        if isinstance(item, Fault):
            return item
        if item is None:
            continue
        picture = _picture(item, plan, archive)
        if isinstance(picture, Fault):
            return picture
        pictures.append(picture)
    return pictures


def listed_pictures(cell: object, separator: str) -> list[object]:
    """List the pictures of a cell, without reading them; a bad list counts as one picture."""
    if isinstance(cell, str) and _is_plain(cell, separator):
        return [cell]
    items = _items(cell, separator)
    return [cell] if any(isinstance(item, Fault) for item in items) else list(items)


def _is_plain(cell: str, separator: str) -> bool:
    """Whether a cell is the ASCII name of one file below the folder, as nearly all are."""
    if len(cell) >= _LEAST_BASE64 or not cell.isascii() or separator in cell:
        return False
    if "'" in cell or '"' in cell:  # maybe a list that Python or NumPy printed
        return False
    return cell[:1] not in _NO_PLAIN_START and safe_name(cell) and not cell.isspace()


def _items(cell: object, separator: str) -> Sequence[object]:
    if isinstance(cell, list | tuple):
        return cell
    if not isinstance(cell, str):
        return [cell]
    if _is_long_text(cell):
        return [cell]
    start = cell.lstrip()[:1]
    if start not in ("[", "{") and separator not in cell and not looks_printed(cell):
        return [cell]
    if start == "{":
        return [_object(cell)]
    names = texts_of(cell, separator)
    if isinstance(names, Fault):
        return [_objects(cell) or names]
    return names or ()


def _is_long_text(cell: str) -> bool:
    """Whether a text is a single picture in spite of any separators in it."""
    return bool(_DATA_URL.match(cell) or _BASE64.match(cell) or _WEB.match(cell))


def _object(cell: str) -> object:
    try:
        value = json.loads(cell)
    except (ValueError, RecursionError):
        return cell
    return value if isinstance(value, dict) else cell


def _objects(cell: str) -> object | None:
    """Read a JSON list of objects; a list of one object gives the object."""
    try:
        value = json.loads(cell)
    except (ValueError, RecursionError):
        return None
    return value[0] if isinstance(value, list) and len(value) == 1 else None


def _picture(item: object, plan: Plan, archive: PictureArchives | None) -> RowPicture | Fault:
    if isinstance(item, dict):
        item = _of_object(item)
    if isinstance(item, Fault):
        return item
    if isinstance(item, bytes | bytearray | memoryview):
        return RowPicture("", bytes(item))
    if isinstance(item, str):
        if match := _DATA_URL.match(item):
            return _decoded(item[match.end() :], match[0])
        if len(item) >= _LEAST_BASE64 and _BASE64.match(item):
            return _decoded(item, ";base64,")
    text = text_of(item)
    if isinstance(text, Fault):
        return text
    if text is None:
        return Fault("empty-text", "the name of a picture is empty")
    return _named(text, plan, archive)


def _of_object(item: dict[str, object]) -> object:
    """Return the bytes, else the path; beside bytes, the path of `datasets` is only a name."""
    for key in ("bytes", "path", "file_name", "url", "image", "data"):
        value = item.get(key)
        if value is not None and value != b"":
            return value if not isinstance(value, dict) else _of_object(value)
    keys = ", ".join(list(item)[:5])
    return Fault("wrong-type", f"an object with the keys {keys} is no picture; bytes or path is")


def _decoded(text: str, kind: str) -> RowPicture | Fault:
    if not "".join(kind.split()).lower().endswith(";base64,"):
        return Fault("bad-value", "a data URL that is not base64; write the bytes as base64")
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (ValueError, binascii.Error):
        return Fault("bad-value", "the base64 of a picture is damaged")
    return RowPicture("", data) if data else Fault("picture-empty", "base64 of no bytes")


def _named(text: str, plan: Plan, archive: PictureArchives | None) -> RowPicture | Fault:
    if _WEB.match(text):
        if plan.is_cached:
            return RowPicture(hashlib.sha256(text.encode()).hexdigest()[:_URL_DIGITS], None)
        what = f"'{text[:60]}' is an address, and nothing is fetched"
        how = "fetch with img2dataset into a folder beside the table, and name it: cache: FOLDER"
        return Fault("bad-value", f"{what}; {how}")
    text = text.removeprefix("file://")
    if "\\" in text and not _WINDOWS.match(text):
        text = text.replace("\\", "/")  # as Windows writes folders; no other name has it
    if _WINDOWS.match(text):
        how = "write the path below the dataset's folder"
        return Fault("path-outside-root", f"'{text[:80]}' is a path of Windows; {how}")
    if text.startswith("/") and safe_name(text[1:]):
        return RowPicture(posixpath.normpath("/" + text.lstrip("/")), None)
    if not safe_name(text):
        return Fault("path-outside-root", f"'{text[:80]}'")
    name = posixpath.normpath(text)
    return RowPicture(name, None) if archive is None else archive.find(name)
