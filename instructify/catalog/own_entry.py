"""The keys of an entry of own data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from instructify._util.yaml_lines import Node
from instructify._util.yaml_marks import AS_IT_IS, NOT_NULL, STRIPPED, Between, By, OneOf
from instructify.catalog.model import Role
from instructify.catalog.own_columns import Kind, read_own_fields
from instructify.catalog.own_sources import picture_paths, plain_path

_Later = Annotated[Node | None, AS_IT_IS]
_Path = Annotated[str, By(lambda node: plain_path(node, node.text()))]


def _choice_base(node: Node) -> int:
    """Read the number of the first choice, 0 or 1."""
    if node.integer() > 1:
        raise node.error("'choice_base' is 0 or 1: where the numbers begin")
    return node.integer()


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnEntry:
    """A dataset of the user's; `table` is the name of `data` in older files.

    `raw` is the folder of the raw root with the data, if it has another name.
    """

    task: Annotated[str, OneOf("tasks")]
    data: _Later = None
    table: _Later = None
    raw: _Path = ""
    title: str = ""
    role: Role = "held-in"
    metric: Annotated[str | None, OneOf("metrics"), NOT_NULL] = None
    form: Annotated[str | None, OneOf("forms"), NOT_NULL] = None
    default_splits: _Later = None
    max_rejects_percent: Annotated[float, Between(0, 100)] = 1.0
    note: Annotated[str | None, STRIPPED] = None
    licence: str = ""
    home: str = ""
    citation: Annotated[str | None, STRIPPED] = None
    candidates: _Later = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnData:
    """The key `data` of an entry; `own_sources` reads which files belong to a split."""

    kind: Kind = "table"
    file: _Later = None
    files: _Later = None
    folder: _Later = None
    folders: _Later = None
    split: _Later = None
    columns: _Later = None
    key: str = ""
    pictures: Annotated[tuple[str, ...], By(picture_paths)] = ()
    cache: _Path = ""
    question: str = ""
    classes: tuple[str, ...] = ()
    separator: str = "|"
    choice_base: Annotated[int, By(_choice_base)] = 0
    text_only: bool = False
    fields: Annotated[Mapping[str, str], By(read_own_fields)] = field(default_factory=dict)
