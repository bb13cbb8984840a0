"""Join questions with the annotations of another file by question id, both streamed.

The releases have both files in the same order, so the streams are compared window by window and
joined without a look-up. From the first difference of ids on (a bad item, a question without
annotation, another order), the remaining annotations are kept as Arrow columns and looked up by id.
The result is always in the order of the questions.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from instructify.readers.base import RawFile
from instructify.readers.spans import InDoubt
from instructify.rejects import Reject

_NO_ANNOTATION = ("no-annotation", "no annotation has this question's id")
_NO_QUESTION = ("bad-value", "no question has this annotation's id")


class Part(NamedTuple):
    """Rows of one file, with the columns `question_id` and `position`, and rejects."""

    batch: pa.RecordBatch
    rejects: list[Reject]


class Joined(NamedTuple):
    """Questions and their annotations, row by row."""

    questions: pa.RecordBatch
    annotations: pa.RecordBatch
    rejects: list[Reject]


def join_by_question_id(
    questions_file: RawFile,
    questions: Iterator[Part],
    annotations_file: RawFile,
    annotations: Iterator[Part],
) -> Iterator[Joined]:
    """Join two streams by `question_id`; an unmatched question or annotation is a reject."""
    left, right = _Side(questions), _Side(annotations)
    while left.fill() and right.fill():
        size = min(left.batch.num_rows, right.batch.num_rows)
        ids = left.batch.column("question_id").slice(0, size)
        if not ids.equals(right.batch.column("question_id").slice(0, size)):
            break
        yield Joined(left.take(size), right.take(size), left.bad() + right.bad())
    if questions_file.span is not None and (left.fill() or right.fill()):
        raise InDoubt("the annotations don't follow the questions")
    yield from _join_rest(questions_file, left, annotations_file, right)


class _Side:
    """One of the two streams: rows that were read, and rejects that were not returned yet."""

    def __init__(self, parts: Iterator[Part]) -> None:
        self.batch: pa.RecordBatch = None  # set by the first `fill`: a stream has at least one part
        self._parts = parts
        self._rejects: list[Reject] = []

    def fill(self) -> bool:
        """Read some rows if there are none; returns False at the end of the stream."""
        while self.batch is None or not self.batch.num_rows:
            part = next(self._parts, None)
            if part is None:
                return False
            self.batch = part.batch
            self._rejects += part.rejects
        return True

    def take(self, size: int) -> pa.RecordBatch:
        taken = self.batch.slice(0, size)
        self.batch = self.batch.slice(size)
        return taken

    def bad(self) -> list[Reject]:
        rejects, self._rejects = self._rejects, []
        return rejects

    def rest(self) -> Iterator[pa.RecordBatch]:
        while self.fill():
            yield self.take(self.batch.num_rows)


def _join_rest(
    questions_file: RawFile, left: _Side, annotations_file: RawFile, right: _Side
) -> Iterator[Joined]:
    rest = _one_batch([*right.rest(), right.batch])
    ids = rest.column("question_id").to_numpy()
    order = np.argsort(ids, kind="stable")
    in_order = ids[order]
    used = np.zeros(len(ids), bool)
    for batch in left.rest():
        wanted = batch.column("question_id").to_numpy()
        places = np.searchsorted(in_order, wanted)
        is_known = np.zeros(len(wanted), bool)
        inside = places < len(ids)
        is_known[inside] = in_order[places[inside]] == wanted[inside]
        rows = order[places[is_known]]
        used[rows] = True
        lonely = batch.filter(pa.array(~is_known))
        yield Joined(
            batch.filter(pa.array(is_known)),
            rest.take(pa.array(rows)),
            left.bad() + right.bad() + _lonely(questions_file, lonely, *_NO_ANNOTATION),
        )
    lonely = rest.filter(pa.array(~used))
    rejects = left.bad() + right.bad() + _lonely(annotations_file, lonely, *_NO_QUESTION)
    if rejects:
        yield Joined(left.batch.slice(0, 0), rest.slice(0, 0), rejects)


def _one_batch(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    table = pa.Table.from_batches(batches).combine_chunks()
    return table.to_batches()[0] if table.num_rows else batches[-1]


def _lonely(file: RawFile, batch: pa.RecordBatch, reason: str, detail: str) -> list[Reject]:
    positions = batch.column("position").to_pylist()
    return [Reject(file.name, position, "question_id", reason, detail) for position in positions]
