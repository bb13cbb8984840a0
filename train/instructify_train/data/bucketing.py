"""Which samples of a window share a batch: a pure function of their lengths, and of nothing else.

A window is `num_batches` global batches in a row. Sorted by length and cut, batches need little
padding, and their order is shuffled by a key, so that a run does not go from short to long over
and over. What is drawn in a window stays what the mixture drew; only who sits beside whom changes.
Neither ranks, workers nor accumulation matter, and a run that resumes inside a window finds it
as it was.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from instructify._util.keyed import hash_texts, mix, permutations

Numbers = NDArray[np.int64]


class Place(NamedTuple):
    """Where a step is: its window, and which of the window's batches it takes."""

    window: int
    batch: int


def place_of(step: int, num_batches: int) -> Place:
    """Find the window of a step."""
    return Place(*divmod(step, num_batches))


def bucket_batches(lengths: Numbers, num_batches: int, key: str, *, bucket: bool) -> Numbers:
    """Deal the samples of a window into batches; returns their numbers, [num_batches, batch].

    `lengths` are in the order drawn. Samples of equal length keep that order.
    """
    size, rest = divmod(len(lengths), num_batches)
    assert rest == 0
    if not bucket:
        return np.arange(len(lengths), dtype=np.int64).reshape(num_batches, size)
    dealt = np.argsort(-lengths, kind="stable").reshape(num_batches, size)
    order = permutations(mix(hash_texts([key]), "batches of a window", 0), num_batches)[0]
    shuffled: Numbers = dealt[order]
    return shuffled
