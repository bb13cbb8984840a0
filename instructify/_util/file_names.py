"""Names of files that are odd: those that a desktop leaves, and those that are not UTF-8."""

_NAMES = frozenset({".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"})


def is_stray(name: str) -> bool:
    """Tell whether a file name is a desktop's: `Thumbs.db`, `.DS_Store`, macOS' `._name`."""
    return name.startswith("._") or name.lower() in _NAMES


def is_text(path: str) -> bool:
    """Tell whether a path is UTF-8, so that an index can hold it."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
