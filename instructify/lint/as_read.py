"""A text as tokenizers read it: without the white space that they drop.

BERT's tokenizer (used by every Q-Former) turns all white space into spaces, drops case and accents,
and splits at every punctuation mark; T5's sentencepiece turns each run of white space into one
space. Two texts are separated only by what remains after that. `tests/lint` compares these
functions with the tokenizers themselves.
"""

import unicodedata

_CJK = (
    *((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F)),
    *((0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)),
)
_DROPPED = ("\0", "\ufffd")


def as_bert_reads(text: str) -> str:
    """Return the words and marks that BERT's uncased tokenizer splits, separated by spaces."""
    cleaned = "".join(_cleaned(char) for char in text)
    plain = "".join(
        char for char in unicodedata.normalize("NFD", cleaned) if unicodedata.category(char) != "Mn"
    )
    # Letter by letter: `str.lower` of a whole text gives a capital sigma at its end another form.
    small = "".join(char.lower() for char in plain)
    apart = "".join(f" {char} " if _is_mark(char) else char for char in small)
    return " ".join(apart.split())


def as_t5_reads(text: str) -> str:
    """Return a text with compatible characters unified and each run of white space as one space."""
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
    """Return whether BERT treats a character as punctuation: ASCII but letters, digits, spaces."""
    code = ord(char)
    is_ascii = 33 <= code <= 47 or 58 <= code <= 64 or 91 <= code <= 96 or 123 <= code <= 126
    return is_ascii or unicodedata.category(char).startswith("P")
