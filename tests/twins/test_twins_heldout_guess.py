"""The held-out twins cannot be answered without their pictures.

Open sets: at most 40 % by the best guess per wording; closed ones: chance and ten points. The
guesses for one half of the questions come from the other.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from balance import Asked, guess_rate
from twin_help import read_split

from instructify.catalog.load import load_catalog
from instructify.readers.base import OptionValue
from instructify.twins.make import make_twin

HELD_OUT = tuple(dataset.name for dataset in load_catalog().select(role="held-out"))


class Closed(NamedTuple):
    """A question with candidates and the index of the right one."""

    question: str
    choices: Sequence[str]
    right: int


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten times as much, without pictures."""
    root = tmp_path_factory.mktemp("large")
    make_twin(HELD_OUT, root, scale=10, pictures=False)
    return root


@pytest.mark.parametrize(
    ("name", "split"),
    [
        *(("gqa", "testdev"), ("vizwiz", "val"), ("textvqa", "val"), ("msvd_qa", "test")),
        *(("msrvtt_qa", "test"), ("ivqa", "test")),
    ],
)
def test_text_alone_answers_little_of_open_sets(large: Path, name: str, split: str) -> None:
    records = read_split(large, name, split).records
    assert len(records) >= 400
    asked = [Asked(record["question"], record["answer"]) for record in records]
    assert guess_rate(asked) <= 0.4


def test_statements_do_not_tell_whether_they_are_true(large: Path) -> None:
    records = read_split(large, "vsr", "test").records
    for told in ("question", "subset"):
        assert guess_rate(Asked(r[told], r["answer"]) for r in records) <= 0.6
    # Nor do single words: neither things nor relations are truer than others.
    for place in (1, 2):
        asked = [Asked(r["question"].split()[place], r["answer"]) for r in records]
        assert guess_rate(asked) <= 0.6


def test_the_text_of_a_meme_does_not_tell_its_label(large: Path) -> None:
    records = read_split(large, "hateful_memes", "val").records
    assert guess_rate(Asked(r["text"], r["answer"]) for r in records) <= 0.6
    assert guess_rate(Asked(r["text"].split()[0], r["answer"]) for r in records) <= 0.6


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("iconqa", {"kind": "choose_txt"}),
        ("scienceqa", {"pictures": "only"}),
        ("scienceqa", {"pictures": "all"}),
    ],
)
def test_choices_can_be_guessed_little_better_than_by_chance(
    large: Path, name: str, given: dict[str, OptionValue]
) -> None:
    records = read_split(large, name, "test", **given).records
    closed = [Closed(r["question"], r["choices"], r["choice_index"]) for r in records]
    chance = sum(1 / len(one.choices) for one in closed) / len(closed)
    assert _best_position(closed) <= chance + 0.1
    assert _best_text(closed) <= chance + 0.1


def test_picture_choices_are_right_in_any_place(large: Path) -> None:
    records = [
        record
        for split in ("train", "val", "test")
        for record in read_split(large, "iconqa", split, kind="choose_img").records
    ]
    closed = [Closed("", r["choices"], r["choice_index"]) for r in records]
    chance = sum(1 / len(one.choices) for one in closed) / len(closed)
    assert _best_position(closed) <= chance + 0.1


def test_options_of_a_dialogue_do_not_tell_the_answer(large: Path) -> None:
    records = read_split(large, "visdial", "val").records
    closed = [Closed(r["question"], r["choices"], r["choice_index"]) for r in records]
    assert all(len(set(one.choices)) == 100 for one in closed)
    assert _best_position(closed) <= 0.11
    assert _best_text(closed) <= 0.11


def _best_position(closed: Sequence[Closed]) -> float:
    return Counter(one.right for one in closed).most_common(1)[0][1] / len(closed)


def _best_text(closed: Sequence[Closed]) -> float:
    """Score who picks the choice that was right most often for this question, in the other half."""
    halves = (closed[::2], closed[1::2])
    return (_score(halves[0], halves[1]) + _score(halves[1], halves[0])) / len(closed)


def _score(known: Sequence[Closed], test: Sequence[Closed]) -> int:
    by_question: defaultdict[str, Counter[str]] = defaultdict(Counter)
    overall: Counter[str] = Counter()
    for one in known:
        by_question[one.question][one.choices[one.right]] += 1
        overall[one.choices[one.right]] += 1
    right = 0
    for one in test:
        here = by_question[one.question]
        guess = max(one.choices, key=lambda text: (here[text], overall[text]))
        right += guess == one.choices[one.right]
    return right
