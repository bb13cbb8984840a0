"""Render one record by Jinja: the reference for what a template means.

`instructify.columns` renders whole columns to the same bytes.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from instructify.templating.filters import RenderError
from instructify.templating.jinja_program import NullPrintedError, Program
from instructify.templating.model import PARTS, Part, Template
from instructify.templating.own_values import value_of

_NO_CONSTANTS: Mapping[str, str] = MappingProxyType({})


class Rendered(NamedTuple):
    """The texts of a sample; without a response it is for inference only."""

    instruction: str
    response: str | None
    qformer_instruction: str | None


class RenderFailedError(Exception):
    """A template can't render a record; `reason` is a code of `instructify.rejects`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def render_row(
    template: Template, row: Mapping[str, Any], constants: Mapping[str, str] = _NO_CONSTANTS
) -> Rendered:
    """Render one record by Jinja, or raise RenderFailedError; a field that `row` lacks is null."""
    texts: dict[Part, str | None] = {}
    for part in PARTS:
        compiled = template.program(part)
        if compiled is None:
            texts[part] = None
            continue
        values = {name: row.get(name, constants.get(name)) for name in compiled.names}
        for name in compiled.names.intersection(template.fields):
            values[name] = value_of(row, name)
        texts[part] = _render_part(template, part, compiled, values)
    instruction = texts["instruction"]
    return Rendered(instruction or "", texts["response"], texts["qformer_instruction"])


def _render_part(
    template: Template, part: Part, compiled: Program, values: dict[str, Any]
) -> str | None:
    try:
        text = compiled.render(values)
    except NullPrintedError as error:
        if part == "response":
            return None
        raise RenderFailedError(
            "render-failed", failure_detail(template, part, str(error))
        ) from error
    except RenderError as error:
        raise RenderFailedError(
            "render-failed", failure_detail(template, part, str(error))
        ) from error
    if not text.strip() and refuses_empty(template, part):
        raise RenderFailedError("empty-render", failure_detail(template, part, "nothing is left"))
    return text


def failure_detail(template: Template, part: Part, what: str) -> str:
    """Return which text of which template failed, and why.

    It has the template's key instead of file and line, so that the table of rejects is the same
    wherever the templates are.
    """
    return f"template {template.key}, {part}: {what}"


def refuses_empty(template: Template, part: Part) -> bool:
    """Return whether a text of white space alone is a failure."""
    return part == "response" or not template.allow_empty
