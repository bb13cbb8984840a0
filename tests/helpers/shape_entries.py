"""The entries of docs/own-data.md, as the page has them."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "own-data.md"
_ROW = re.compile(r"\| ([a-z0-9_]+) \| (.*?) \| `(\{task.*\})` \|")


def entries() -> dict[str, str]:
    """Return the entry of each shape of the page, by its name."""
    found = (_ROW.fullmatch(line) for line in PAGE.read_text(encoding="utf-8").splitlines())
    return {match[1]: match[3].replace("\\|", "|") for match in found if match}


def catalog_of(names: dict[str, str]) -> str:
    """Write a catalog of entries."""
    lines = [f"  {name}: {entry}" for name, entry in names.items()]
    return "\n".join(["format: 1", "datasets:", *lines, ""])
