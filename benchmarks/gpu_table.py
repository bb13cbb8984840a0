"""The GPU report as Markdown: a table for each part that was run."""

from collections.abc import Iterator, Mapping
from typing import Any


def report_text(report: Mapping[str, Any]) -> str:
    """Write the report for reading."""
    at = report["machine"]
    lines = [
        f"**{at['device']}**, torch {at['torch']}, transformers {at['transformers']}, Python "
        f"{at['python']}, {at['cores']} cores, {at['date']}"
        + (" (dry: tiny models on a CPU, no figure means anything)" if at["dry"] else ""),
        "",
    ]
    for name, found in report["parts"].items():
        lines += [f"{name} ({found['seconds']} s)", "", *_table(found), ""]
    for name, error in report["failed"].items():
        lines += [f"{name} failed: {error.strip().splitlines()[-1]}", ""]
    return "\n".join(lines)


def _table(found: Mapping[str, Any]) -> Iterator[str]:
    rows = {name: value for name, value in found.items() if name != "seconds"}
    nested = {name: value for name, value in rows.items() if isinstance(value, Mapping)}
    if nested and len(nested) == len(rows):
        columns = list(dict.fromkeys(key for value in nested.values() for key in value))
        yield f"| | {' | '.join(columns)} |"
        yield "|---|" + "---:|" * len(columns)
        for name, value in nested.items():
            yield f"| {name} | {' | '.join(_shown(value.get(key)) for key in columns)} |"
        return
    yield "| | |"
    yield "|---|---:|"
    for name, value in rows.items():
        shown = _shown(value)
        if isinstance(value, Mapping):
            shown = ", ".join(f"{part} {_shown(share)}" for part, share in value.items())
        yield f"| {name.replace('_', ' ')} | {shown} |"


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "-" if value is None else str(value)
