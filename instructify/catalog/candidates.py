"""The candidates among which the answers of a dataset are ranked."""

import dataclasses
from dataclasses import dataclass
from typing import Annotated

from instructify._util.yaml_lines import Node
from instructify._util.yaml_marks import NOT_NULL, Between, Names, OneOf
from instructify._util.yaml_typed import decode


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidates:
    """The closed set of answers that a sample is ranked against.

    kind `record`: the choices of the record; `fixed`: `values`; `vocabulary`: the answers of
    `splits` given at least `min_count` times, of these the `top` most frequent (None: all).
    """

    kind: str
    values: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    min_count: int = 1
    top: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Vocabulary:
    """The answers of some splits."""

    splits: tuple[Annotated[str, OneOf("splits")], ...]
    min_count: Annotated[int, Between(1)] = 1
    top: Annotated[int | None, Between(1), NOT_NULL] = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Entry:
    """The keys of the file, exactly one of which is given."""

    fixed: Annotated[tuple[str, ...] | None, NOT_NULL] = None
    vocabulary: Annotated[_Vocabulary | None, NOT_NULL] = None


def read_candidates(node: Node, names: Names) -> Candidates | None:
    """Read the candidates of a dataset; a vocabulary comes from the answers of `splits`."""
    if node.is_null:
        return None
    if not node.is_mapping:
        return Candidates(kind=node.choice(("record",)))
    entry = decode(_Entry, node, names=names)
    if (entry.fixed is None) == (entry.vocabulary is None):
        raise node.error(
            f"'{node.path}' must be record, {{fixed: ...}} or {{vocabulary: ...}}, one of them"
        )
    if entry.vocabulary is None:
        return Candidates(kind="fixed", values=entry.fixed or ())
    return Candidates(kind="vocabulary", **dataclasses.asdict(entry.vocabulary))
