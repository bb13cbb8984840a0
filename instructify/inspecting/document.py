"""One HTML file out of values, styles and scripts: no request, no server, data never markup.

Values lie in `application/json` blocks in which no character can end or open markup, and scripts
put them into the page as text. The policy in the head allows our own style and script by their
hashes, pictures out of `data:` addresses, and nothing else.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

BLOCK = 64  # values that are read together, when the first of them is needed
_STYLES = ("base.css", "samples.css", "plots.css")
_SCRIPTS = (
    *("text.js", "data.js", "state.js", "filters.js", "list.js", "xray.js", "detail.js"),
    *("rejects.js", "plots.js", "marks.js", "keys.js", "main.js"),
)
_MARKUP = str.maketrans(
    {
        "<": "\\u003c",
        ">": "\\u003e",
        "&": "\\u0026",
        "\u2028": "\\u2028",
        "\u2029": "\\u2029",
    }
)


def document(name: str, facts: Mapping[str, Any], rows: Mapping[str, Sequence[Any]]) -> bytes:
    """Write the page of a build: `facts` are read at once, `rows` in blocks as they are needed."""
    style = "\n".join(_asset(name) for name in _STYLES)
    inside = "\n".join(_asset(name) for name in _SCRIPTS)
    script = f'(() => {{\n"use strict";\n{inside}\n}})();\n'
    policy = (
        f"default-src 'none'; img-src data:; style-src {_allowed(style)}; "
        f"script-src {_allowed(script)}; base-uri 'none'; form-action 'none'"
    )
    blocks = [_block("facts", {**facts, "block": BLOCK})]
    for kind, values in rows.items():
        for start in range(0, len(values), BLOCK):
            blocks.append(_block(f"{kind}-{start // BLOCK}", values[start : start + BLOCK]))
    parts = {
        "name": escape(name),
        "policy": policy,
        "style": style,
        "blocks": "\n".join(blocks),
        "script": script,
    }
    pieces = _asset("page.html").split("@@")  # text and names in turn
    told = [parts[piece] if at % 2 else piece for at, piece in enumerate(pieces)]
    return "".join(told).encode("utf-8", "backslashreplace")


def json_text(value: object) -> str:
    """Write JSON that holds no markup, wherever it stands in a page."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_MARKUP)


def _block(name: str, value: object) -> str:
    return f'<script type="application/json" id="{name}">{json_text(value)}</script>'


def _allowed(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _asset(name: str) -> str:
    return (files("instructify.inspecting") / "assets" / name).read_text("utf-8")
