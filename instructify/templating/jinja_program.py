"""A template text, checked and compiled by Jinja: the reference for what a template renders to.

The text of a record is never used as template source. A null that is printed, an item outside its
list and a text above 64 kB are faults of the record; every other fault is refused when the text is
compiled.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined, UndefinedError, nodes
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from instructify.templating.filters import FILTERS, MAX_TEXT_BYTES, RenderError
from instructify.templating.language import CheckError, check, check_all

MAX_SOURCE_BYTES = 10_000
TOO_LONG = f"the text is longer than {MAX_TEXT_BYTES} bytes"


class NullPrintedError(RenderError):
    """A field that the text prints is null."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Program:
    """A checked template text; `names` are the fields and constants that it reads."""

    source: str
    tree: nodes.Template
    names: frozenset[str]

    def render(self, values: dict[str, Any]) -> str:
        """Render with a value for each of `names`; RenderError if the record does not fit."""
        try:
            # A bare context: Template.render would copy the environment's globals for each row.
            text = _joined(_compiled(self.source)(Context(_ENVIRONMENT, values, None, {})))
        except NullPrintedError as error:
            nulls = sorted(name for name in self.names if values[name] is None)
            raise NullPrintedError(f"a null is printed; null fields: {nulls}") from error
        except UndefinedError as error:
            raise RenderError(str(error)) from error
        except TypeError as error:
            # After the check, only a null beside `<` or `in` leads here.
            raise RenderError("a null cannot be compared") from error
        if _is_too_long(text):
            raise RenderError(TOO_LONG)
        return text


@lru_cache(maxsize=4096)
def program(source: str, own_fields: tuple[str, ...] = ()) -> Program:
    """Check a template text; CheckError names the line of what is not allowed.

    `own_fields` are the fields of own data that it may read.
    """
    tree = _parse(source)
    names = check(tree, own_fields)
    return Program(source=source, tree=tree, names=names)


def mistakes(source: str, own_fields: tuple[str, ...] = ()) -> list[CheckError]:
    """List all that `program` refuses in a text, unless one mistake hides others."""
    try:
        program(source, own_fields)  # which is remembered for the rendering
    except CheckError:
        pass
    else:
        return []
    try:
        return check_all(_parse(source), own_fields)
    except CheckError as error:
        return [error]


@lru_cache(maxsize=4096)
def _compiled(source: str) -> Callable[[Context], Iterator[str]]:
    """Compile a checked text to Python; most texts are rendered in columns and never need it."""
    return _ENVIRONMENT.from_string(_with_empty_loops(_parse(source))).root_render_func


def _parse(source: str) -> nodes.Template:
    if len(source.encode("utf-8", "surrogatepass")) > MAX_SOURCE_BYTES:
        raise CheckError(f"a template is at most {MAX_SOURCE_BYTES} bytes", 1, "costly-construct")
    try:
        return _ENVIRONMENT.parse(source)
    except TemplateSyntaxError as error:
        raise CheckError(str(error.message), error.lineno, "syntax") from error
    except RecursionError as error:
        raise CheckError("nested too deeply", 1, "costly-construct") from error
    except ValueError as error:
        raise CheckError(f"not a value ({error})", 1, "syntax") from error


def _with_empty_loops(tree: nodes.Template) -> nodes.Template:
    """Turn a loop over a null list into an empty loop."""
    for loop in tree.find_all(nodes.For):
        loop.iter = nodes.Filter(loop.iter, "_items", [], [], None, None, lineno=loop.lineno)
    return tree


def _joined(pieces: Iterable[str]) -> str:
    """Join the printed texts; beyond the cap nothing is kept, but nulls are still detected."""
    kept: list[str] = []
    length = 0
    for piece in pieces:
        length += len(piece)
        if length <= MAX_TEXT_BYTES:
            kept.append(piece)
        else:
            kept.clear()
    if length > MAX_TEXT_BYTES:
        raise RenderError(TOO_LONG)
    return "".join(kept)


def _is_too_long(text: str) -> bool:
    if len(text) * 4 <= MAX_TEXT_BYTES:
        return False
    return len(text.encode("utf-8", "surrogatepass")) > MAX_TEXT_BYTES


def _printable(value: object) -> object:
    if value is None:
        raise NullPrintedError
    if isinstance(value, Undefined):
        str(value)  # raises UndefinedError with its reason
    return value


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, restricted to data; items and attributes of a null are null."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if obj is None:
            return None
        if isinstance(obj, Mapping):
            return obj[attribute]
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if obj is None or argument is None:
            return None
        if 0 <= argument < len(obj):
            return obj[argument]
        return self.undefined(f"a list of {len(obj)} has no item {argument}")


def _environment() -> _Environment:
    environment = _Environment(
        undefined=StrictUndefined,
        finalize=_printable,
        keep_trailing_newline=True,
        autoescape=False,
        optimized=False,
    )
    environment.globals.clear()
    environment.filters = {**FILTERS, "_items": lambda items: items or ()}
    environment.tests = {"none": lambda value: value is None}
    return environment


_ENVIRONMENT = _environment()
