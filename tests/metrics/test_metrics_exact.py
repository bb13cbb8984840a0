"""Accuracy: exact texts, yes and no, options, video answers; and iVQA."""

import pytest

from instructify._util.errors import UserError
from instructify.metrics import Item, Prediction, Result, choose_scoring, score
from instructify.metrics.choices import chosen


def scored(
    dataset: str,
    answers: list[str],
    golds: list[Item],
    variant: str | None = None,
    *,
    metric: str = "accuracy",
    vocabulary: list[str] | None = None,
) -> Result:
    scoring = choose_scoring(dataset, metric, variant, vocabulary=vocabulary)
    predictions = [Prediction(one.id, text) for one, text in zip(golds, answers, strict=True)]
    return score(scoring, golds, predictions)


def golds(*texts: str) -> list[Item]:
    return [Item(id=str(number), references=(text,)) for number, text in enumerate(texts)]


def test_gqa_variants() -> None:
    answers = ["Yes", "yes.", "the cat", " yes", "two", "yes"]
    gold = golds("yes", "yes", "cat", "yes", "2", "yes")
    assert scored("gqa", answers, gold).scores.tolist() == [0, 0, 0, 0, 0, 1]
    assert scored("gqa", answers, gold, "lavis").scores.tolist() == [1, 1, 1, 1, 1, 1]
    assert scored("gqa", answers, gold, "lmms").scores.tolist() == [1, 1, 0, 1, 0, 1]


def test_ocr_vqa_has_no_script_and_outer_blanks_do_not_count() -> None:
    assert scored("ocr_vqa", [" Dover \n", "dover"], golds("Dover", "Dover")).value == 0.5


def test_vsr_takes_yes_and_true() -> None:
    answers = ["Yes", "true", "TRUE.", "no", "False", "0", "maybe", "yes it is", ""]
    gold = golds("yes", "yes", "yes", "yes", "no", "no", "yes", "yes", "no")
    result = scored("vsr", answers, gold)
    assert result.scores.tolist() == [1, 1, 1, 0, 1, 1, 0, 0, 0]
    assert result.metrics["unparsable"] == 3
    with pytest.raises(UserError, match="a yes or a no is needed"):
        scored("vsr", ["yes"], golds("cat"))


CHOICES = ("ocean", "Lake Ontario", "a river", "B")


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("ocean", 0),
        ("OCEAN", 0),
        (" a river ", 2),
        ("a", 0),
        ("A", 0),
        ("(c)", 2),
        ("C.", 2),
        ("b)", 1),
        ("B", 3),  # the option of that text, not the second one
        ("d", 3),
        ("B. Lake Ontario", 1),
        ("(b) lake ontario", 1),
        ("B. ocean", None),  # letter and text contradict each other
        ("The answer is C.", 2),
        ("I think so. The answer is (A).", 0),
        ("The answer is A. The answer is C.", None),
        ("The answer is Apple", None),
        ("E", None),
        ("", None),
        ("ocean or lake", None),
    ],
)
def test_what_is_chosen(text: str, index: int | None) -> None:
    assert chosen(text, CHOICES) == index


@pytest.mark.parametrize("dataset", ["scienceqa", "iconqa"])
def test_multiple_choice_counts_what_cannot_be_read(dataset: str) -> None:
    gold = [
        Item(id="1", choices=CHOICES, gold=1),
        Item(id="2", choices=CHOICES, references=("a river",)),
        Item(id="3", choices=CHOICES, gold=0),
        Item(id="4", choices=("3", "4", "3"), gold=2),
    ]
    result = scored(dataset, ["B.", "C", "no idea", "3"], gold)
    assert result.scores.tolist() == [1, 1, 0, 1]
    assert result.metrics == {"unparsable": 1}


def test_multiple_choice_without_choices_compares_texts() -> None:
    assert scored("scienceqa", ["B", "b "], golds("B", "B")).scores.tolist() == [1, 0]


def test_a_true_option_must_be_one() -> None:
    with pytest.raises(UserError, match="has 4 choices and the true one is number 4"):
        scored("iconqa", ["A"], [Item(id="1", choices=CHOICES, gold=4)])
    with pytest.raises(UserError, match="no choice is named by its references"):
        scored("iconqa", ["A"], [Item(id="1", choices=CHOICES, references=("sea",))])


@pytest.mark.parametrize("dataset", ["msvd_qa", "msrvtt_qa"])
def test_video_golds_outside_the_vocabulary_are_wrong(dataset: str) -> None:
    gold = golds("cat", "axolotl", "dog")
    result = scored(dataset, ["cat", "axolotl", "Dog"], gold, vocabulary=["cat", "dog", "man"])
    assert result.scores.tolist() == [1, 0, 0]
    assert result.metrics == {"vocabulary": 3, "gold_outside_vocabulary": 1}
    free = scored(dataset, ["cat", "axolotl", "Dog"], gold)
    assert free.scores.tolist() == [1, 1, 0]
    assert "no answer vocabulary was given" in free.notes[0]


def test_ivqa() -> None:
    gold = [Item(id=str(number), references=("a", "a", "b", "c", "d")) for number in range(4)]
    result = scored("ivqa", ["a", "b", "A", "e"], gold, metric="ivqa_accuracy")
    assert result.scores.tolist() == [1, 0.5, 0, 0]
