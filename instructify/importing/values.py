"""Values of a catalog entry as YAML on one line."""

import json
import re
from collections.abc import Mapping

_PLAIN = re.compile(r"[A-Za-z_./][A-Za-z0-9_./ -]*")
_WORDS = ("true", "false", "null", "~", "yes", "no")


def entry_value(value: object) -> str:
    """Write a value as YAML on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {entry_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(entry_value, value)) + "]"
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS and value == value.strip()
        return value if plain else json.dumps(value, ensure_ascii=False)
    return str(value).lower() if isinstance(value, bool) else str(value)
