"""Files that a desktop leaves in folders and archives, which belong to no dataset."""

_NAMES = frozenset({".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"})


def is_stray(name: str) -> bool:
    """Tell whether a file name is a desktop's: `Thumbs.db`, `.DS_Store`, macOS' `._name`."""
    return name.startswith("._") or name.lower() in _NAMES
