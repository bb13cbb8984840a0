"""Picture keys `<family>/<name>`: split, and checked before a name becomes part of a path.

A name is text from a dataset. A name that could lead out of a folder is refused here, by its text
alone; `locate` handles links on the disk.
"""

import hashlib
from typing import NamedTuple

URL_NAME_DIGITS = 20


class PictureKey(NamedTuple):
    family: str
    name: str


def split_key(key: str) -> PictureKey:
    """Split a key into family and name; the name of a key without a slash is empty."""
    family, _, name = key.partition("/")
    return PictureKey(family, name)


def clean_name(name: str) -> str | None:
    """Return the name as a relative path in its plainest form; None if it could leave the folder.

    None for an absolute path, a `..` part, a backslash, a NUL, an empty name, and half of a UTF-16
    pair.
    """
    if name.startswith("/") or "\\" in name or "\0" in name:
        return None
    if not name.isascii() and not _encodes(name):
        return None
    if "/" not in name:
        return None if name in ("", ".", "..") else name
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return None if not parts or ".." in parts else "/".join(parts)


def url_name(url: str) -> str:
    """Name a web picture by its address: the first 20 hex digits of the sha256 of the url."""
    return hashlib.sha256(url.encode()).hexdigest()[:URL_NAME_DIGITS]


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
