"""Split captions into tokens as the official caption metrics do, without Java.

The official pipeline runs the Penn Treebank tokenizer of Stanford CoreNLP 3.4.1, lower-cases the
tokens and drops a list of punctuation marks. At every place, that program takes the longest text
that matches one of its patterns, including what must follow the token; this module does the same.
The patterns (`ptb_rules`) are written from its behaviour, which `make check-metrics` compares on
real captions.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from instructify.metrics.ptb_rules import Rule, make_rules
from instructify.metrics.ptb_words import (
    ABBREVIATIONS,
    CASED_ABBREVIATIONS,
    CASED_TITLES,
    TITLES,
)

# Read as line ends by the official pipeline, after which every later caption would move by one.
_LINE_ENDS = re.compile("\r\n|[\n\r\v\f\u2028\u2029]")
_NEVER_TEXT = re.compile("[\x00\ud800-\udfff]")
_BEYOND_BASIC_PLANE = re.compile("[\U00010000-\U0010ffff]")
_SOFT_HYPHEN = "\u00ad"

# Dropped as a whole token. Brackets are on the official list too, in capitals, and so stay.
_DROPPED = frozenset(["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"])

# Places where a token may reach over white space: abbreviations, telephones, tags.
_REACHES_OVER_SPACE = re.compile(
    r"[0-9).]\s+[0-9(]|(?<![A-Za-z])[A-Za-z]\.\s+[A-Z]|<.*>", re.DOTALL
)

# Most pieces are a word, with a mark behind it or not, that no pattern but a word's can match.
_PLAIN = re.compile(r"([A-Za-z]{2,})[.,]?\Z")
_NOT_PLAIN = frozenset(
    [
        *("cannot", "gonna", "gotta", "lemme", "gimme", "wanna"),
        *(ABBREVIATIONS + " " + CASED_ABBREVIATIONS + " " + TITLES + " " + CASED_TITLES)
        .lower()
        .split(),
    ]
)


class PtbTokenizer:
    """Tokenizes captions; caches the pieces, since most are repeated."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, ...]] = {}

    def tokenize(self, caption: str) -> list[str]:
        """Return the lower-case tokens of a caption, punctuation marks dropped."""
        text = clean_caption(caption)
        if _REACHES_OVER_SPACE.search(text) or ("<" in text and ">" in text):
            return list(_scan(text))
        tokens: list[str] = []
        seen = self._seen
        for piece in text.split():
            known = seen.get(piece)
            if known is None:
                known = seen[piece] = _piece_tokens(piece)
            tokens += known
        return tokens


def clean_caption(caption: str) -> str:
    """Make one line of a caption: line ends, NUL and lone surrogates become blanks.

    The official program reads CR, VT, FF, U+2028 and U+2029 as line ends too, which moves all later
    captions, and stops at a lone surrogate.
    """
    if caption.isprintable():  # none of them is
        return caption
    return _NEVER_TEXT.sub(" ", _LINE_ENDS.sub(" ", caption))


def _piece_tokens(piece: str) -> tuple[str, ...]:
    plain = _PLAIN.match(piece)
    if plain:
        word = plain[1].lower()
        if word not in _NOT_PLAIN:
            return (word,)
    return tuple(_scan(piece))


def _scan(text: str) -> Iterator[str]:
    """Take the longest match at every place, the first of equal ones; skip what nothing matches."""
    text = _BEYOND_BASIC_PLANE.sub(" ", text.replace(_SOFT_HYPHEN, ""))
    text += "\n\n"  # what must follow a token follows the last one too
    rules = _rules()
    position = 0
    while position < len(text):
        longest = _longest(rules, text, position)
        if longest is None:
            position += 1
            continue
        rule, match = longest
        position = match.end(1)
        token = (match[1] if rule.write is None else rule.write(match[1])).lower()
        if token not in _DROPPED:
            yield from token.split()  # some hold a blank, where CIDEr splits them


def _longest(
    rules: tuple[Rule, ...], text: str, position: int
) -> tuple[Rule, re.Match[str]] | None:
    end = position
    best = None
    for rule in rules:
        match = rule.pattern.match(text, position)
        if match is not None and match.end() > end:
            end = match.end()
            best = rule, match
    return best


@lru_cache(maxsize=1)
def _rules() -> tuple[Rule, ...]:
    return make_rules()
