"""The tokeniser of captions: what the Java program gives, token by token."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructify.metrics.ptb import PtbTokenizer, clean_caption

# Made with the Java program: captions of ours and their tokens after the official filter.
GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "ptb_tokens.json").read_bytes())


@pytest.mark.parametrize(("caption", "tokens"), GOLDEN, ids=range(len(GOLDEN)))
def test_as_the_java_program(caption: str, tokens: str) -> None:
    assert " ".join(PtbTokenizer().tokenize(caption)) == tokens


@pytest.mark.parametrize(
    ("caption", "tokens"),
    [
        ("A man's dog.", "a man 's dog"),
        ("he doesn't, can't and cannot", "he does n't ca n't and can not"),
        ("a (small) dog", "a -lrb- small -rrb- dog"),  # the official filter lists capitals only
        ("the U.S.A. at 5 p.m. in Acme Co.", "the u.s.a. at 5 p.m. in acme co."),
        ("\u00bd cup", "1/2 cup"),
        ("a cat \U0001f600 smiles", "a cat smiles"),
        ("wait ... what -- no", "wait what no"),
        ("1,000.50 at 12:30", "1,000.50 at 12:30"),
        ("$5, \u00a35, \u20ac5, 5\u00a2", "$ 5 # 5 $ 5 5 cents"),
        ("No. 5 says no.", "no. 5 says no"),
        ("vitamin C. The end", "vitamin c the end"),
        ("vitamin C. the end", "vitamin c. the end"),
        ("red/white/blue 24/7 and/or", "red/white/blue 24/7 and/or"),
        ("stop!! why?! why?", "stop !! why ?! why"),
        ("(555) 555-1234", "-lrb-555-rrb- 555-1234"),
        ('<b class="x y">', '<b class="x y">'),
        ("so\u00adft", "soft"),
        ("\u201chi\u201d \u2018hi\u2019", "hi hi"),
        ("", ""),
        (" \t ", ""),
        ("...", ""),
    ],
)
def test_behaviour(caption: str, tokens: str) -> None:
    assert PtbTokenizer().tokenize(caption) == tokens.split()


@given(st.text(st.characters(codec=None), max_size=60))
def test_any_text_gives_lower_case_tokens_without_blanks(text: str) -> None:
    tokens = PtbTokenizer().tokenize(text)
    assert " ".join(tokens).split() == tokens
    assert len(clean_caption(text).splitlines()) <= 1 + text.count("\x85") + sum(
        text.count(mark) for mark in "\x1c\x1d\x1e"
    )


_words = st.sampled_from("No. 5 N. The U.S. (555) 555-1234 a.m. <b> dog's 1 1/2 it cannot".split())  # noqa: SIM905


@given(st.lists(_words, max_size=8))
def test_what_was_seen_before_changes_nothing(words: list[str]) -> None:
    caption = " ".join(words)
    warm = PtbTokenizer()
    for word in [*words, *(" ".join(words[i : i + 2]) for i in range(len(words)))]:
        warm.tokenize(word)
    assert warm.tokenize(caption) == PtbTokenizer().tokenize(caption)


@pytest.mark.parametrize(
    "piece", ["a", "a.", "a-", "<", "<a ", "a@", "'", "1,", "(5) ", "a/b", "."]
)
def test_long_nonsense_ends(piece: str) -> None:
    """Output of a model that has lost its way; a pattern that backtracks would take hours."""
    assert "".join(PtbTokenizer().tokenize(piece * 3000 + " end")).endswith("end")
