"""Answer questions of a build and compare the answers: a quick check, not an evaluation.

Apart from case and a final period, a right answer equals the sample's response or the most frequent
reference. Other references are not accepted: among ten answers to a yes-or-no question often one is
wrong, so accepting all references would count almost every answer as right.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from instructify._util.errors import UserError
from instructify.build import Build
from instructify.mixture import choose_rows
from instructify_train.decode import Decoding
from instructify_train.evaluate.answering import Answerer

_BATCH = 50
_MAX_TOKENS = 24


class Asked(NamedTuple):
    """A question of a build, the model's answer, and the accepted answers."""

    sample_id: str
    instruction: str
    answer: str
    accepted: tuple[str, ...]
    subset: str | None

    @property
    def is_right(self) -> bool:
        """Whether the answer is accepted."""
        return _plain(self.answer) in {_plain(text) for text in self.accepted}


def ask(
    answerer: Answerer, build: Build, dataset: str, split: str, num: int, *, beams: int = 1
) -> list[Asked]:
    """Answer `num` questions of a split, drawn by a key, in batches."""
    store = build.pictures()
    if store is None:
        raise UserError(f"{build.paths.root} has no pictures to ask about")
    pixels = answerer.reader(store, num_frames=1)
    decoding = Decoding(beams=beams, max_new_tokens=_MAX_TOKENS)
    answered: list[Asked] = []
    for rows in _batches(_chosen(build, dataset, split, num)):
        keys = list(dict.fromkeys(row["pictures"][0] for row in rows))
        features = answerer.features(np.concatenate([pixels.read(key, "") for key in keys]))
        shown = [[keys.index(row["pictures"][0])] for row in rows]
        answers = answerer.answers(features, shown, [row["instruction"] for row in rows], decoding)
        answered += [
            Asked(row["sample_id"], row["instruction"], answer, accepted(row), row["subset"])
            for row, answer in zip(rows, answers, strict=True)
        ]
    return answered


def share_right(asked: list[Asked]) -> float:
    """Return the share of right answers."""
    return sum(question.is_right for question in asked) / max(1, len(asked))


def accepted(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the answers to a sample that count as right."""
    answers = [*_most_given(row["references"] or ()), *filter(None, [row["response"]])]
    return tuple(dict.fromkeys(answers))


def _chosen(build: Build, dataset: str, split: str, num: int) -> list[dict[str, Any]]:
    table = build.samples(dataset, split)
    rows = choose_rows(len(table), num, f"{dataset}/{split}", "questions")
    return [row for row in (table[int(at)] for at in rows) if accepted(row)]


def _batches(rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    return (rows[at : at + _BATCH] for at in range(0, len(rows), _BATCH))


def _most_given(references: Sequence[str]) -> list[str]:
    """Return the reference that is more frequent than any other, if there is one."""
    counted = Counter(references).most_common(2)
    tied = len(counted) == 2 and counted[0][1] == counted[1][1]
    return [] if tied or not counted else [counted[0][0]]


def _plain(text: str) -> str:
    return text.strip().lower().removesuffix(".")
