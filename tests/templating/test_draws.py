"""Draws are uniform over the fitting templates, and a record's draws differ."""

import numpy as np
import pyarrow as pa
import pytest

from instructify._util.keyed import hash_texts
from instructify.templating.draws import NO_TEMPLATE, choose_templates, draw_templates
from instructify.templating.load import Template

HASHES = hash_texts([f"okvqa/train/{number}" for number in range(12_000)])


def template(name: str, forms: tuple[str, ...] = ("open",), **more: tuple[str, ...]) -> Template:
    return Template(
        task="t",
        id=name,
        version=1,
        forms=forms,
        instruction="x",
        requires=more.get("requires", ()),
        excludes=more.get("excludes", ()),
    )


@pytest.mark.parametrize("draw", [0, 1, 11, 12, 30])
def test_every_template_is_equally_likely(draw: int) -> None:
    counts = np.bincount(draw_templates(HASHES, draw, 12, 0), minlength=12)
    assert np.abs(counts - 1000).max() < 150


def test_the_draws_of_a_record_use_different_templates() -> None:
    draws = np.stack([draw_templates(HASHES, draw, 12, 5) for draw in range(24)], axis=1)
    assert (np.sort(draws[:, :12], axis=1) == np.arange(12)).all()
    assert (np.sort(draws[:, 12:], axis=1) == np.arange(12)).all()
    assert 0.05 < np.mean(draws[:, 0] == draws[:, 12]) < 0.12


def test_a_draw_depends_on_record_seed_and_draw_alone() -> None:
    whole = draw_templates(HASHES, 2, 12, 7)
    assert (draw_templates(HASHES[100:200], 2, 12, 7) == whole[100:200]).all()
    assert whole[:8].tolist() == [1, 6, 0, 2, 11, 7, 11, 2]
    assert 0.05 < np.mean(whole == draw_templates(HASHES, 2, 12, 8)) < 0.12


def test_rows_draw_among_the_templates_that_fit_them() -> None:
    templates = [
        template("open"),
        template("choice", ("multiple_choice",)),
        template("with-tokens", requires=("ocr_tokens",)),
        template("without-context", ("open", "multiple_choice"), excludes=("context",)),
        template("with-index", ("multiple_choice",), requires=("choice_index",)),
    ]
    rows = [
        {"form": "open", "context": "c", "ocr_tokens": []},
        {"form": "open", "context": "", "ocr_tokens": None},
        {"form": "open", "context": None, "ocr_tokens": ["a"]},
        {"form": "multiple_choice", "context": "c", "choice_index": 0},
        {"form": "caption", "context": "c"},
    ]
    schema = pa.schema(
        [
            ("form", pa.dictionary(pa.int32(), pa.string())),
            ("context", pa.string()),
            ("ocr_tokens", pa.list_(pa.string())),
            ("choice_index", pa.int32()),
        ]
    )
    table = pa.Table.from_pylist(rows * 400, schema=schema)
    chosen = choose_templates(table, templates, HASHES[:2000], draw=0, seed=1).reshape(-1, 5)
    fitting = [{0}, {0, 3}, {0, 2, 3}, {1, 4}, {NO_TEMPLATE}]
    assert [set(column) for column in chosen.T.tolist()] == fitting
    again = choose_templates(table.to_batches()[0], templates, HASHES[:2000], draw=0, seed=1)
    assert (again.reshape(-1, 5) == chosen).all()


def test_an_empty_table_has_no_choices() -> None:
    table = pa.table({"form": pa.array([], pa.string())})
    assert len(choose_templates(table, [template("a")], HASHES[:0], draw=0, seed=0)) == 0
