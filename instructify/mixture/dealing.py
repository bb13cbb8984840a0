"""Assign the samples of a window to steps, and weigh each sample in the loss of its step.

A window is `num_batches` consecutive global batches. Both results are pure functions of the drawn
samples and their lengths: ranks, workers and accumulation have no effect, and a run that resumes
inside a window computes the same result.

Mixed batches are dealt by length over the whole window: the samples are sorted and cut into
batches, so that they need little padding. The order of the batches is shuffled by a key, so that a
run does not go from short to long again and again. The loss of a step is the mean over its label
tokens.

Logical batches, each of one member, stay in the step that they were drawn for; only their order
within the step is by length, so that passes have similar lengths. The loss of a step is the mean
over its logical batches of the mean over their label tokens: each has the same weight, as if every
GPU took one logical batch and gradients were averaged over GPUs.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from instructify._util.keyed import hash_texts, mix, permutations

Numbers = NDArray[np.int64]
Amounts = NDArray[np.int64] | NDArray[np.float64]  # counted, or estimated
WINDOW = 8  # global batches of a window, unless a recipe says otherwise


class Place(NamedTuple):
    """The position of a step: its window, and the batch of the window that it takes."""

    window: int
    batch: int


def place_of(step: int, num_batches: int) -> Place:
    """Find the window of a step."""
    return Place(*divmod(step, num_batches))


def deal_batches(
    lengths: Amounts, num_batches: int, key: str, *, bucket: bool, logical_batch: int | None = None
) -> Numbers:
    """Deal the samples of a window into batches; return their numbers, [num_batches, batch].

    `lengths` are in the order drawn. Samples of equal length keep that order. Without `bucket` all
    samples stay as drawn.
    """
    size, rest = divmod(len(lengths), num_batches)
    assert rest == 0
    drawn = np.arange(len(lengths), dtype=np.int64).reshape(num_batches, size)
    if not bucket:
        return drawn
    if logical_batch is not None:
        longest_first = np.argsort(-lengths[drawn], axis=1, kind="stable")
        return np.take_along_axis(drawn, longest_first, axis=1)
    dealt = np.argsort(-lengths, kind="stable").reshape(num_batches, size)
    order = permutations(mix(hash_texts([key]), "batches of a window", 0), num_batches)[0]
    shuffled: Numbers = dealt[order]
    return shuffled


def loss_weights(
    batches: Numbers, labels: Amounts, logical_batch: int | None = None
) -> NDArray[np.float64]:
    """Return the weight of each label of a sample in the loss of its step, [samples of the window].

    `batches` are as dealt, `labels` counts the label tokens of each sample, in the order drawn. The
    weights of all labels of a step add up to 1.
    """
    weights = np.empty(len(labels), np.float64)
    if logical_batch is None:
        weights[batches] = (1.0 / labels[batches].sum(axis=1))[:, None]
        return weights
    steps_share = logical_batch / batches.shape[1]
    totals = labels.reshape(-1, logical_batch).sum(axis=1)
    weights[:] = np.repeat(steps_share / totals, logical_batch)
    return weights
