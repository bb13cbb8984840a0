"""Draws are uniform over the fitting templates, and a record's draws differ."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructify._util.keyed import hash_texts
from instructify.templating.conditions import misfit
from instructify.templating.draws import NO_TEMPLATE, NONE_LEFT, choose_templates, draw_templates
from instructify.templating.model import Template

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
    chosen = choose_templates(table, templates, HASHES[:2000], draws=1, seed=1).reshape(-1, 5)
    fitting = [{0}, {0, 3}, {0, 2, 3}, {1, 4}, {NO_TEMPLATE}]
    assert [set(column) for column in chosen.T.tolist()] == fitting
    again = choose_templates(table.to_batches()[0], templates, HASHES[:2000], draws=1, seed=1)[:, 0]
    assert (again.reshape(-1, 5) == chosen).all()


BEGINNINGS = [
    *(None, "", "is", "Is it red?", "IS\nit", "island", "is\u00e9", "is.", " is it", "\u0130s it"),
    *("how many", "How many dogs?", "how manyfold", "how", "Is2", "is-it", "\u017ft is"),
]


def test_a_record_draws_each_template_that_fits_it_once() -> None:
    templates = [template("a"), template("b"), template("c", requires=("context",))]
    rows = [{"form": "open", "context": context} for context in ("c", None)] * 50
    schema = pa.schema([("form", pa.string()), ("context", pa.string())])
    table = pa.Table.from_pylist([*rows, {"form": "caption"}], schema=schema)
    drawn = choose_templates(table, templates, HASHES[:101], draws=4, seed=3)
    assert (np.sort(drawn[0:100:2], axis=1) == [NONE_LEFT, 0, 1, 2]).all()
    assert (np.sort(drawn[1:100:2], axis=1) == [NONE_LEFT, NONE_LEFT, 0, 1]).all()
    assert drawn[100].tolist() == [NO_TEMPLATE] * 4


def test_first_words_are_judged_alike_in_rows_and_columns() -> None:
    yes_no = (("question", ("is", "how many")),)
    asks = replace(template("asks"), begins=yes_no)
    other = replace(template("other"), unless_begins=yes_no)
    rows = [{"form": "open", "question": question} for question in BEGINNINGS]
    table = pa.Table.from_pylist(
        rows, pa.schema([("form", pa.string()), ("question", pa.string())])
    )
    chosen = choose_templates(table, [asks, other], HASHES[: len(rows)], draws=1, seed=0)[:, 0]
    begin = {"is", "Is it red?", "IS\nit", "is\u00e9", "is."}
    begin |= {"is-it", "how many", "How many dogs?"}
    assert {row["question"] for row, one in zip(rows, chosen, strict=True) if one == 0} == begin
    for row, one in zip(rows, chosen, strict=True):
        assert (misfit(asks, row) is None) == (one == 0)
        assert (misfit(other, row) is None) == (one == 1)


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(max_size=9)), min_size=1, max_size=9))
def test_any_text_is_judged_alike(texts: list[str | None]) -> None:
    asked = replace(template("asks"), begins=(("question", ("is", "how many", "a")),))
    table = pa.table({"form": ["open"] * len(texts), "question": pa.array(texts, pa.string())})
    chosen = choose_templates(table, [asked], HASHES[: len(texts)], draws=1, seed=0)[:, 0]
    in_rows = [misfit(asked, {"form": "open", "question": text}) is None for text in texts]
    assert (chosen == 0).tolist() == in_rows


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(" \t\n\u00a0\u2003ab.", max_size=9)), min_size=1))
def test_words_are_counted_alike_in_rows_and_columns(texts: list[str | None]) -> None:
    short = replace(template("short"), at_most_words=(("answer", 2),))
    table = pa.table({"form": ["open"] * len(texts), "answer": pa.array(texts, pa.string())})
    chosen = choose_templates(table, [short], HASHES[: len(texts)], draws=1, seed=0)[:, 0]
    in_rows = [misfit(short, {"form": "open", "answer": text}) is None for text in texts]
    assert (chosen == 0).tolist() == in_rows


def test_a_limit_of_words_keeps_long_answers_from_a_template() -> None:
    short = replace(template("short"), at_most_words=(("answer", 3),))
    fits = {"one": True, "three  short\nwords": True, "more than three words": False, "": True}
    for answer, is_short in fits.items():
        row = {"form": "open", "answer": answer}
        assert misfit(short, row) == (
            None if is_short else "not with an answer of more than 3 words"
        )
    assert misfit(short, {"form": "open", "answer": None}) is None


def test_slices_and_nulls_over_bytes_are_judged_by_their_own_texts() -> None:
    """A slice starts amid the bytes of its column, and a null may lie over bytes."""
    short = replace(template("short"), at_most_words=(("answer", 1),))
    asks = replace(template("asks"), begins=(("answer", ("is",)),))
    texts = pa.array(["is it", "a b", "is", "one two"], pa.string())
    valid = pa.array([True, True, False, True]).buffers()[1]
    over_bytes = pa.StringArray.from_buffers(4, *texts.buffers()[1:], valid)
    for column in (texts.slice(1), over_bytes, over_bytes.slice(2), over_bytes.slice(4)):
        table = pa.table({"form": ["open"] * len(column), "answer": column})
        for one in (short, asks):
            chosen = choose_templates(table, [one], HASHES[: len(column)], draws=1, seed=0)[:, 0]
            in_rows = [misfit(one, row) is None for row in table.to_pylist()]
            assert (chosen == 0).tolist() == in_rows


def test_an_empty_table_has_no_choices() -> None:
    table = pa.table({"form": pa.array([], pa.string())})
    assert len(choose_templates(table, [template("a")], HASHES[:0], draws=1, seed=0)) == 0
