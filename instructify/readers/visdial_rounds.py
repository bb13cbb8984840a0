"""Process the rounds of many dialogues at once, as arrays of indices into two tables of texts.

A dialogue has ten rounds with a hundred options each, which is a million look-ups for a thousand
dialogues. So Arrow lists of options and histories are made by arithmetic on offsets. This module
also decides the effect of a bad index: a round without the text of its question or answer also
rejects all later rounds, whose history would be wrong; any other fault rejects only its round.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from instructify.readers.visdial_tables import Mask, Numbers, Table
from instructify.rejects import Reject

ABSENT = -(1 << 40)  # stands for a missing number

_Index = Annotated[int, msgspec.Meta(ge=-(1 << 31), lt=1 << 31)]


class Round(msgspec.Struct, frozen=True, gc=False):
    question: _Index
    answer: _Index | None = None
    answer_options: list[_Index] | None = None
    gt_index: _Index | None = None


class Dialog(msgspec.Struct, frozen=True, gc=False):
    image_id: Annotated[int, msgspec.Meta(ge=0, lt=10**12)]
    dialog: list[Round]
    caption: str | None = None


class Rounds(NamedTuple):
    """The rounds of some dialogues, in order; missing numbers are `ABSENT`."""

    dialogs: Sequence[Dialog]
    positions: Sequence[int]
    owner: Numbers  # index into `dialogs`
    turn: Numbers  # from 0
    question: Numbers
    answer: Numbers
    gt_index: Numbers
    options: Numbers  # of all rounds, one after another
    num_options: Numbers  # `ABSENT` if a round has no list


def flatten(dialogs: Sequence[Dialog], positions: Sequence[int]) -> Rounds:
    """Concatenate the rounds of some dialogues."""
    rounds = [round_ for dialog in dialogs for round_ in dialog.dialog]
    lengths = np.fromiter((len(dialog.dialog) for dialog in dialogs), np.int64, len(dialogs))
    owner = np.repeat(np.arange(len(dialogs)), lengths)
    first = np.cumsum(lengths) - lengths
    lists = [round_.answer_options for round_ in rounds]
    return Rounds(
        dialogs,
        positions,
        owner,
        np.arange(len(rounds)) - first[owner],
        _numbers([round_.question for round_ in rounds]),
        _numbers([round_.answer for round_ in rounds]),
        _numbers([round_.gt_index for round_ in rounds]),
        np.fromiter(chain.from_iterable(options or () for options in lists), np.int64),
        _numbers([None if options is None else len(options) for options in lists]),
    )


def _numbers(values: Sequence[int | None]) -> Numbers:
    given = (ABSENT if value is None else value for value in values)
    return np.fromiter(given, np.int64, len(values))


def usable(
    rounds: Rounds, questions: Table, answers: Table, source: str
) -> tuple[Numbers, list[Reject]]:
    """Return the rounds that become records, and a reject for each of the others."""
    rejected = np.zeros(len(rounds.owner), np.bool_)
    rejects: list[Reject] = []
    for bad, field, reason, detail in _faults(rounds, questions, answers):
        for row in np.flatnonzero(bad & ~rejected):
            place = f"dialog[{rounds.turn[row]}].{field}"
            position = rounds.positions[rounds.owner[row]]
            rejects.append(Reject(source, position, place, reason, detail))
        rejected |= bad
    return np.flatnonzero(~rejected), rejects


class _Fault(NamedTuple):
    bad: Mask
    field: str
    reason: str
    detail: str


def _faults(rounds: Rounds, questions: Table, answers: Table) -> Iterator[_Fault]:
    """Check all rounds; more serious faults come first."""
    has_answer = rounds.answer != ABSENT
    has_options = rounds.num_options != ABSENT
    no_question = questions.lacks(rounds.question)
    no_answer = answers.lacks(rounds.answer)
    yield _Fault(no_question, "question", "bad-value", "no question has this number")
    wrong = has_answer & no_answer
    yield _Fault(wrong, "answer", "bad-value", "no answer has this number")
    bare = ~has_answer & ~has_options
    yield _Fault(bare, "answer", "missing-field", "neither an answer nor options")
    broken = _after(rounds, no_question | no_answer)
    yield _Fault(broken, "question", "bad-value", "an earlier round can't be read")
    empty = questions.is_empty(rounds.question)
    yield _Fault(empty, "question", "empty-text", "the question is empty")
    empty = answers.is_empty(rounds.answer)
    yield _Fault(empty, "answer", "empty-text", "the answer is empty")
    yield _Fault(rounds.num_options == 0, "answer_options", "bad-value", "the list is empty")
    wrong = _any_option(rounds, answers.lacks(rounds.options))
    yield _Fault(wrong, "answer_options", "bad-value", "no answer has one of these numbers")
    wrong = has_answer & has_options & (rounds.gt_index == ABSENT)
    yield _Fault(wrong, "gt_index", "missing-field", "which option is right isn't said")
    wrong = (rounds.gt_index != ABSENT) & (_right_option(rounds) != rounds.answer)
    yield _Fault(wrong, "gt_index", "bad-value", "the option there isn't the answer")


def _after(rounds: Rounds, bad: Mask) -> Mask:
    """Mark the rounds after the first bad one of the same dialogue."""
    first_bad = np.full(len(rounds.dialogs), np.iinfo(np.int64).max)
    np.minimum.at(first_bad, rounds.owner[bad], rounds.turn[bad])
    return rounds.turn > first_bad[rounds.owner]


def _any_option(rounds: Rounds, bad: Mask) -> Mask:
    counts = np.maximum(rounds.num_options, 0)
    hit = np.zeros(len(counts), np.bool_)
    hit[np.repeat(np.arange(len(counts)), counts)[bad]] = True
    return hit


def _right_option(rounds: Rounds) -> Numbers:
    """Look up the option at `gt_index`; `ABSENT - 1`, which is no answer, if it is missing."""
    counts = np.maximum(rounds.num_options, 0)
    inside = (rounds.gt_index >= 0) & (rounds.gt_index < counts)
    starts = np.cumsum(counts) - counts
    right = np.full(len(counts), ABSENT - 1)
    right[inside] = rounds.options[(starts + rounds.gt_index)[inside]]
    return right


def options_of(rounds: Rounds, rows: Numbers, answers: Table) -> pa.Array:
    """Build the option lists of some rounds; null if a round has none."""
    all_counts = np.maximum(rounds.num_options, 0)
    counts = all_counts[rows]
    numbers = rounds.options[_spans((np.cumsum(all_counts) - all_counts)[rows], counts)]
    absent = pa.array(rounds.num_options[rows] == ABSENT, pa.bool_())
    return pa.ListArray.from_arrays(_offsets(counts), answers.take(numbers), mask=absent)


def history_of(rounds: Rounds, rows: Numbers, questions: Table, answers: Table) -> pa.Array:
    """Build the histories of some rounds; empty for the first round."""
    counts = rounds.turn[rows]
    earlier = _spans(rows - counts, counts)
    turns = pa.StructArray.from_arrays(
        [questions.take(rounds.question[earlier]), answers.take(rounds.answer[earlier])],
        names=["question", "answer"],
    )
    return pa.ListArray.from_arrays(_offsets(counts), turns)


def _spans(starts: Numbers, counts: Numbers) -> Numbers:
    """Concatenate the ranges `start, start + 1, ...` of these lengths."""
    before = np.cumsum(counts) - counts
    spans: Numbers = np.arange(counts.sum()) + np.repeat(starts - before, counts)
    return spans


def _offsets(counts: Numbers) -> pa.Array:
    return pa.array(np.concatenate(([0], np.cumsum(counts))).astype(np.int32))
