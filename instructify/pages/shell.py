"""The shell of a page: templates with autoescape, a head, one style and one script.

The policy in the head allows this style and script by their hashes, pictures in `data:` addresses,
and nothing else. Values for scripts are in `application/json` blocks, in which `<`, `>` and `&` are
escaped so that they hold no markup.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2

from instructify import __version__
from instructify.pages.links import Identity, Link

_STYLES = ("palette.css", "shell.css", "parts.css", "charts.css", "results.css")
_NO_MARKUP = str.maketrans(
    {
        "<": "\\u003c",
        ">": "\\u003e",
        "&": "\\u0026",
        "\u2028": "\\u2028",
        "\u2029": "\\u2029",
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """The head of a page; `date` is the date of the shown data, not of the page."""

    identity: Identity
    date: str | None = None
    about: str = ""  # text after the name, such as the build of a plan
    links: Sequence[Link] = ()


def render_page(
    template: str,
    head: Head,
    values: Mapping[str, Any],
    *,
    styles: Sequence[str] = (),
    scripts: Sequence[str] = (),
    blocks: Iterable[tuple[str, object]] = (),
) -> bytes:
    """Return a page.

    Args:
        template: name of a file in `templates/` that extends `shell.html`.
        head: kind, name, date and links.
        values: what the template shows; every text is escaped.
        styles: texts of stylesheets after those of all pages.
        scripts: texts of scripts, joined into one.
        blocks: names and values of JSON blocks that the scripts read.

    Returns:
        The bytes of the file in UTF-8; characters that UTF-8 can't encode become backslash escapes.
    """
    style = "\n".join((*map(_shared_style, _STYLES), *styles))
    script = _enclosed(scripts) if scripts else ""
    page = (
        _environment()
        .get_template(template)
        .render(
            **values,
            head=head,
            version=__version__,
            identity=json_text(head.identity.value()),
            policy=_policy(style, script),
            style=style,
            script=script,
            blocks=[(name, json_text(value)) for name, value in blocks],
        )
    )
    return page.encode("utf-8", "backslashreplace")


def json_text(value: object) -> str:
    """Return JSON without markup, which is safe anywhere in a page."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_NO_MARKUP)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "count": lambda number: f"{number:,}",
        "fixed": lambda number, digits: f"{number:,.{digits}f}",
        "percent": lambda part, digits=1: f"{100 * part:.{digits}f}",
    }
    return environment


def _template(name: str) -> str:
    return (files("instructify.pages") / "templates" / name).read_text("utf-8")


def page_script(name: str) -> str:
    """Read a script by its name in `scripts/`."""
    return (files("instructify.pages") / "scripts" / name).read_text("utf-8")


@cache
def _shared_style(name: str) -> str:
    return (files("instructify.pages") / "styles" / name).read_text("utf-8")


def _enclosed(scripts: Sequence[str]) -> str:
    inside = "\n".join(scripts)
    return f'(() => {{\n"use strict";\n{inside}\n}})();\n'


def _policy(style: str, script: str) -> str:
    parts = ["default-src 'none'", "img-src data:", f"style-src {_allowed(style)}"]
    if script:
        parts.append(f"script-src {_allowed(script)}")
    return "; ".join((*parts, "base-uri 'none'", "form-action 'none'"))


def _allowed(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
