"""CIDEr-D: by hand, against the formula written plainly, with odd text, in subsets."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructify._util.errors import UserError
from instructify.metrics import Item, Prediction, Result, choose_scoring, score
from instructify.metrics.cider import cider_scores
from instructify.metrics.spaceless import is_spaceless, spaced

Tokens = Sequence[str]


def plain_cider(
    predictions: Sequence[Tokens], references: Sequence[Sequence[Tokens]]
) -> list[float]:
    """The formula, a picture and a word group at a time."""

    def groups(tokens: Tokens, size: int) -> Counter[tuple[str, ...]]:
        return Counter(tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1))

    pictures_with: Counter[tuple[str, ...]] = Counter()
    for of in references:
        pictures_with.update({g for ref in of for n in range(1, 5) for g in groups(ref, n)})

    def weights(tokens: Tokens, size: int) -> dict[tuple[str, ...], float]:
        idf = {
            g: math.log(len(references)) - math.log(max(1, pictures_with[g]))
            for g in groups(tokens, size)
        }
        return {g: count * idf[g] for g, count in groups(tokens, size).items()}

    def norm(vector: dict[tuple[str, ...], float]) -> float:
        return math.sqrt(sum(value**2 for value in vector.values()))

    scores = []
    for prediction, of in zip(predictions, references, strict=True):
        total = 0.0
        for reference in of:
            away = max(len(prediction) - 1, 0) - max(len(reference) - 1, 0)
            for size in range(1, 5):
                ours, theirs = weights(prediction, size), weights(reference, size)
                dot = sum(min(v, theirs.get(g, 0)) * theirs.get(g, 0) for g, v in ours.items())
                scale = norm(ours) * norm(theirs)
                total += (dot / scale if scale else dot) * math.exp(-(away**2) / 72) / 4
        scores.append(10 * total / len(of))
    return scores


def captions(
    predictions: Sequence[str | None],
    references: Sequence[Sequence[str]],
    subsets: Sequence[str | None] | None = None,
) -> Result:
    items = [
        Item(id=str(number), references=tuple(of), subset=subset)
        for number, (of, subset) in enumerate(
            zip(references, subsets or [None] * len(references), strict=True)
        )
    ]
    given = [Prediction(str(n), one) for n, one in enumerate(predictions) if one is not None]
    return score(choose_scoring("nocaps", "cider"), items, given, allow_missing=True)


def test_by_hand() -> None:
    """Two pictures: "a" has both, so its weight is 0; "cat" and "a cat" are this picture's alone.

    Groups of one and of two words agree wholly, longer ones there are none: (1 + 1 + 0 + 0) / 4,
    times ten.
    """
    scores = cider_scores([["a", "cat"], ["a", "dog"]], [[["a", "cat"]], [["a", "dog"]]])
    assert scores.tolist() == pytest.approx([5, 5])


def test_the_length_is_counted_in_word_pairs() -> None:
    """ "a cat" against "a cat on mat": one pair and three, so the penalty is exp(-2**2 / 72)."""
    scores = cider_scores([["a", "cat"], ["dog"]], [[["a", "cat", "on", "mat"]], [["dog", "runs"]]])
    one_word = 2 / (math.sqrt(2) * math.sqrt(4))
    pair = 1 / math.sqrt(3)
    assert scores[0] == pytest.approx(10 * (one_word + pair) / 4 * math.exp(-4 / 72))


def test_a_word_said_again_and_again_is_clipped() -> None:
    once = cider_scores([["cat"], ["dog"]], [[["cat"]], [["dog"]]])[0]
    often = cider_scores([["cat"] * 3, ["dog"]], [[["cat"]], [["dog"]]])[0]
    assert once == pytest.approx(2.5)
    assert often == pytest.approx(2.5 * (1 / 3) * math.exp(-4 / 72))


_words = st.lists(st.sampled_from("a b c d e".split()), max_size=9)  # noqa: SIM905


@given(
    st.lists(st.tuples(_words, st.lists(_words, min_size=1, max_size=3)), min_size=1, max_size=6)
)
def test_columns_give_what_the_formula_gives(rows: list[tuple[list[str], list[list[str]]]]) -> None:
    predictions, references = [row[0] for row in rows], [row[1] for row in rows]
    expected = plain_cider(predictions, references)
    assert cider_scores(predictions, references).tolist() == pytest.approx(expected, abs=1e-12)


def test_one_picture_gives_zero_and_says_why() -> None:
    result = captions(["a cat"], [["a cat"]])
    assert result.value == 0
    assert "CIDEr of one picture is 0" in result.notes[0]


def test_missing_and_empty_captions_score_zero() -> None:
    result = captions(["a cat", None, "", "..."], [["a cat"], ["a dog"], ["a cow"], ["an emu"]])
    assert result.scores[1:].tolist() == [0, 0, 0]
    assert result.scores[0] > 0
    assert result.missing == 1
    nothing = captions(["dog", "cat"], [["cow"], ["emu"]])
    assert nothing.scores.tolist() == [0, 0]


@pytest.mark.parametrize(
    "odd", ["\n", "\r", "\r\n", "\v", "\f", "\x85", "\u2028", "\u2029", "\x00", "\ud800"]
)
def test_odd_text_moves_no_caption(odd: str) -> None:
    """The official pipeline shifts all later captions by one, or stops."""
    references = [[f"a {one} on a mat", f"the {one}"] for one in ("cat", "dog", "cow", "emu")]
    clean = captions([of[0] for of in references], references)
    broken = [[text.replace(" on ", f"{odd}on ") for text in of] for of in references]
    assert captions([of[0] for of in broken], broken).scores.tolist() == clean.scores.tolist()


def test_subsets_have_an_idf_of_their_own() -> None:
    """In all four pictures "cat" is a rare word; among the two of `in` it tells nothing."""
    predictions = ["a cat", "a cat sleeps", "a dog", "an emu"]
    references = [["a cat"], ["a cat sleeps"], ["a dog"], ["an emu"]]
    whole = captions(predictions, references, ["in", "in", "out", "out"])
    apart = captions(predictions[:2], references[:2])
    assert whole.subsets["in"] == apart.value
    assert whole.subsets["in"] != pytest.approx(float(np.mean(whole.scores[:2])))
    assert whole.subset_counts == {"in": 2, "out": 2}


def test_a_score_is_no_caption() -> None:
    with pytest.raises(UserError, match="is no text"):
        score(
            choose_scoring("nocaps", "cider"),
            [Item(id="1", references=("a",))],
            [Prediction("1", 0.5)],
        )


SPACELESS = {
    "Chinese": ("一只黑色的狗在草地上奔跑。", "草地上有一只黑狗", "两个人坐在长椅上"),
    "Japanese": (
        "黒い犬が芝生の上を走っている。",
        "芝生に黒い犬がいる",
        "ベンチに二人が座っている",
    ),
    "Thai": ("สุนัขสีดำกำลังวิ่งบนหญ้า", "มีสุนัขสีดำบนหญ้า", "คนสองคนนั่งบนม้านั่ง"),
    "Chinese with Latin names": ("一只狗在 NBA 球场", "NBA 球场上有一只狗", "两个人在喝茶"),
}


@pytest.mark.parametrize("captions", SPACELESS.values(), ids=SPACELESS.keys())
def test_text_without_blanks_is_compared_by_characters(captions: tuple[str, str, str]) -> None:
    """A caption that shares most characters scored 0, since a sentence was one word."""
    one, alike, other = captions
    items = [Item(id="1", references=(one,)), Item(id="2", references=(other,))]
    scoring = choose_scoring("mine", "cider")
    near = score(scoring, items, [Prediction("1", alike), Prediction("2", other)])
    far = score(scoring, items, [Prediction("1", other), Prediction("2", other)])
    assert near.scores[0] > 0.5
    assert far.scores[0] < 0.2 * near.scores[0]
    assert "takes each of their characters as a word" in near.notes[0]
    assert near.scores[1] == pytest.approx(10)


@pytest.mark.parametrize(
    "captions",
    [("a black dog runs", "two people sit"), ("검은 개가 풀밭을 달린다", "두 사람이 앉아 있다")],
    ids=["English", "Korean"],
)
def test_text_with_blanks_is_compared_by_words(captions: tuple[str, str]) -> None:
    """One foreign character among the predictions changes nothing."""
    items = [Item(id=str(at), references=(one,)) for at, one in enumerate(captions)]
    predictions = [Prediction("0", captions[0]), Prediction("1", f"{captions[1]} 狗")]
    result = score(choose_scoring("mine", "cider"), items, predictions)
    assert not result.notes
    assert result.scores[0] == pytest.approx(10)


def test_marks_stay_with_their_character() -> None:
    assert spaced("ดำ狗\uff01 NBA").split() == ["ด", "ำ", "狗", "NBA"]
    assert spaced("น้ำ").split() == ["น้", "ำ"]
    assert not is_spaceless([])
