"""The share of each member in the loss: the weight of its label tokens, not the value of its loss.

With batches per rank, each logical batch has the same weight, so a member's share of the loss is
its share of the samples. With mixed batches, each label token of a step has the same weight. The
shares are then computed as in training: samples of all members are drawn in their proportions, each
as long as some sample of its member, and dealt into batches by length as the trainer does, and the
weights of their labels are added up. Since batches contain samples of similar length, short answers
share batches of few tokens, so the result is closer to the shares of the samples than counting
label tokens alone would give.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from instructify.mixture import Mixture, choose_rows, deal_batches, loss_weights
from instructify.recipe.lengths import Words
from instructify.recipe.run_settings import RunSettings

TOKENS_PER_WORD = 1.3  # of English, about, with the tokenizers of Vicuna and of T5
_SAMPLES = 1 << 16  # at least, or a window


class _Drawn(NamedTuple):
    member: NDArray[np.int64]
    length: NDArray[np.float64]
    labels: NDArray[np.float64]


def loss_shares(
    mixture: Mixture, words: Mapping[str, Words], settings: RunSettings, batch: int
) -> list[float]:
    """Return each member's share of the loss, in the order of the mixture's members."""
    if mixture.logical_batch is not None:
        return [float(share) for share in mixture.probabilities]
    each = settings.window * batch
    windows = max(1, -(-_SAMPLES // each))
    drawn = _draw(mixture, words, windows * each, settings.response_tokens)
    parts = np.zeros(len(mixture.members))
    for number in range(windows):
        member, length, labels = (column[number * each : (number + 1) * each] for column in drawn)
        dealt = deal_batches(length, settings.window, f"window {number}", bucket=settings.bucket)
        counts = loss_weights(dealt, labels) * labels
        parts += np.bincount(member, weights=counts, minlength=len(parts))
    return [float(part) for part in parts / parts.sum()]


def _draw(mixture: Mixture, words: Mapping[str, Words], count: int, most_labels: int) -> _Drawn:
    """Draw samples of all members in their proportions, spread over each member's lengths."""
    ends = np.rint(np.cumsum(mixture.probabilities) * count).astype(np.int64)
    shares = np.diff(ends, prepend=0)
    lengths, labels = [], []
    for member, share in zip(mixture.members, shares.tolist(), strict=True):
        member_words = words[member.name]
        by_length = np.argsort(member_words.response, kind="stable")
        taken = by_length[np.arange(share) * len(by_length) // max(share, 1)]
        tokens = (
            member_words.response[taken] * TOKENS_PER_WORD + 1
        )  # with the token that ends a response
        labels.append(np.minimum(tokens, most_labels))
        lengths.append(labels[-1] + member_words.instruction[taken] * TOKENS_PER_WORD)
    order = choose_rows(count, count, mixture.hash, "plan")
    return _Drawn(
        np.repeat(np.arange(len(shares)), shares)[order],
        np.concatenate(lengths)[order],
        np.concatenate(labels)[order],
    )
