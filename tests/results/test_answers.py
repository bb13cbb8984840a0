"""Answers on the page of results: read from a stranger's files, chosen, searched, never markup."""

import json
from pathlib import Path
from typing import Any

import pytest
from page_help import HOSTILE, blocks
from result_help import result

from instructify._util.errors import UserError
from instructify.results.answers import AnsweredItem, choose_items, read_answers
from instructify.results.page import Evaluated, results_page, verdict
from instructify.results.table import make_table


def write(folder: Path, predictions: list[Any], references: list[Any] | None = None) -> None:
    for name, rows in (("predictions", predictions), ("references", references or [])):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, "utf-8")


def test_answers_of_every_kind_are_read(tmp_path: Path) -> None:
    write(
        tmp_path,
        [
            {"id": "a", "prediction": "cat", "instruction": "Which?", "item_score": 1.0},
            {"id": 7, "score": 0.25, "item_score": 0.5},
            {"id": "c", "scores": [0.1, 0.9, 0.5], "item_score": 0.5},
            {"id": "d", "scores": [0.1, 0.9, 0.5]},
            {"id": "e", "prediction": "", "item_score": float("nan")},
        ],
        [
            {"id": "a", "references": ["cat", "dog", "cat"]},
            {"id": 7, "label": 1},
            {"id": "c", "choices": ["x", "y", "z"], "gold": 2},
            {"id": "d", "gold": 17},
        ],
    )
    items = read_answers(tmp_path)
    assert items[0] == AnsweredItem("a", "Which?", "cat", ("cat", "dog", "cat"), 1.0)
    assert items[1] == AnsweredItem("7", "", "probability 0.250", ("label 1",), 0.5)
    assert items[2] == AnsweredItem("c", "", "y; the right one ranks 2", ("z",), 0.5, 1)
    assert items[3] == AnsweredItem("d", "", "candidate 2 of 3", (), None, 1)
    assert items[4].score is None


def test_a_folder_without_answers_has_none(tmp_path: Path) -> None:
    assert read_answers(tmp_path) == []


@pytest.mark.parametrize(
    "line",
    ["[1]", '{"id": []}', '{"prediction": "x"}', '{"id": 1, "scores": "x"}', "{", "[" * 9999],
)
def test_damage_is_one_sentence(tmp_path: Path, line: str) -> None:
    write(tmp_path, [{"id": "a"}])
    with (tmp_path / "predictions.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(UserError, match=r"predictions\.jsonl, line 2 is damaged"):
        read_answers(tmp_path)


def items_of(*scores: float | None) -> list[AnsweredItem]:
    return [AnsweredItem(str(at), "q", "a", (), score) for at, score in enumerate(scores)]


@pytest.mark.parametrize(
    ("scores", "right", "wrong"),
    [
        ((0.0,) * 30 + (1.0,) * 30, 4, 8),
        ((0.0,) * 3 + (1.0,) * 30, 9, 3),
        ((0.0,) * 30, 0, 12),
        ((1.0,) * 30, 12, 0),
        ((0.0, 1.0), 1, 1),
        ((0.0,) * 30 + (1.0,) * 2, 2, 10),
    ],
)
def test_wrong_ones_come_first(scores: tuple[float, ...], right: int, wrong: int) -> None:
    chosen = choose_items(items_of(*scores), 12)
    assert [one.score for one in chosen] == [0.0] * wrong + [1.0] * right
    assert len({one.id for one in chosen}) == len(chosen)
    assert chosen == choose_items(items_of(*scores), 12)


def test_items_without_a_score_are_shown_too() -> None:
    assert len(choose_items(items_of(None, None, 0.3), 12)) == 3
    assert choose_items([], 12) == []


def test_a_verdict_has_a_meaning() -> None:
    (partly, right, none) = items_of(0.3, 1.0, None)
    assert [verdict(partly, metric) for metric in ("vqa_accuracy", "mrr", "cider", "auc")] == [
        "partly", "wrong", "", "",
    ]  # fmt: skip
    assert verdict(right, "mrr") == verdict(right, "accuracy") == "right"
    assert verdict(none, "accuracy") == ""


def test_hostile_answers_stay_text(tmp_path: Path) -> None:
    write(
        tmp_path,
        [
            {"id": text, "prediction": text, "instruction": text, "item_score": 0.0}
            for text in HOSTILE
        ],
        [{"id": text, "references": [text]} for text in HOSTILE],
    )
    one = result("gqa")
    one["name"] = '"><script>x'
    runs = {"<run>": Evaluated([one], [read_answers(tmp_path)])}
    page = tmp_path / "page.html"
    page.write_bytes(results_page(make_table({"<run>": [one]}), runs, page))
    text = page.read_text("utf-8")
    assert text.count("<script") == text.count("</script>") == 2
    assert "<img src=x" not in text
    assert "<script>x" not in text
    assert "alert(1)</script" not in text
    (rows,) = blocks(page).values()
    assert [row[0] for row in rows] == list(HOSTILE)
    assert "search all 4 answers" in text
    assert "default-src 'none'" in text
