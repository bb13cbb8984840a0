"""Marks for what a type hint can't express about a YAML value: ranges, allowed names, other keys.

The marks are used in `Annotated[...]` on the fields of a dataclass that `yaml_typed` decodes:
`beams: Annotated[int, Between(1)] = 5`.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from instructify._util.errors import UserError
from instructify._util.yaml_lines import Node

Names = Mapping[str, Collection[str]]


@dataclass(frozen=True, slots=True)
class Between:
    """A number of the closed range; `most` None: as large as it may be."""

    least: float = 0
    most: float | None = None


@dataclass(frozen=True, slots=True)
class OneOf:
    """A text among these, or among the names that are passed to `decode` under this word."""

    allowed: tuple[str, ...] | str

    def names(self, given: Names) -> Collection[str]:
        """Return the allowed texts."""
        return given[self.allowed] if isinstance(self.allowed, str) else self.allowed


@dataclass(frozen=True, slots=True)
class Spelled:
    """A text or a key of a fixed spelling; `what` names it, `use` says what it may hold."""

    what: str
    pattern: re.Pattern[str]
    use: str

    def check(self, text: str, node: Node) -> None:
        """Refuse a text of another spelling."""
        if not self.pattern.fullmatch(text):
            raise node.error(f"'{text}' is no valid {self.what}; use {self.use}")


@dataclass(frozen=True, slots=True)
class Key:
    """The key of a field that has another name in Python; None: no key of the file sets it."""

    name: str | None


@dataclass(frozen=True, slots=True)
class MayBeEmpty:
    """A list or mapping without an entry is allowed."""


@dataclass(frozen=True, slots=True)
class NotNull:
    """The key may be left out, but not be there without a value."""


@dataclass(frozen=True, slots=True)
class NotEmpty:
    """What to do where a list or mapping has no entry."""

    hint: str


@dataclass(frozen=True, slots=True)
class By:
    """A value that a function reads, in place of its type."""

    read: Callable[[Node], Any]


@dataclass(frozen=True, slots=True)
class WithNames:
    """A value that a function reads, in place of its type, from the names passed to `decode`."""

    read: Callable[[Node, Names], Any]


@dataclass(frozen=True, slots=True)
class Check:
    """A function that yields what is wrong with a value that was read, from the passed names."""

    mistakes: Callable[[Any, Node, Names], Iterator[UserError]]


@dataclass(frozen=True, slots=True)
class _FromKey:
    """The field is the key under which the entry stands."""


NO_KEY = Key(None)
FROM_KEY = _FromKey()
MAY_BE_EMPTY = MayBeEmpty()
NOT_NULL = NotNull()
_NAME = re.compile(r"[a-z0-9_]+")
NAME = Spelled("name", _NAME, "small letters, digits and underscores")

AS_IT_IS = By(lambda node: node)
STRIPPED = By(lambda node: node.text().strip())


def words(**values: Any) -> By:
    """Read a word that stands for a value: `words(keep=True, drop=False)`."""
    return By(lambda node: values[node.choice(values)])


def format_is(known: int) -> By:
    """Read the version of a format, of which we read one."""

    def read(node: Node) -> int:
        if node.value != known or isinstance(node.value, bool):
            given = node.scalar()
            shown = str(given).lower() if isinstance(given, bool) else given
            raise node.error(f"format {shown} is unknown; this version reads format {known}")
        return known

    return By(read)


def checked_keys(node: Node, mark: OneOf | Spelled | None, names: Names) -> dict[str, Node]:
    """Return a mapping whose keys are as the mark says."""
    if isinstance(mark, OneOf):
        return node.fields(optional=mark.names(names))
    for key, entry in node.entries().items():
        if isinstance(mark, Spelled):
            mark.check(key, entry)
    return node.entries()
