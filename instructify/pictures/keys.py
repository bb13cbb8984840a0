"""Picture keys `<family>/<name>`: taken apart, and checked before a name comes near a path.

A name is text out of a dataset. What could lead out of a folder is refused here, by the text alone;
links on the disk are the business of `locate`.
"""

import hashlib
from typing import NamedTuple

URL_NAME_DIGITS = 20


class PictureKey(NamedTuple):
    family: str
    name: str


def split_key(key: str) -> PictureKey:
    """Take a key apart; a key without a slash has an empty name."""
    family, _, name = key.partition("/")
    return PictureKey(family, name)


def clean_name(name: str) -> str | None:
    """Return the name as a relative path in its plainest form, or None if it could climb out.

    Climbing out: an absolute path, a `..` part, a backslash, a NUL; and what is no name at all:
    nothing, or half of a UTF-16 pair.
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
