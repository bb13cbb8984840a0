"""The page of a build as one file: values in JSON blocks, styles and scripts of `assets/`.

Scripts put the values into the page as text, one block at a time, when they are needed.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

from instructify.pages import Head, render_page

BLOCK = 64  # values that are read together, when the first of them is needed
_STYLES = ("base.css", "samples.css", "plots.css")
_SCRIPTS = (
    *("text.js", "data.js", "state.js", "filters.js", "list.js", "gallery.js", "xray.js"),
    *("detail.js", "rejects.js", "plots.js", "marks.js", "keys.js", "main.js"),
)


def document(head: Head, facts: Mapping[str, Any], rows: Mapping[str, Sequence[Any]]) -> bytes:
    """Return the page of a build; its scripts read `facts` first, `rows` in blocks when needed."""
    return render_page(
        "inspect.html",
        head,
        {},
        styles=[_asset(name) for name in _STYLES],
        scripts=[_asset(name) for name in _SCRIPTS],
        blocks=_blocks(facts, rows),
    )


def _blocks(
    facts: Mapping[str, Any], rows: Mapping[str, Sequence[Any]]
) -> Iterator[tuple[str, object]]:
    yield "facts", {**facts, "block": BLOCK}
    for kind, values in rows.items():
        for start in range(0, len(values), BLOCK):
            yield f"{kind}-{start // BLOCK}", values[start : start + BLOCK]


def _asset(name: str) -> str:
    return (files("instructify.inspecting") / "assets" / name).read_text("utf-8")
