"""The table of results: every departure stands at its cell, and only there."""

from pathlib import Path
from typing import Any

import pytest
from result_help import result

from instructify._util.errors import UserError
from instructify.results.checked import checked_results
from instructify.results.page import Evaluated, results_page
from instructify.results.table import MARKS, Table, make_table, remarks_on
from instructify.results.text import markdown_lines, text_lines


def ours(table: Table) -> dict[str, str]:
    """Give the marks of our row by column."""
    (row,) = [row for row in table.rows if row.is_ours]
    return {column: cell.marks for column, cell in row.cells.items()}


def test_marks_stand_at_the_cells_that_depart() -> None:
    table = make_table(
        {
            "run": [
                result("gqa"),
                result("nocaps", "decode.beams=1"),
                result("textvqa", "fields.ocr_tokens=0", "decode.beams=1"),
                result("vizwiz"),
                result("hateful_memes"),
            ]
        }
    )
    assert ours(table) == {
        "gqa": "", "nocaps": "d", "textvqa": "ptd", "vizwiz": "s", "hateful_memes": "p",
    }  # fmt: skip
    told = remarks_on(table)
    assert "  d nocaps, textvqa: beams 1 (LAVIS: 5)" in told
    assert "  s vizwiz: split val (the paper: test-dev)" in told
    assert not any("gqa" in one for one in told)


def test_nothing_is_said_where_all_agrees() -> None:
    table = make_table({"run": [result("gqa"), result("iconqa", "decode.mode=sum+eos")]})
    assert remarks_on(table) == []
    lines = list(text_lines(table))
    assert not any(set(line.split()) & set(MARKS.values()) for line in lines)


def test_the_published_protocol_takes_the_cell_of_its_dataset() -> None:
    words = "instruction=Dialog history: {% for one in history %}{{ one.question }} "
    words += "{{ one.answer }} {% endfor %}Question: {{ question }} Short answer:"
    both = [result("visdial", value=0.4), result("visdial.paper", words, value=0.6)]
    for results in (both, both[::-1]):
        table = make_table({"run": results})
        assert ours(table) == {"visdial": ""}
        assert table.rows[-1].cells["visdial"].value == 60
        assert [one["name"] for one in table.others] == ["visdial"]


def test_marks_fit_eighty_columns_and_stand_in_every_form() -> None:
    results = [
        result(name, value=1.234 if name == "nocaps" else 0.5, model="llama", complete=False)
        for name in ("nocaps", "vsr", "iconqa", "visdial", "hateful_memes", "scienceqa")
    ]
    table = make_table({"a run": results})
    lines = list(text_lines(table))
    assert all(len(line) <= 80 for line in lines)
    at = lines.index("a run")
    assert lines[at + 2].split() == ["pd", "d", "pd", "pd", "d"]
    assert lines[at + 2].index("pd") + 2 == lines[at + 1].index("50.0*") + 5
    assert "| 50.0\\* (pd) |" in "\n".join(markdown_lines(table))


def page_of(results: list[dict[str, Any]], folder: Path) -> str:
    table = make_table({"run": results})
    runs = {"run": Evaluated(results, [[] for _ in results])}
    return results_page(table, runs, folder / "page.html").decode()


def test_what_departs_stands_apart_and_the_rest_beside_the_published(tmp_path: Path) -> None:
    results = [
        result("gqa", value=0.5),
        result("nocaps", "decode.beams=1", value=1.2),
        result("vsr", value=0.6, complete=False),
    ]
    results[2]["of_total"] = 40
    page = page_of(results, tmp_path)
    assert "10 of 40 questions" in page
    assert page.count(": not comparable") == 2
    assert "beams 1 (LAVIS: 5)" in page
    ours = page[page.index('<tr class="ours">') :]
    ours = ours[: ours.index("</tr>")]
    assert ours.count("<small") == 8  # a difference from each published row that has GQA
    assert "+0.8" in ours  # 50.0 and the 49.2 of InstructBLIP Vicuna-7B
    assert 'class="best"' in ours
    assert "120.0" not in ours
    assert "60.0" not in ours


def test_a_run_without_a_comparable_figure_is_not_in_the_table(tmp_path: Path) -> None:
    page = page_of([result("gqa", complete=False)], tmp_path)
    assert "10 questions, which are not the whole official split: not comparable" in page
    assert '<tr class="ours">' not in page
    assert '<input type="radio" name="reference"' not in page
    assert "<script" not in page


def test_a_prompt_of_a_stranger_stays_text_in_the_page(tmp_path: Path) -> None:
    hostile = result("gqa", 'instruction=<b>"{{ question }}</b>')
    page = page_of([hostile], tmp_path)
    assert "&lt;b&gt;&#34;" in page
    assert '<b>"' not in page


def tuned(one: dict[str, Any], on: object) -> dict[str, Any]:
    """Let the model of a result be fine-tuned."""
    return {**one, "model": {**one["model"], "fine_tuned_on": on}}


@pytest.mark.parametrize("on", [["scienceqa"], "scienceqa", ["gqa_like", "scienceqa"]])
def test_a_fine_tuned_model_is_marked_in_the_column_of_its_dataset(
    on: object, tmp_path: Path
) -> None:
    results = [tuned(result(name), on) for name in ("scienceqa", "gqa", "iconqa", "okvqa")]
    table = make_table({"run": results, "zero-shot": [result("scienceqa")]})
    ours = {row.name: row.cells for row in table.rows if row.is_ours}
    marks = {name: {at: cell.marks for at, cell in cells.items()} for name, cells in ours.items()}
    assert marks == {
        "run": {"scienceqa": "n", "gqa": "", "iconqa": ""},
        "zero-shot": {"scienceqa": ""},
    }
    assert [one for one in remarks_on(table) if "fine-tuned" in one] == [
        "run: n fine-tuned on scienceqa, so not zero-shot: it compares with the paper's table 3, "
        "not with the rows above."
    ]
    page = page_of(results, tmp_path)
    assert "fine-tuned on this dataset, so not zero-shot: not comparable" in page
    assert "the model was fine-tuned on this dataset" in page


@pytest.mark.parametrize(
    ("names", "on"),
    [
        (("okvqa", "vqav2"), "okvqa"),
        (("ocr_vqa", "okvqa"), "ocr_vqa"),
        (("aokvqa", "aokvqa.choice", "okvqa"), "aokvqa"),
    ],
)
def test_a_dataset_without_a_column_is_marked_in_its_line(names: tuple[str, ...], on: str) -> None:
    table = make_table({"run": [tuned(result(name), [on]) for name in names]})
    lines = [line for line in text_lines(table) if line.startswith(names)]
    assert len(lines) == len(names)
    for line in lines:
        assert line.endswith(", fine-tuned on it") == line.startswith((f"{on}/", f"{on}."))


@pytest.mark.parametrize("value", [3, {"a": 1}, ["t5"], [[]]])
def test_a_strange_language_model_is_refused(value: object, tmp_path: Path) -> None:
    strange = result("scienceqa")
    strange["model"]["language_model"] = value
    with pytest.raises(UserError, match=r"damaged .*language_model"):
        checked_results([strange], tmp_path)


@pytest.mark.parametrize("value", [3, {"a": 1}, [1], [["scienceqa"]]])
def test_a_strange_note_of_fine_tuning_is_refused(value: object, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"damaged .*fine_tuned_on"):
        checked_results([tuned(result("scienceqa"), value)], tmp_path)
    assert checked_results([tuned(result("scienceqa"), ["scienceqa"])], tmp_path)
