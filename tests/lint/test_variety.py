"""Self-BLEU against figures worked out by hand, and what our own pools promise."""

import math
from pathlib import Path

import pytest

from instructify._util.resources import find
from instructify.catalog.load import load_catalog
from instructify.lint.run import lint
from instructify.lint.variety import self_bleu

# At least as varied as the pools of the first versions were.
AT_MOST = {
    ("image_captioning", "caption"): 29.4,
    ("image_captioning_reading", "caption"): 22.6,
    ("image_classification", "binary"): 28.1,
    ("image_classification", "open"): 17.9,
    ("image_classification", "multiple_choice"): 19.5,
    ("image_qa", "open"): 24.5,
    ("image_qa_reading", "open"): 26.3,
    ("knowledge_qa", "open"): 17.7,
    ("knowledge_qa", "multiple_choice"): 21.4,
    ("question_generation", "question_generation"): 24.7,
    ("video_qa", "open"): 22.4,
    ("visual_dialog", "dialog"): 26.1,
    ("visual_reasoning", "open"): 23.8,
    ("visual_reasoning", "multiple_choice"): 24.5,
    ("visual_reasoning", "binary"): 20.1,
}
OPENINGS = {"image_captioning": 13, "image_qa": 12, "question_generation": 11}


@pytest.mark.parametrize(
    ("texts", "score"),
    [
        (["a b c d e", "a b c d e"], 100),
        (["a b c d", "e f g h"], 0),
        (["a b c d", "a b c d", "e f g h"], 200 / 3),
        # One word of four is shared, nothing longer: 1/4, (0+1)/(3+1), (0+1)/(2+1), (0+1)/(1+1).
        (["a b c d", "x y a z"], 100 * math.exp(math.log(1 / 4 * 1 / 4 * 1 / 3 * 1 / 2) / 4)),
        # Half as long as the other, all of it shared: the brevity penalty is exp(1 - 2).
        (["a b", "a b a b"], 100 * (math.exp(-1) + (2 / 4 * 2 / 4 * 1 / 3 * 1 / 2) ** 0.25) / 2),
    ],
)
def test_self_bleu(texts: list[str], score: float) -> None:
    assert self_bleu([text.split() for text in texts]) == pytest.approx(score)


def test_a_single_text_has_no_score() -> None:
    assert self_bleu([["a"]]) is None


def test_our_pools_are_varied() -> None:
    report = lint(find("templates"), load_catalog(), None)
    found = {(one.task, one.form): one for one in report.varieties}
    for pool, most in AT_MOST.items():
        score = found[pool].self_bleu
        assert score is not None
        assert score <= most, pool
    for task, least in OPENINGS.items():
        assert max(one.openings for (name, _), one in found.items() if name == task) >= least


def test_optional_words_do_not_count(tmp_path: Path) -> None:
    text = "{% if context %}Many words of it. {% endif %}Say: {{ question }}"
    for name, words in (("a", text), ("b", text.replace("Say", "Tell"))):
        (tmp_path / "knowledge_qa.yaml").open("a", encoding="utf-8").write(
            ("format: 1\ntemplates:\n" if name == "a" else "")
            + f"  - {{id: {name}, version: 1, forms: [open], instruction: '{words}'}}\n"
        )
    (one,) = lint(tmp_path, load_catalog(), None).varieties
    assert (one.templates, one.openings) == (2, 2)
    # say : <> / tell : <>, by hand: 2/3, (1+1)/(2+1), (0+1)/(1+1), (0+1)/(0+1)
    assert one.self_bleu == pytest.approx(100 * (2 / 3 * 2 / 3 * 1 / 2) ** 0.25)
