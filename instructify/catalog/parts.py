"""Parts of a catalog that ours and a user's own are read by: tasks, candidates, lists of names."""

import re
from collections.abc import Iterable

from instructify._util.errors import did_you_mean
from instructify._util.yaml_lines import Node
from instructify.catalog.model import Candidates, Task

NAME = re.compile(r"[a-z0-9_]+")


def named(node: Node) -> Iterable[tuple[str, Node]]:
    """Yield the entries of a mapping whose keys are names."""
    for name, entry in node.entries().items():
        if not NAME.fullmatch(name):
            raise entry.error(
                f"'{name}' is no valid name; use small letters, digits and underscores"
            )
        yield name, entry


def read_task(name: str, node: Node) -> Task:
    """Read a kind of work: its title and the forms of its records."""
    fields = node.fields(required=("title", "forms"))
    return Task(name=name, title=fields["title"].text(), forms=fields["forms"].texts())


def read_candidates(node: Node, splits: Iterable[str]) -> Candidates | None:
    """Read what the answers of a dataset are ranked among."""
    if node.is_null:
        return None
    if not node.is_mapping:
        return Candidates(kind=node.choice(("record",)))
    fields = node.fields(optional=("fixed", "vocabulary"))
    if len(fields) != 1:
        raise node.error(
            f"'{node.path}' must be record, {{fixed: ...}} or {{vocabulary: ...}}, one of them"
        )
    if "fixed" in fields:
        return Candidates(kind="fixed", values=fields["fixed"].texts())
    inner = fields["vocabulary"].fields(required=("splits",), optional=("min_count", "top"))
    return Candidates(
        kind="vocabulary",
        splits=each_of(inner["splits"], splits),
        min_count=inner["min_count"].integer(minimum=1) if "min_count" in inner else 1,
        top=inner["top"].integer(minimum=1) if "top" in inner else None,
    )


def each_of(node: Node, allowed: Iterable[str]) -> tuple[str, ...]:
    """Read a list of texts, each of them one of `allowed`."""
    allowed = tuple(allowed)
    for name in node.texts():
        if name not in allowed:
            raise node.error(
                f"'{name}' is no value of '{node.path}'; {did_you_mean(name, allowed)}"
            )
    return node.texts()
