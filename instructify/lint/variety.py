"""How varied the wordings of a pool are: self-BLEU-4, and the number of distinct first words.

Self-BLEU-4 scores each instruction against all others of its pool, by modified precisions of one to
four words with add-one smoothing above one word, and takes the mean: 0 if the instructions share
nothing, 100 if all are the same. A wording is taken as it is for a record without optional fields,
with each field printed as one word.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from jinja2 import nodes

from instructify.lint.subject import Subject

_PIECE = re.compile(r"[a-z0-9'-]+|<>|[^\sa-z0-9]")
_FIELD = " <> "
_MOST = 4  # words of an n-gram


class Variety(NamedTuple):
    """The wordings of one pool; `self_bleu` in per cent, None for a single wording."""

    task: str
    form: str
    templates: int
    self_bleu: float | None
    openings: int  # distinct first words


def varieties(subjects: Sequence[Subject]) -> Iterator[Variety]:
    """Measure each pool of instructions, in the order of the files."""
    pools: dict[tuple[str, str], list[list[str]]] = {}
    for subject in subjects:
        for task, form in subject.serves if subject.template.mode == "instruction" else ():
            pools.setdefault((task, form), []).append(_PIECE.findall(own_text(subject)))
    for (task, form), pool in pools.items():
        openings = len({words[0] for words in pool if words})
        yield Variety(task, form, len(pool), self_bleu(pool), openings)


def own_text(subject: Subject) -> str:
    """Return the words of an instruction without optional fields, in lower case."""
    return "".join(_written(subject.programs["instruction"].tree.body)).lower()


def _written(body: Sequence[nodes.Node]) -> Iterator[str]:
    for node in body:
        if isinstance(node, nodes.Output):
            for child in node.nodes:
                yield child.data if isinstance(child, nodes.TemplateData) else _FIELD
        elif isinstance(node, nodes.If):
            yield from _written(node.else_)


def self_bleu(texts: Sequence[Sequence[str]]) -> float | None:
    """Score texts against each other; None for fewer than two."""
    if len(texts) < 2:
        return None
    scores = [
        _bleu(text, [*texts[:number], *texts[number + 1 :]]) for number, text in enumerate(texts)
    ]
    return 100 * sum(scores) / len(scores)


def _bleu(text: Sequence[str], others: Sequence[Sequence[str]]) -> float:
    logarithms = 0.0
    for size in range(1, _MOST + 1):
        grams = _grams(text, size)
        most: Counter[tuple[str, ...]] = Counter()
        for other in others:
            most |= _grams(other, size)
        extra = 1 if size > 1 else 0
        matches = sum(min(count, most[gram]) for gram, count in grams.items()) + extra
        total = sum(grams.values()) + extra
        if matches == 0:
            return 0.0
        logarithms += math.log(matches / total)
    nearest = min((abs(len(other) - len(text)), len(other)) for other in others)[1]
    brevity = min(0.0, 1 - nearest / len(text))
    return math.exp(logarithms / _MOST + brevity)


def _grams(words: Sequence[str], size: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[at : at + size]) for at in range(len(words) - size + 1))
