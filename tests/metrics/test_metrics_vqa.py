"""VQA accuracy, case by case: what the published evaluations really do, quirks and all."""

import re
from collections.abc import Mapping

import pytest

from instructify._util.errors import UserError
from instructify.metrics import Item, Prediction, choose_scoring, score, variants
from instructify.metrics.vqa import leave_one_out
from instructify.metrics.vqa_text import (
    flat,
    normalise,
    normalise_mmf,
    plain_words,
    without_marks,
)


def value(answer: str, golds: list[str], variant: str, dataset: str = "vqav2") -> float:
    items = [Item(id="1", references=tuple(golds))]
    return score(
        choose_scoring(dataset, "vqa_accuracy", variant), items, [Prediction("1", answer)]
    ).value


def mostly(gold: str, other: str = "something else") -> list[str]:
    """Nine annotators who say one thing and one who does not."""
    return [gold] * 9 + [other]


@pytest.mark.parametrize(
    ("matches", "expected"), [(0, 0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1), (9, 1), (10, 1)]
)
def test_ten_annotators(matches: int, expected: float) -> None:
    assert leave_one_out(matches, 10) == pytest.approx(expected)
    golds = ["cat"] * matches + ["dog"] * (10 - matches)
    assert value("cat", golds, "official") == pytest.approx(expected)


def test_fewer_annotators_cannot_agree_as_much() -> None:
    assert leave_one_out(1, 1) == 0
    assert leave_one_out(3, 3) == pytest.approx(2 / 3)
    assert leave_one_out(4, 4) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("wooden-chair", "wooden chair"),  # a mark between words becomes a blank
        ("red, white", "red white"),  # one that touches a blank goes
        ("black-and-white - striped", "blackandwhite  striped"),  # everywhere, if it does so once
        ("1,000-meter", "1000meter"),  # digit-comma-digit: all marks go, without a blank
        ("about 1,000/2", "about 10002"),
        ("1, 000", "1 000"),
        ("it's 5:30", "it's 5:30"),  # apostrophe and colon stay
        ("50% of $5 & #1", "50% of $5 & #1"),
        ("a.m.", "am"),
        ("3.5", "3.5"),  # a period before a digit stays
        ("v.5.", "v.5"),
        (".5", ".5"),
        ("5. 6", "5 6"),
        ("u.s.a.", "usa"),
        ("why?!", "why  "),
        ("(left)", " left "),
        ("a_b<c>d@e`f=g+h\\i", "a b c d e f g h i"),
        ('[x] {y} "z"; w', " x y z w"),
        ("." * 32 + "x", "x"),
        ("." * 40, "." * 8),  # re.UNICODE is 32 and lands on the count
    ],
)
def test_punctuation(text: str, expected: str) -> None:
    assert without_marks(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Two  Dogs", "2 dogs"),
        ("none", "0"),  # a complaint of VQA#7, and the rule
        ("zero one ten eleven", "0 1 10 eleven"),
        ("the cat on a mat with an owl", "cat on mat with owl"),
        ("A", ""),  # an answer A is an article
        ("dont", "don't"),
        ("DONT", "don't"),
        ("Im", "im"),  # keys with capitals never match: lower case comes first
        ("Ive", "ive"),
        ("Id've", "id've"),
        ("somebody'd", "somebodyd"),
        ("let's", "let's"),
        ("youre not", "you're not"),
        ("it's", "it's"),
        ("", ""),
    ],
)
def test_words(text: str, expected: str) -> None:
    assert plain_words(text) == expected


def test_line_ends_and_tabs_are_blanks() -> None:
    assert flat("\tred\nblue \n") == "red blue"
    assert normalise("yes\n") == "yes"


@pytest.mark.parametrize("answer", ["Yes", "yes.", "yes!"])
def test_where_all_agree_nothing_is_normalised(answer: str) -> None:
    """Deliberate (VQA#14): with ten equal golds only the very text counts."""
    assert value(answer, ["yes"] * 10, "official") == 0
    assert value("yes", ["yes"] * 10, "official") == 1
    assert value(" yes\n", ["yes", "yes\t", *["yes"] * 8], "official") == 1
    assert value(answer, mostly("yes"), "official") == 1
    assert value(answer, ["yes"] * 10, "lavis") == 1
    assert value(answer, ["yes"] * 10, "mmf") == 1


def test_lavis_does_not_normalise_the_words_of_golds() -> None:
    for golds in (["two"] * 10, mostly("two")):
        assert value("two", golds, "lavis") == 0
        assert value("2", golds, "lavis") == 0
    assert value("2", mostly("two"), "official") == value("two", mostly("two"), "official") == 1
    assert value("2", mostly("two"), "mmf") == 1
    assert value("2", mostly("2"), "lavis") == value("two", mostly("2"), "lavis") == 1
    assert value("a cat", mostly("a cat"), "lavis") == 0
    assert value("tennis ball", mostly("tennis-ball"), "lavis") == 1
    assert value("tennis ball", ["tennis-ball"] * 10, "lavis") == 0  # golds stay as they are


@pytest.mark.parametrize(
    ("text", "official", "mmf"),
    [
        ("dog's", "dog's", "dog 's"),
        ("1,000-meter", "1000meter", "1000 meter"),  # the comma goes first, so no digits are joined
        ("red,white", "red white", "redwhite"),
        ("what?now", "what now", "whatnow"),
        ("it's", "it's", "it 's"),
        ("She's", "she's", "she 's"),
        ("no?", "no", "no"),
    ],
)
def test_mmf_differs(text: str, official: str, mmf: str) -> None:
    assert normalise(text) == official
    assert normalise_mmf(text) == mmf


def test_the_variants_disagree_where_they_should() -> None:
    golds = mostly("1,000-meter run")
    scores = {
        name: value("1000 meter run", golds, name) for name in variants("vqav2", "vqa_accuracy")
    }
    assert scores == {"official": 0, "lavis": 0, "mmf": 1}


def test_unanswerable_is_an_answer() -> None:
    assert value("unanswerable", mostly("unanswerable"), "official", "vizwiz") == 1


def test_textvqa_is_scored_by_mmf_unless_told_otherwise() -> None:
    assert choose_scoring("textvqa", "vqa_accuracy").variant == "mmf"
    assert choose_scoring("vizwiz", "vqa_accuracy").variant == "official"


def test_direct_answers_of_aokvqa_are_exact_texts() -> None:
    golds = ["cat"] * 2 + ["Cat"] * 8
    assert value("cat", golds, "official", "aokvqa") == pytest.approx(2 / 3)
    assert value("Cat", golds, "official", "aokvqa") == 1
    assert value("CAT", golds, "official", "aokvqa") == 0
    assert value("CAT", golds, "vqa", "aokvqa") == 1


def test_difficult_questions_of_aokvqa_are_left_out() -> None:
    golds = ("cat",) * 10
    items = [Item(id="1", references=golds), Item(id="2", references=golds, difficult=True)]
    scoring = choose_scoring("aokvqa", "vqa_accuracy")
    result = score(scoring, items, [Prediction("1", "cat")])
    assert (result.value, result.count, result.metrics["difficult_skipped"]) == (1, 1, 1)
    again = score(scoring, items, [Prediction("1", "cat"), Prediction("2", "dog")])
    assert again.value == 1
    with pytest.raises(UserError, match="'2' is not predicted"):
        score(choose_scoring("aokvqa", "vqa_accuracy", "vqa"), items, [Prediction("1", "cat")])


def test_items_without_ten_references_are_spoken_of() -> None:
    items = [Item(id="1", references=("cat",) * 4)]
    result = score(choose_scoring("vqav2", "vqa_accuracy"), items, [Prediction("1", "cat")])
    assert result.value == 1
    assert "1 items have not ten references" in result.notes[0]


@pytest.mark.parametrize(
    ("dataset", "metric", "references"),
    [
        ("vqav2", "vqa_accuracy", ("A wooden-chair.",)),
        ("mine", "vqa_accuracy", ("chair", "A wooden-chair.", "seat")),
        ("aokvqa", "vqa_accuracy", ("A wooden-chair.",)),
        ("ivqa", "ivqa_accuracy", ("A wooden-chair.",)),
    ],
)
@pytest.mark.parametrize("answer", ["A wooden-chair.", "wooden chair"])
def test_too_few_references_for_a_metric_are_matched_exactly(
    dataset: str, metric: str, references: tuple[str, ...], answer: str
) -> None:
    """A perfect model scored 0 with one reference, and two thirds with three."""
    items = [Item(id=str(at), references=references) for at in range(4)]
    predictions = [Prediction(str(at), answer if at else "table") for at in range(4)]
    result = score(choose_scoring(dataset, metric), items, predictions)
    assert result.value == 0.75
    assert (result.metric, result.variant) == ("accuracy", "lavis")
    assert "4 of 4 items have fewer than" in result.notes[-1]


def test_a_few_items_with_few_references_change_no_metric() -> None:
    items = [Item(id=str(at), references=("cat",) * (1 if at < 2 else 10)) for at in range(4)]
    predictions = [Prediction(str(at), "cat") for at in range(4)]
    result = score(choose_scoring("vqav2", "vqa_accuracy"), items, predictions)
    assert (result.metric, result.value) == ("vqa_accuracy", 0.5)


@pytest.mark.parametrize(("form", "answer"), [("binary", "True."), ("multiple_choice", "yes")])
def test_own_yes_or_no_is_scored_as_yes_or_no(form: str, answer: str) -> None:
    items = [Item(id="1", references=("yes",))]
    scoring = choose_scoring("mine", "accuracy", form=form)
    assert score(scoring, items, [Prediction("1", answer)]).value == 1


def test_an_unknown_variant_is_named() -> None:
    with pytest.raises(
        UserError, match=re.escape("no variant 'oficial'; did you mean 'official'?")
    ):
        choose_scoring("vqav2", "vqa_accuracy", "oficial")


def test_every_dataset_with_a_metric_has_a_default() -> None:
    from instructify.catalog.load import load_catalog

    defaults: Mapping[str, str] = {
        name: choose_scoring(name, dataset.metric).variant
        for name, dataset in load_catalog().datasets.items()
        if dataset.metric is not None
    }
    assert len(defaults) == 19
    assert {name for name, variant in defaults.items() if variant != "official"} == {"textvqa"}


@pytest.mark.parametrize("variant", ["official", "lavis", "mmf"])
def test_an_empty_reference_is_an_annotator_that_only_an_empty_answer_agrees_with(
    variant: str,
) -> None:
    golds = ["tea"] * 3 + [""] + ["milk"] * 6
    assert value("tea", golds, variant) == pytest.approx(0.9)
    assert value("", golds, variant) == pytest.approx(0.3)
    assert value("The?", golds, variant) == pytest.approx(0.3)
    assert value("water", golds, variant) == 0


def test_one_empty_reference_breaks_the_unanimity_of_the_official_rule() -> None:
    assert value("Tea.", ["tea"] * 10, "official") == 0
    assert value("Tea.", [*["tea"] * 9, ""], "official") == 1


def test_an_empty_reference_of_aokvqa_and_ivqa_is_met_by_an_empty_answer_alone() -> None:
    golds = ["tea"] * 2 + [""] + ["milk"] * 7
    assert value("tea", golds, "official", "aokvqa") == pytest.approx(2 / 3)
    assert value("", golds, "official", "aokvqa") == pytest.approx(1 / 3)
    assert value("the", golds, "official", "aokvqa") == 0
    five = [Item(id="1", references=("tea", "", "milk", "", ""))]
    scoring = choose_scoring("ivqa", "ivqa_accuracy")
    assert score(scoring, five, [Prediction("1", "tea")]).value == pytest.approx(0.5)
