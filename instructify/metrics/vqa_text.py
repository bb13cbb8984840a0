"""Normalise answers of VQA in the three ways of its scorers, with all their peculiarities.

The rules and the tables (`vqa_lookup.json`) are facts of the published evaluations; what looks like
a mistake in them is kept, since it affects scores. `docs/metrics.md` explains each.
"""

import json
import re
from importlib.resources import files

_TABLES = json.loads(files("instructify.metrics").joinpath("vqa_lookup.json").read_bytes())
_CONTRACTIONS: dict[str, str] = _TABLES["contractions"]
_NUMBERS: dict[str, str] = _TABLES["numbers"]
_ARTICLES = frozenset(_TABLES["articles"])

_MARKS = ';/[]"{}()=+\\_-><@`,?!'
_ANY_MARK = re.compile(f"[{re.escape(_MARKS)}]")
_DIGIT_COMMA_DIGIT = re.compile(r"\d,\d")
_DIGIT_COMMAS_DIGIT = re.compile(r"\d,+\d")
# Meant to spare the point of a decimal number by a look-behind, which is misspelt: what is spared
# is a point before a digit.
_PERIOD = re.compile(r"(?!<=\d)\.(?!\d)")
_MOST_PERIODS = 32  # re.UNICODE is passed where the count belongs


def flat(text: str) -> str:
    """Turn line ends and tabs into spaces and strip white space at both ends."""
    return text.replace("\n", " ").replace("\t", " ").strip()


def without_marks(text: str, *, commas: re.Pattern[str] = _DIGIT_COMMA_DIGIT) -> str:
    """Remove punctuation marks, or replace them by a space.

    A mark is removed everywhere if it is next to a space anywhere in `text`, and all marks are
    removed if a comma is between digits anywhere; otherwise each is replaced by a space.
    """
    result = text
    if _ANY_MARK.search(text):
        joined = commas.search(text) is not None
        for mark in _MARKS:
            if mark in text:
                touches = f"{mark} " in text or f" {mark}" in text
                result = result.replace(mark, "" if joined or touches else " ")
    return _PERIOD.sub("", result, count=_MOST_PERIODS) if "." in result else result


def plain_words(text: str) -> str:
    """Lower-case; turn number words into digits, drop articles, add apostrophes to contractions."""
    words = [_NUMBERS.get(word, word) for word in text.lower().split()]
    kept = [_CONTRACTIONS.get(word, word) for word in words if word not in _ARTICLES]
    return " ".join(kept)


def normalise(text: str) -> str:
    """Normalise like VQA's own evaluation where the ten answers differ."""
    return plain_words(without_marks(flat(text)))


def normalise_mmf(text: str) -> str:
    """Normalise like MMF's processor (`EvalAIAnswerProcessor`), which scores TextVQA."""
    lowered = text.lower().replace(",", "").replace("?", "").replace("'s", " 's")
    return plain_words(without_marks(flat(lowered), commas=_DIGIT_COMMAS_DIGIT))
