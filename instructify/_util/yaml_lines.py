"""Read a small YAML file so that every mistake can be reported with file and line.

Only plain YAML is accepted: mappings with unique text keys, lists, and scalars read as in YAML 1.2
(`yes` and `no` are texts). Tags, anchors and aliases are refused. The caller interprets the keys.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import yaml

from instructify._util.errors import UserError, did_you_mean
from instructify._util.file_kinds import HEAD_BYTES, other_kind
from instructify._util.outside import read_given

Scalar = str | int | float | bool | None
TextT = TypeVar("TextT", bound=str)

MAX_DEPTH = 32
_MOST_BYTES = 1 << 26
_INT = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}
_SPELLED_WORDS = {
    spelled: value
    for word, value in _WORDS.items()
    for spelled in (word, word.capitalize(), word.upper())
}
_STARTS_OF_NUMBERS = frozenset("0123456789+-.")


class PlacedError(UserError):
    """A mistake at a line of a file; `text_line` counts within a text that begins there."""

    def __init__(
        self, file: str, line: int, what: str, *, kind: str = "syntax", text_line: int = 1
    ) -> None:
        super().__init__(f"{file}, line {line}: {what}")
        self.file = file
        self.line = line
        self.what = what
        self.kind = kind
        self.text_line = text_line


@dataclass(frozen=True, slots=True)
class Node:
    """A value of the file and where it stands.

    `key` is the key of an entry, `path` all keys down to the value, joined by dots.
    """

    value: "Scalar | dict[str, Node] | list[Node]"
    file: str
    line: int
    path: str
    key: str = ""

    def error(self, what: str, *, kind: str = "syntax", text_line: int = 1) -> PlacedError:
        """Make the one sentence about this value: file, line and `what`."""
        return PlacedError(self.file, self.line, what, kind=kind, text_line=text_line)

    @property
    def is_null(self) -> bool:
        return self.value is None

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.value, dict)

    @property
    def is_list(self) -> bool:
        return isinstance(self.value, list)

    def entries(self) -> "dict[str, Node]":
        """Return the mapping, whatever its keys are."""
        if not isinstance(self.value, dict):
            raise self._expected("a mapping")
        return self.value

    def fields(
        self, *, required: Iterable[str] = (), optional: Iterable[str] = ()
    ) -> "dict[str, Node]":
        """Return the mapping after checking its keys."""
        entries = self.entries()
        for error in self.key_mistakes(tuple(required), tuple(optional)):
            raise error
        return entries

    def key_mistakes(
        self, required: Sequence[str], optional: Sequence[str]
    ) -> "Iterator[PlacedError]":
        """Yield what is wrong with the keys of the mapping: the unknown, then the missing ones."""
        entries = {} if self.is_null else self.entries()
        allowed = dict.fromkeys((*required, *optional))
        for key, node in entries.items():
            if key not in allowed:
                yield node.error(f"unknown key '{key}'{self._within}; {did_you_mean(key, allowed)}")
        for key in required:
            if key not in entries:
                yield self.error(f"key '{key}' is missing{self._within}")

    def at(self, key: str) -> "Node":
        """Return where a mistake about a key stands: its entry, else the mapping."""
        return self.entries().get(key, self)

    def items(self) -> "list[Node]":
        """Return the list."""
        if not isinstance(self.value, list):
            raise self._expected("a list")
        return self.value

    def text(self) -> str:
        """Return a text that is not empty."""
        if not isinstance(self.value, str) or not self.value.strip():
            raise self._expected("a text (quote it if it looks like a number)")
        return self.value

    def texts(self) -> tuple[str, ...]:
        """Return a list of texts without duplicates; one text stands for a list of one."""
        if isinstance(self.value, str):
            return (self.text(),)
        seen: dict[str, None] = {}
        for node in self.items():
            if node.text() in seen:
                raise node.error(f"'{node.value}' is listed twice in '{self.path}'")
            seen[node.text()] = None
        if not seen:
            raise self._expected("at least one text")
        return tuple(seen)

    def scalar(self) -> Scalar:
        """Return a text, number, boolean or null."""
        if isinstance(self.value, dict | list):
            raise self._expected("a single value")
        return self.value

    def boolean(self) -> bool:
        """Return true or false."""
        if not isinstance(self.value, bool):
            raise self._expected("true or false")
        return self.value

    def integer(self, *, minimum: int = 0, maximum: int | None = None) -> int:
        """Return a whole number of the closed range; `maximum` None: as large as it may be."""
        value = self.value
        if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
            raise self._expected(f"a whole number from {minimum} on")
        if maximum is not None and value > maximum:
            raise self._expected(f"a whole number from {minimum} to {maximum}")
        return value

    def number(self, *, minimum: float, maximum: float) -> float:
        """Return a number of the closed range."""
        if (
            not isinstance(self.value, int | float)
            or isinstance(self.value, bool)
            or not minimum <= self.value <= maximum
        ):
            raise self._expected(f"a number from {minimum:g} to {maximum:g}")
        return float(self.value)

    def choice(self, allowed: "Iterable[TextT]") -> "TextT":
        """Return a text that is one of `allowed`."""
        allowed = tuple(allowed)
        if not isinstance(self.value, str):
            raise self._expected(f"one of {', '.join(allowed)}")
        for option in allowed:
            if option == self.value:
                return option
        raise self.error(
            f"'{self.value}' is no value of '{self.path}'; {did_you_mean(self.value, allowed)}"
        )

    @property
    def _within(self) -> str:
        return f" in '{self.path}'" if self.path else ""

    def _expected(self, what: str) -> UserError:
        subject = f"'{self.path}'" if self.path else "the file"
        return self.error(f"{subject} must be {what}, not {self._shown()}")

    def _shown(self) -> str:
        if isinstance(self.value, dict):
            return "a mapping"
        if isinstance(self.value, list):
            return "a list"
        if isinstance(self.value, str):
            return f"'{self.value[:40]}'"
        return "nothing" if self.value is None else str(self.value).lower()


def read_yaml(path: Path) -> Node:
    """Read a file; its name in messages is the path as given."""
    try:
        data = read_given(path, _MOST_BYTES)
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}); give the path of a YAML file"
        ) from error
    kind = other_kind(data[:HEAD_BYTES])
    if kind is not None:
        raise UserError(f"{path} is {kind.what}, not YAML; give the path of a YAML file")
    try:
        content = data.decode()
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from error
    return parse_yaml(content, str(path))


def parse_yaml(content: str, file: str) -> Node:
    """Read YAML from memory; `file` names it in messages."""
    # The C parser is ten times as fast, where it was built.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        events = loader(content)
        try:
            return _Composer(file, iter(events.get_event, None)).document()
        finally:
            events.dispose()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise PlacedError(file, line, f"this is not YAML ({error.problem})") from error
    except yaml.YAMLError as error:
        raise UserError(f"{file}: this is not YAML ({str(error).splitlines()[0]})") from error


class _Composer:
    """Turn parser events into nodes; only events still know which tags and anchors were written."""

    def __init__(self, file: str, events: Iterator[yaml.Event]) -> None:
        self._file = file
        self._events = events

    def document(self) -> Node:
        node = Node(value=None, file=self._file, line=1, path="")
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._error(event, "a second document begins; one per file is allowed")
                node = self._node(next(self._events), "", 0)
        return node

    def _node(
        self, event: yaml.Event, path: str, depth: int, key: str = "", line: int | None = None
    ) -> Node:
        """Read a value; an entry is reported at its `line`, since it may begin on a later one."""
        at = _line(event) if line is None else line
        if type(event) is yaml.ScalarEvent and event.tag is None and event.anchor is None:
            text = event.value if event.style else _plain(event.value)
            return Node(text, self._file, at, path, key)
        self._refuse_indirection(event)
        if depth > MAX_DEPTH:
            raise self._error(event, f"nested deeper than {MAX_DEPTH} levels")
        value: Scalar | dict[str, Node] | list[Node] = None
        if isinstance(event, yaml.MappingStartEvent):
            value = self._mapping(path, depth)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(path, depth)
        return Node(value, self._file, at, path, key)

    def _mapping(self, path: str, depth: int) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        while not isinstance(key := next(self._events), yaml.MappingEndEvent):
            self._refuse_indirection(key)
            if not isinstance(key, yaml.ScalarEvent) or not key.value:
                raise self._error(key, "a key must be a plain text")
            name = key.value
            if name in entries:
                first = entries[name].line
                raise self._error(key, f"'{name}' is a duplicate of line {first}; keep one")
            below = f"{path}.{name}" if path else name
            entries[name] = self._node(next(self._events), below, depth + 1, name, _line(key))
        return entries

    def _sequence(self, path: str, depth: int) -> list[Node]:
        nodes: list[Node] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            nodes.append(self._node(event, f"{path}[{len(nodes)}]", depth + 1))
        return nodes

    def _refuse_indirection(self, event: yaml.Event) -> None:
        if getattr(event, "anchor", None) is not None:
            raise self._error(event, "anchors and aliases are not allowed; write the value out")
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise self._error(event, f"the tag {tag} is not allowed; remove it")

    def _error(self, event: yaml.Event, what: str) -> UserError:
        return PlacedError(self._file, _line(event), what)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _plain(text: str) -> Scalar:
    """Read an unquoted scalar: the words of YAML 1.2's core schema, decimal numbers, else text."""
    if text in _SPELLED_WORDS:
        return _SPELLED_WORDS[text]
    if text[0] in _STARTS_OF_NUMBERS:
        if _INT.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text):
            return float(text)
    return text
