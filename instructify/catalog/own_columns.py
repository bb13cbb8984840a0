"""The columns of own data: the field of a record that each column gives.

A column is named as in the data. A text with `{...}` is composed from columns
(`COCO_{split}2014_{image_id:012}.jpg`), and choices or pictures may be in several columns.
"""

import json
import re
from typing import Literal

from instructify._util.field_names import check_field_names
from instructify._util.yaml_lines import Node

FIELDS = (
    "id",
    "picture",
    "question",
    "answer",
    "references",
    "choices",
    "choice_index",
    "context",
    "caption",
    "text",
    "ocr_tokens",
    "history",
)
Kind = Literal["table", "conversations", "coco", "vqa"]
# The columns that a kind brings itself, so that an entry need not name them.
_USUAL: dict[str, dict[str, str]] = {
    "table": {},
    "conversations": {},
    "coco": {"id": "id", "picture": "file_name", "references": "caption"},
    "vqa": {"id": "question_id", "picture": "image", "question": "question"},
}
# What a record of a form cannot do without, any one of each group. A question may be the constant
# `question:` instead, choices may be `classes:`.
NEEDED_FIELDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "caption": (("answer", "references"),),
    "caption_set": (("references",),),
    "open": (("question",), ("answer", "references")),
    "binary": (("question",), ("answer",)),
    "multiple_choice": (("question",), ("choices",), ("answer", "choice_index")),
    "question_generation": (("question",), ("answer",)),
    "dialog": (("question",), ("answer",)),
    "conversation": (("question",), ("answer",)),
}
TURNS = "turns"  # of conversations: the column that holds them
_PLACEHOLDER = re.compile(r"\{([^{}:]+)(:0?[0-9]{1,3})?\}")


def read_columns(
    node: Node, fields: dict[str, Node], kind: str, form: str, constant: set[str]
) -> dict[str, str]:
    """Read the column of each field; `constant` are the fields that need no column.

    Several columns of choices or pictures are a JSON list.
    """
    if kind == "conversations":
        return _conversation_columns(fields)
    if "columns" not in fields and kind == "table":
        raise node.error(
            f"key 'columns' is missing in '{node.path}'; map picture and answer at least"
        )
    mapped = fields["columns"].fields(optional=FIELDS) if "columns" in fields else {}
    columns = dict(_USUAL[kind])
    if kind == "vqa" and "answer" not in mapped and "references" not in mapped:
        columns["references"] = "answers"
    columns |= {field: _column(field, column) for field, column in mapped.items()}
    for group in (("picture",), *NEEDED_FIELDS[form]):
        if not any(field in columns or field in constant for field in group):
            other = "; or list them all under 'classes'" if "choices" in group else ""
            raise fields.get("columns", node).error(
                f"'{node.path}' maps no column to {' or '.join(group)}, which the form {form} needs"
                f"{other}"
            )
    return columns


def read_own_fields(node: Node) -> dict[str, str]:
    """Read the columns that templates may use as variables: a list of columns, or name: column.

    A dot in a column selects a key of an object. The names are returned sorted.
    """
    if node.is_mapping:
        named = {name: column.text() for name, column in node.entries().items()}
    else:
        named = {column: column for column in node.texts()}
    if not named:
        raise node.error("'fields' names no column; write fields: [COLUMN], or remove it")
    return {name: named[name] for name in check_field_names(node, tuple(named))}


def placeholders(column: str) -> tuple[tuple[str, str], ...]:
    """List the columns from which a text is composed, and the format of each."""
    return tuple((match[1], match[2] or "") for match in _PLACEHOLDER.finditer(column))


def fill(column: str, values: dict[str, str]) -> str:
    """Compose a text from the values of its columns."""
    return _PLACEHOLDER.sub(lambda match: values[match[1]], column)


def _conversation_columns(fields: dict[str, Node]) -> dict[str, str]:
    if "columns" not in fields:
        return {}
    mapped = fields["columns"].fields(optional=("id", "picture", "context", TURNS))
    return {field: column.text() for field, column in mapped.items()}


def _column(field: str, node: Node) -> str:
    if node.is_list and field in ("choices", "picture"):
        return json.dumps([column.text() for column in node.items()])
    return node.text()
