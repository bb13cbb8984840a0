"""`diff`: what changed from one build to another, as text or as JSON."""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from instructify._util.terminal import WIDTH, visible
from instructify._util.wording import counted
from instructify.build import Build
from instructify.comparing import (
    BuildDifference,
    PictureDifference,
    RejectDifference,
    RowChange,
    SplitDifference,
    TableDifference,
    TemplateDifference,
    compare_builds,
    difference_value,
)

_MOST_FIELDS = 4
_MOST_TEMPLATES = 8
_HASH = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")


def run_diff(before: Path, after: Path, examples: int, *, as_json: bool) -> int:
    """Print what changed; returns 0 if the two builds have the same content, else 1."""
    difference = compare_builds(Build.open(before), Build.open(after), examples)
    if as_json:
        print(json.dumps(difference_value(difference), indent=1, ensure_ascii=False))
    else:
        print("\n".join(_lines(difference)))
    return 0 if difference.is_equal else 1


def _lines(difference: BuildDifference) -> Iterator[str]:
    yield from _facts("", difference.versions)
    for sign, names in (("-", difference.removed), ("+", difference.added)):
        for name in names:
            yield f"{sign} {name}"
    for name, changes in difference.datasets.items():
        yield from _facts(f"{name}: ", changes)
    for split in difference.splits:
        yield from _split(split)
    for name, rejects in difference.rejects.items():
        yield from _rejects(name, rejects)
    if difference.pictures is not None:
        yield from _pictures(difference.pictures)
    equal = counted(difference.equal_splits, "split is", "splits are") + " the same"
    yield f"the same: {equal}" if difference.is_equal else f"different; {equal}"


def _facts(prefix: str, changes: Mapping[str, tuple[Any, Any]]) -> Iterator[str]:
    for name, (before, after) in changes.items():
        yield from _wrapped(f"{prefix}{name}: {_shown(before)} -> {_shown(after)}", "")


def _split(split: SplitDifference) -> Iterator[str]:
    yield split.name
    for role, (before, after) in split.sources.items():
        yield from _wrapped(f"raw file '{role}': {before or 'none'} -> {after or 'none'}", "  ")
    for name, (before, after) in split.facts.items():
        yield from _wrapped(f"{name}: {_shown(before)} -> {_shown(after)}", "  ")
    yield from _table("records", split.records)
    yield from _table("samples", split.samples)
    if split.templates is not None:
        yield from _templates(split.templates)


def _table(what: str, table: TableDifference) -> Iterator[str]:
    if table.is_equal:
        return
    counts = (("added", table.added), ("removed", table.removed), ("changed", table.changed))
    changes = ", ".join(f"{count:,} {name}" for name, count in counts if count)
    same = table.compared - table.changed + table.skipped
    yield f"  {what}: {changes}, {same:,} the same"
    if table.fields:
        fields = ", ".join(f"{name} {count:,}" for name, count in table.fields.items())
        yield from _wrapped(f"fields: {fields}", "    ")
    for sign, ids in (("-", table.removed_examples), ("+", table.added_examples)):
        for row_id in ids:
            yield from _wrapped(f"{sign} {row_id}", "    ")
    for change in table.examples:
        yield from _change(change)


def _change(change: RowChange) -> Iterator[str]:
    yield from _wrapped(f"~ {change.id}", "    ")
    for name, (before, after) in list(change.fields.items())[:_MOST_FIELDS]:
        yield from _wrapped(f"{name}: {_shown(before)} -> {_shown(after)}", "      ")
    if len(change.fields) > _MOST_FIELDS:
        yield f"      and {counted(len(change.fields) - _MOST_FIELDS, 'more field')}"


def _templates(templates: TemplateDifference) -> Iterator[str]:
    for what, counts in (
        ("new", templates.added),
        ("gone", templates.removed),
        ("rewritten", templates.rewritten),
    ):
        for key, count in list(counts.items())[:_MOST_TEMPLATES]:
            yield from _wrapped(f"template {key}: {what}, {counted(count, 'sample')}", "  ")
        if len(counts) > _MOST_TEMPLATES:
            yield f"  and {counted(len(counts) - _MOST_TEMPLATES, 'more template')} {what}"
    if templates.counts:
        yield f"  {counted(len(templates.counts), 'template')} drawn more or less often:"
        for key, (before, after) in list(templates.counts.items())[:_MOST_FIELDS]:
            yield from _wrapped(f"{key}: {before:,} -> {after:,}", "    ")
        if len(templates.counts) > _MOST_FIELDS:
            yield "    and others; --json has all"


def _rejects(name: str, rejects: RejectDifference) -> Iterator[str]:
    yield f"rejects of {name}: {rejects.added:,} added, {rejects.removed:,} removed"
    for reason, (before, after) in rejects.reasons.items():
        yield f"  {reason}: {before or 0:,} -> {after or 0:,}"
    for sign, lines in (("-", rejects.removed_examples), ("+", rejects.added_examples)):
        for line in lines:
            yield from _wrapped(f"{sign} {line}", "    ")


def _pictures(pictures: PictureDifference) -> Iterator[str]:
    yield from _facts("pictures: ", pictures.facts)
    for what, table in (("pictures", pictures.contents), ("pictures lacking", pictures.problems)):
        if not table.is_equal:
            yield from (line.removeprefix("  ") for line in _table(what, table))
    if pictures.moved:
        yield "pictures: the same ones, stored in other places (no difference)"


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    text = _HASH.sub(r"\1...", json.dumps(value, ensure_ascii=False))
    return text if len(text) <= 2 * WIDTH else f"{text[: 2 * WIDTH]}..."


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        visible(text),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_on_hyphens=False,
    )
