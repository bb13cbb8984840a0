"""Decode YAML into frozen dataclasses by their type hints.

A field without a default is a required key. `bool`, `int`, `float`, `str`, `Literal`, `X | None`,
`tuple[X, ...]`, `Mapping[str, X]` and dataclasses are decoded by their type, and a `Node` is left
for later. A mark (`yaml_marks`) adds what a hint can't express. A tuple of dataclasses with a field
`FROM_KEY` is written as a mapping. Every mistake is one sentence with file and line.
"""

import dataclasses
import functools
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import (
    Annotated,
    Any,
    Literal,
    NoReturn,
    TypeGuard,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from instructify._util.errors import UserError
from instructify._util.yaml_lines import Node, Scalar
from instructify._util.yaml_marks import (
    FROM_KEY,
    Between,
    By,
    Check,
    Key,
    MayBeEmpty,
    Names,
    NotEmpty,
    NotNull,
    OneOf,
    Spelled,
    WithNames,
    checked_keys,
)

T = TypeVar("T")
Tell = Callable[[UserError], None]


class _ToldError(Exception):
    """Mistakes inside this value were told already."""


def _raise(error: UserError) -> NoReturn:
    raise error


@dataclass(frozen=True, slots=True)
class _Context:
    """What readers are passed: names that depend on other files, and who takes mistakes."""

    names: Names
    tell: Tell


Reader = Callable[[Node, _Context], Any]


@dataclass(frozen=True, slots=True)
class _Field:
    """How a field is read, and whether the file needs its key."""

    name: str
    is_required: bool
    read: Reader


@dataclass(frozen=True, slots=True)
class _Fields:
    """The fields of a dataclass by their keys, and those that are the key of their entry."""

    keys: Mapping[str, _Field]
    required: tuple[str, ...]
    from_key: tuple[str, ...]


def decode(
    cls: type[T],
    node: Node | None,
    *,
    names: Names = types.MappingProxyType({}),
    given: Mapping[str, Any] = types.MappingProxyType({}),
    base: T | None = None,
    others: Iterable[str] = (),
) -> T:
    """Decode a mapping into a dataclass; what is not there keeps its default.

    Args:
        node: the mapping; None and null stand for an empty one.
        names: the allowed texts of fields marked `OneOf("word")`, by word.
        given: fields that the file does not say.
        base: what fields without a key are taken from, in place of their defaults.
        others: keys that may be there and are left alone.

    Raises:
        UserError: at the first mistake.
    """
    at = Node(value=None, file="", line=1, path="") if node is None else node
    values = _values(cls, at, _Context(names, _raise), given, base is None, others)
    return (
        cls(**values) if base is None else cast(T, dataclasses.replace(cast(Any, base), **values))
    )


def decode_all(
    cls: type[T],
    node: Node,
    tell: Tell,
    *,
    names: Names = types.MappingProxyType({}),
    given: Mapping[str, Any] = types.MappingProxyType({}),
    others: Iterable[str] = (),
) -> T | None:
    """Decode a mapping as `decode` does, but pass each mistake to `tell`; None if it has one."""
    try:
        return cls(**_values(cls, node, _Context(names, tell), given, others=others))
    except _ToldError:
        return None
    except UserError as error:
        tell(error)
        return None


def check_keys(cls: type, node: Node, *, others: Iterable[str] = ()) -> None:
    """Refuse unknown and missing keys of a mapping that is decoded later."""
    fields = _fields(cls)
    node.fields(required=fields.required, optional=(*fields.keys, *others))


def _values(
    cls: type,
    node: Node,
    context: _Context,
    given: Mapping[str, Any],
    is_whole: bool = True,
    others: Iterable[str] = (),
) -> dict[str, Any]:
    """Read the fields of a dataclass that a mapping has; it needs all the others if `is_whole`."""
    fields = _fields(cls)
    keys, required = fields.keys, fields.required if is_whole else ()
    if given:
        keys = {key: field for key, field in keys.items() if field.name not in given}
        required = tuple(key for key in required if key in keys)
    entries = {} if node.is_null and not required else node.entries()
    wrong = 0
    if not entries.keys() <= keys.keys() or not all(key in entries for key in required):
        for error in node.key_mistakes(required, [*keys, *others]):
            context.tell(error)
            wrong += 1
    values = dict(given)
    for name in fields.from_key:
        values.setdefault(name, node.key)
    for key, entry in entries.items():
        if key in keys:
            try:
                values[keys[key].name] = keys[key].read(entry, context)
            except UserError as error:
                context.tell(error)
                wrong += 1
            except _ToldError:
                wrong += 1
    if wrong:
        raise _ToldError
    return values


@functools.cache
def _fields(cls: type) -> _Fields:
    hints = get_type_hints(cls, include_extras=True)
    keys: dict[str, _Field] = {}
    from_key: list[str] = []
    for field in dataclasses.fields(cls):
        hint = hints[field.name]
        marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
        names = [mark.name for mark in marks if isinstance(mark, Key)] or [field.name]
        missing = dataclasses.MISSING
        has_default = field.default is not missing or field.default_factory is not missing
        if FROM_KEY in marks:
            from_key.append(field.name)
        elif names[0] is not None:
            keys[names[0]] = _Field(field.name, not has_default, _reader(hint))
    required = tuple(key for key, field in keys.items() if field.is_required)
    return _Fields(keys, required, tuple(from_key))


def _reader(hint: Any) -> Reader:
    """Build the reader of a type hint."""
    marks: Sequence[Any] = ()
    if get_origin(hint) is Annotated:
        hint, *marks = get_args(hint)
    read = _bare_reader(hint, marks)
    for mark in marks:
        if isinstance(mark, Check):
            read = _with_check(read, mark)
    return read


def _bare_reader(hint: Any, marks: Sequence[Any]) -> Reader:
    for mark in marks:
        if isinstance(mark, By):
            return functools.partial(_by, mark)
        if isinstance(mark, WithNames):
            return functools.partial(_with_names, mark)
    origin = get_origin(hint)
    if hint is Node:
        return lambda node, context: node
    if hint == Scalar:
        return lambda node, context: node.scalar()
    if origin in (Union, types.UnionType):
        return _union(get_args(hint), marks)
    if origin is Literal:
        return functools.partial(_literal, get_args(hint))
    if origin is tuple:
        return _tuple(get_args(hint)[0], marks)
    if origin is not None:
        key, value = get_args(hint)
        return _mapping(key, value, marks)
    if _is_dataclass(hint):
        return lambda node, context: hint(**_values(hint, node, context, {}))
    return _single(hint, marks)


def _is_dataclass(hint: Any) -> TypeGuard[type]:
    return isinstance(hint, type) and hint is not Node and dataclasses.is_dataclass(hint)


def _by(mark: By, node: Node, context: _Context) -> Any:
    return mark.read(node)


def _with_names(mark: WithNames, node: Node, context: _Context) -> Any:
    return mark.read(node, context.names)


def _with_check(read: Reader, mark: Check) -> Reader:
    def checked(node: Node, context: _Context) -> Any:
        value = read(node, context)
        wrong = 0
        for error in mark.mistakes(value, node, context.names):
            context.tell(error)
            wrong += 1
        if wrong:
            raise _ToldError
        return value

    return checked


def _single(kind: Any, marks: Sequence[Any]) -> Reader:
    if kind is bool:
        return lambda node, context: node.boolean()
    if kind is str:
        return functools.partial(_text, tuple(marks))
    limits = next((mark for mark in marks if isinstance(mark, Between)), Between())
    if kind is int:
        most = None if limits.most is None else int(limits.most)
        return lambda node, context: node.integer(minimum=int(limits.least), maximum=most)
    if kind is float:
        highest = float(2**62) if limits.most is None else limits.most
        return lambda node, context: node.number(minimum=limits.least, maximum=highest)
    raise TypeError(f"no YAML value is read as {kind}")


def _text(marks: Sequence[Any], node: Node, context: _Context) -> str:
    for mark in marks:
        if isinstance(mark, OneOf):
            return node.choice(mark.names(context.names))
        if isinstance(mark, Spelled):
            mark.check(node.text(), node)
    return node.text()


def _literal(allowed: tuple[str, ...], node: Node, context: _Context) -> str:
    if isinstance(node.value, bool):  # a word that YAML takes for a truth value
        node = dataclasses.replace(node, value=str(node.value).lower())
    return node.choice(allowed)


def _union(kinds: Sequence[Any], marks: Sequence[Any]) -> Reader:
    """Read null as None, and anything else by the first kind that its shape fits."""
    may_be_null = type(None) in kinds and not any(isinstance(mark, NotNull) for mark in marks)
    others = [kind for kind in kinds if kind is not type(None)]
    inner = [mark for mark in marks if not isinstance(mark, Check)]
    readers = [
        (_shapes(kind), _reader(Annotated[(kind, *inner)] if inner else kind)) for kind in others
    ]

    def read(node: Node, context: _Context) -> Any:
        if node.is_null and may_be_null:
            return None
        fits = (each for shapes, each in readers if isinstance(node.value, shapes))
        return next(fits, readers[-1][1])(node, context)

    return read


def _shapes(kind: Any) -> tuple[type, ...]:
    """List the classes of a node's value that a kind is written as."""
    bare = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    origin = get_origin(bare)
    if bare is str or origin is Literal:
        return (str,)
    if origin is tuple:
        return (list, str)
    if bare in (bool, int, float):
        return (bool, int, float)
    return (object,) if bare is Node else (dict,)


def _tuple(item: Any, marks: Sequence[Any]) -> Reader:
    """Read a list; one text stands for a list of one, and none is listed twice."""
    bare = get_args(item)[0] if get_origin(item) is Annotated else item
    if _is_dataclass(bare) and _fields(bare).from_key:
        read_entry = _reader(item)
        return lambda node, context: tuple(
            read_entry(child, context)
            for child in _filled(node, list(node.entries().values()), marks)
        )
    read = _reader(item)

    def read_item(child: Node, node: Node, context: _Context) -> Any:
        try:
            return read(child, context)
        except UserError:
            if bare is not str:
                raise
            return read(dataclasses.replace(child, path=node.path), context)  # named by its list

    def read_list(node: Node, context: _Context) -> tuple[Any, ...]:
        if bare is str and isinstance(node.value, str):
            return (read(node, context),)
        values = []
        for child in _filled(node, node.items(), marks):
            value = read_item(child, node, context)
            if bare is str and value in values:
                raise child.error(f"'{value}' is listed twice in '{node.path}'")
            values.append(value)
        return tuple(values)

    return read_list


def _mapping(key: Any, value: Any, marks: Sequence[Any]) -> Reader:
    key_marks = get_args(key)[1:] if get_origin(key) is Annotated else ()
    mark = next(
        (candidate for candidate in key_marks if isinstance(candidate, OneOf | Spelled)), None
    )
    read = _reader(value)

    def read_mapping(node: Node, context: _Context) -> dict[str, Any]:
        entries = checked_keys(node, mark, context.names)
        _filled(node, list(entries), marks)
        return {name: read(entry, context) for name, entry in entries.items()}

    return read_mapping


def _filled(node: Node, listed: list[T], marks: Sequence[Any]) -> list[T]:
    """Refuse a list or mapping without an entry where one is needed."""
    if not listed and not any(isinstance(mark, MayBeEmpty) for mark in marks):
        hints = [mark.hint for mark in marks if isinstance(mark, NotEmpty)]
        hint = hints[0] if hints else "it needs at least one entry"
        raise node.error(f"'{node.path}' is empty; {hint}")
    return listed
