"""Which option a text chooses: its text, or its letter in the ways in which people write them.

An option's own text comes first, so that an option "B" is not taken for the second. Letters: "B",
"b", "(b)", "B.", "B)", "B:", one of these before the option's text, or "The answer is B.".
"""

import re
from collections.abc import Sequence

from instructify._util.errors import UserError
from instructify.metrics.model import Item

_LETTER = re.compile(r"\(?([A-Za-z])[).:]?")
_LETTER_AND_TEXT = re.compile(r"(?:\(([A-Za-z])\)|([A-Za-z])[).:])\s*(\S.*)", re.DOTALL)
_SENTENCE = re.compile(r"[Tt]he answer is \(?([A-Z])\)?(?![A-Za-z])")


def chosen(text: str, choices: Sequence[str]) -> int | None:
    """Return the index of the option that a text chooses, None if it is ambiguous or none."""
    text = text.strip()
    options = [choice.strip() for choice in choices]
    if text in options:
        return options.index(text)
    lowered = [option.lower() for option in options]
    if text.lower() in lowered:
        return lowered.index(text.lower())
    alone = _LETTER.fullmatch(text)
    if alone:
        return _index(alone[1], choices)
    both = _LETTER_AND_TEXT.fullmatch(text)
    if both:
        index = _index(both[1] or both[2], choices)
        if index is not None and lowered[index] == both[3].lower():
            return index
    sentences = {_index(letter, choices) for letter in _SENTENCE.findall(text)}
    return sentences.pop() if len(sentences) == 1 else None


def the_choice(item: Item) -> int:
    """Return the index of the right option: `gold`, or the option that the reference names."""
    if item.gold is not None:
        if 0 <= item.gold < len(item.choices):
            return item.gold
        raise UserError(
            f"'{item.id}' has {len(item.choices)} choices and the true one is number {item.gold}, "
            "counted from 0"
        )
    positions = [chosen(reference, item.choices) for reference in item.references]
    if len(positions) == 1 and positions[0] is not None:
        return positions[0]
    raise UserError(f"'{item.id}': no choice is named by its references {list(item.references)}")


def _index(letter: str, choices: Sequence[str]) -> int | None:
    index = ord(letter.upper()) - ord("A")
    return index if index < len(choices) else None
