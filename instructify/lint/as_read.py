"""A text as tokenizers read it: without the white space that they drop.

BERT's tokenizer (every Q-Former) makes all white space a blank, drops case and accents, and cuts
at every punctuation mark; T5's sentencepiece makes each run of white space one blank. Only what
survives both can part two texts. `tests/lint` holds these against the tokenizers themselves.
"""

import unicodedata

_CJK = (
    *((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F)),
    *((0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)),
)
_DROPPED = ("\0", "\ufffd")


def as_bert_reads(text: str) -> str:
    """Give the words and marks that BERT's uncased tokenizer cuts into pieces, a blank between."""
    cleaned = "".join(_cleaned(char) for char in text)
    plain = "".join(
        char for char in unicodedata.normalize("NFD", cleaned) if unicodedata.category(char) != "Mn"
    )
    apart = "".join(f" {char} " if _is_mark(char) else char for char in plain.lower())
    return " ".join(apart.split())


def as_t5_reads(text: str) -> str:
    """Give a text with compatible characters made one and each run of white space one blank."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def _cleaned(char: str) -> str:
    if char in "\t\n\r" or unicodedata.category(char) == "Zs":
        return " "
    if char in _DROPPED or unicodedata.category(char) in ("Cc", "Cf"):
        return ""
    if any(first <= ord(char) <= last for first, last in _CJK):
        return f" {char} "
    return char


def _is_mark(char: str) -> bool:
    """Tell what BERT takes for punctuation: all ASCII that is neither letter, digit nor blank."""
    code = ord(char)
    is_ascii = 33 <= code <= 47 or 58 <= code <= 64 or 91 <= code <= 96 or 123 <= code <= 126
    return is_ascii or unicodedata.category(char).startswith("P")
