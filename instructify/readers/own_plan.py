"""Read the options of own data: the columns, and the rows that belong to the split."""

import json
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from instructify._util.keyed import key_of
from instructify.catalog import CAPTIONS, FIELDS, TURNS, placeholders
from instructify.readers.base import ReadContext
from instructify.readers.table_cells import Fault, text_of

_EVALUATION = ("val", "dev", "test")


class Pattern(NamedTuple):
    """A text with places for columns."""

    text: str
    columns: tuple[tuple[str, str], ...]  # and the format of each


# A column, several for choices or pictures, or a pattern of several.
Column = str | tuple[str, ...] | Pattern


class SplitBy(NamedTuple):
    """How the split of each row in a file is determined."""

    column: str | None
    values: Mapping[str, str]  # value of the column => split
    shares: Mapping[str, float]  # split => percentage, drawn by the content of the picture
    usual: bool  # the values are the usual names in any case


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The options of an entry about its data."""

    dataset: str
    split: str
    form: str
    kind: str
    question: str | None
    classes: tuple[str, ...]
    separator: str
    key: str | None
    choice_base: int
    text_only: bool
    is_cached: bool
    split_by: SplitBy | None
    is_first_split: bool
    columns: Mapping[str, Column]  # field => column
    fields: Mapping[str, Column]  # name in templates => column

    @property
    def wanted(self) -> tuple[str, ...]:
        """The columns of the data that are read."""
        names: dict[str, None] = {}
        for column in (*self.columns.values(), *self.fields.values()):
            if isinstance(column, str):
                names[column] = None
            elif isinstance(column, Pattern):
                names |= dict.fromkeys(name for name, _ in column.columns if name != "split")
            else:
                names |= dict.fromkeys(column)
        if self.split_by is not None and self.split_by.column is not None:
            names[self.split_by.column] = None
        return tuple(names)

    def split_of(self, cells: Mapping[str, object]) -> str | Fault | None:
        """Return the split of a row by its column; None without such a column."""
        by = self.split_by
        if by is None or by.column is None:
            return None
        cell = cells.get(by.column)
        text = str(cell) if isinstance(cell, bool) else text_of(cell)
        if isinstance(text, Fault):
            return text
        text = text or ""
        split = by.values.get(text.lower() if by.usual else text)
        if split is None and text.lower() in ("true", "false"):
            split = by.values.get(text.lower(), by.values.get(text.capitalize()))
        if split is None and not text:
            how = f"fill it, or say under 'values' which split it is: {{{self.split}: ['', ...]}}"
            return Fault("bad-value", f"the cell that names the split is empty; {how}")
        if split is None:
            known = ", ".join(dict.fromkeys(by.values))
            detail = f"'{text[:40]}' is no split; known are {known}; write them under 'values'"
            return Fault("bad-value", detail)
        return split

    def shared_split(self, content: str) -> str:
        """Return the split that the shares assign to rows of this content."""
        assert self.split_by is not None
        place = 100 * key_of(f"split {content}", 0) / (1 << 64)
        for split, percent in self.split_by.shares.items():
            if place < percent:
                return split
            place -= percent
        return "train"


def make_plan(context: ReadContext) -> Plan:
    """Read the options of a split."""
    options = {name: str(value) for name, value in context.options.items()}
    form = options["form"]
    if form == CAPTIONS:
        form = "caption_set" if is_evaluation(context.split) else "caption"
    columns = {field: options[f"column_{field}"] for field in (*FIELDS, TURNS)}
    by = _split_by(options["split_by"])
    first = True
    if by is not None:
        splits = list(by.values.values()) or ["train"]
        first = context.split == splits[0]
    return Plan(
        dataset=context.dataset,
        split=context.split,
        form=form,
        kind=options["kind"],
        question=options["question"] or None,
        classes=tuple(json.loads(options["classes"])) if options["classes"] else (),
        separator=options["separator"],
        key=options["key"] or None,
        choice_base=int(options["choice_base"]),
        text_only=options["text_only"].lower() == "true" or options["kind"] == "conversations",
        is_cached=bool(options["cache"]),
        split_by=by,
        is_first_split=first,
        columns={field: _column(column) for field, column in columns.items() if column},
        fields={name: _column(column) for name, column in _fields(options["fields"]).items()},
    )


def is_evaluation(split: str) -> bool:
    """Whether a split is for evaluation, by its name."""
    return split.removeprefix("mini").startswith(_EVALUATION)


def raw_name(name: str, several: bool) -> str:
    """Return the part of a raw id before the row number: the file, if a split has several."""
    return f"{posixpath.normpath(name)}/" if several else ""


def _split_by(text: str) -> SplitBy | None:
    if not text:
        return None
    options = json.loads(text)
    values = {
        value: split for split, values in options.get("values", {}).items() for value in values
    }
    return SplitBy(
        options.get("column"), values, options.get("shares", {}), options.get("usual", False)
    )


def _fields(text: str) -> dict[str, str]:
    return json.loads(text) if text else {}


def _column(column: str) -> Column:
    if column.startswith('["'):
        return tuple(json.loads(column))
    parts = placeholders(column)
    return Pattern(column, parts) if parts else column
