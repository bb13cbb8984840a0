"""Lists of names in an entry of own data."""

from collections.abc import Iterable

from instructify._util.errors import did_you_mean
from instructify._util.yaml_lines import Node


def each_of(node: Node, allowed: Iterable[str]) -> tuple[str, ...]:
    """Read a list of texts, each of them one of `allowed`."""
    allowed = tuple(allowed)
    for name in node.texts():
        if name not in allowed:
            raise node.error(
                f"'{name}' is no value of '{node.path}'; {did_you_mean(name, allowed)}"
            )
    return node.texts()
