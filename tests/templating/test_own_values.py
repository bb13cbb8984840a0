"""Fields of own data in templates: named at the top of a file, read by rows and columns alike."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from instructify._util.errors import UserError
from instructify._util.field_names import RESERVED
from instructify.columns import render_table
from instructify.schema import RECORD_SCHEMA, SAMPLE_SCHEMA
from instructify.templating import (
    FIELDS,
    RenderFailedError,
    Template,
    load_templates,
    misfit,
    own_column,
    render_row,
)
from instructify.templating.condition_columns import ColumnConditions
from instructify.templating.conditions import condition_of
from instructify.templating.language import CONSTANTS

FILE = """
format: 1
task: image_qa
fields: {fields}
templates:
{templates}
"""
WORDS = (
    "  - {id: a, version: 1, forms: [open], instruction: 'In {{ country }}: {{ question }}'}\n",
    "  - {id: b, version: 1, forms: [open], requires: [year], instruction: '{{ year }} x'}\n",
    "  - {id: c, version: 1, forms: [open], excludes: [year], instruction: "
    "'{% if country %}{{ country | upper }}. {% endif %}{{ question }}'}\n",
)
ROWS: list[dict[str, Any]] = [
    {"fields": [{"name": "country", "value": "Peru"}, {"name": "year", "value": "1999"}]},
    {"fields": [{"name": "country", "value": "{{ answer }} \u00e9"}]},
    {"fields": [{"name": "year", "value": "7"}]},
    {"fields": []},
    {"fields": None},
]


def written(fields: str, *templates: str) -> str:
    return FILE.format(fields=fields, templates="".join(templates or WORDS))


def table() -> pa.Table:
    rows = [{"form": "open", "question": "What?", "answer": "red", **row} for row in ROWS]
    schema = pa.schema([("form", pa.string()), *map(RECORD_SCHEMA.field, ("question", "answer"))])
    return pa.Table.from_pylist(rows, schema.append(RECORD_SCHEMA.field("fields")))


def load_text(folder: Path, content: str) -> tuple[Template, ...]:
    (folder / "image_qa.yaml").write_text(content, encoding="utf-8")
    return load_templates(folder).templates


def by_row(template: Template, row: dict[str, Any]) -> tuple[str | None, list[str]]:
    """Render by Jinja: the text, or why there is none."""
    try:
        return render_row(template, row).instruction, []
    except RenderFailedError as error:
        return None, [error.detail]


def test_every_name_that_has_a_meaning_is_reserved() -> None:
    taken = {*RECORD_SCHEMA.names, *SAMPLE_SCHEMA.names, *FIELDS, *CONSTANTS, "pictures"}
    assert taken <= RESERVED


@pytest.mark.parametrize("pieces", [1, 3])
def test_rows_and_columns_give_the_same_texts_and_failures(tmp_path: Path, pieces: int) -> None:
    templates = load_text(tmp_path, written("[country, year]"))
    assert [one.fields for one in templates] == [("country",), ("year",), ("country", "year")]
    whole = table()
    parts = [whole.slice(at, 2) for at in range(0, len(whole), 2)] if pieces > 1 else [whole]
    cut = pa.concat_tables(parts)
    for number, template in enumerate(templates):
        which = np.full(len(cut), number)
        rendered = render_table(cut, templates, which)
        fits = ColumnConditions(cut).fulfilled(condition_of(template)).tolist()
        for at, row in enumerate(cut.to_pylist()):
            assert (misfit(template, row) is None) == fits[at]
            text = rendered.instruction[at].as_py()
            failed = [one.detail for one in rendered.failed if one.row == at]
            assert (text, failed) == by_row(template, row)
    first = render_row(templates[0], cut.slice(1, 1).to_pylist()[0])
    assert first.instruction == "In {{ answer }} \u00e9: What?"  # a value, never template source


def test_a_slice_of_a_table_gives_its_own_rows() -> None:
    assert own_column(table().slice(1, 2), "country").to_pylist() == ["{{ answer }} \u00e9", None]
    assert own_column(table(), "other").to_pylist() == [None] * len(ROWS)
    assert own_column(table().drop_columns(["fields"]), "year").to_pylist() == [None] * len(ROWS)


def test_the_hash_of_a_template_is_its_own_affair(tmp_path: Path) -> None:
    alone = load_text(tmp_path, written("[country]", WORDS[0]))[0]
    beside = load_text(tmp_path, written("[country, year]", *WORDS))[0]
    assert alone.sha256 == beside.sha256


@pytest.mark.parametrize(
    ("fields", "templates", "message"),
    [
        (
            "[contry, year]",
            WORDS,
            r"unknown field 'country' \(columns of .* file\); did you mean 'contry'",
        ),
        ("[country]", WORDS[1:2], "'year' is no value of 'templates.0..requires'"),
        ("[country, year, more]", WORDS, "no template of this file reads the field 'more'"),
        ("[country, question]", WORDS[:1], "'question' has a meaning in templates already"),
        ("[country, Year]", WORDS[:1], "'Year' cannot be a variable of a template"),
        ("[country, country]", WORDS[:1], "'country' is listed twice in 'fields'"),
        (
            "[item]",
            (
                "  - {id: a, version: 1, forms: [open], instruction: "
                "'{% for item in choices %}{{ item }}{% endfor %}'}\n",
            ),
            "the loop variable 'item' hides a field",
        ),
    ],
)
def test_a_mistake_names_the_file_and_what_is_allowed(
    tmp_path: Path, fields: str, templates: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        load_text(tmp_path, written(fields, *templates))
    assert "image_qa.yaml, line " in str(caught.value)
