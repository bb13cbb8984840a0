"""Bootstrap intervals: how far a value would move with other items of the same kind.

Items are drawn with replacement, as many as there are, 1,000 times; the interval holds the middle
95 % of what comes out (percentile method, Efron 1979). Draws are keyed by the number of items, so
that the same scores give the same interval on any machine.
"""

import numpy as np
from numpy.typing import NDArray

from instructify._util.keyed import key_of
from instructify.metrics.model import Floats, Interval

RESAMPLES = 1_000
_LEVEL = 0.95
_FEW = 64  # distinct scores, as those of VQA accuracy are
_BLOCK = 1 << 22  # draws at once: 32 MB


def mean_interval(scores: Floats) -> Interval:
    """Return the interval of a mean of scores."""
    values, counts = np.unique(scores, return_counts=True)
    if len(values) <= _FEW:
        return percentiles(_means_of_few(values, counts))
    count = len(scores)
    means = np.empty(RESAMPLES)
    rows = max(1, _BLOCK // count)
    for start in range(0, RESAMPLES, rows):
        stop = min(RESAMPLES, start + rows)
        means[start:stop] = scores[drawn(count, start, stop)].mean(axis=1)
    return percentiles(means)


def _means_of_few(values: Floats, counts: NDArray[np.int64]) -> Floats:
    """Draw the count of each value instead of the items: the same distribution, far faster."""
    total = int(counts.sum())
    generator = np.random.Generator(np.random.Philox(key=key_of("bootstrap of few", 0, total)))
    return generator.multinomial(total, counts / total, size=RESAMPLES) @ values / total


def drawn(count: int, start: int, stop: int, purpose: str = "bootstrap") -> NDArray[np.uint32]:
    """Draw item numbers for the resamples `start` to `stop`, a row each.

    Philox is counter-based and its raw bits are the same in every version of numpy, while its
    bounded integers may differ. The bias of the mapping used here is below count / 2**32.
    """
    bits = np.random.Philox(key=key_of(purpose, 0, count, start, stop))
    words = bits.random_raw(((stop - start) * count + 1) // 2).view(np.uint32)
    halves = words[: (stop - start) * count].reshape(stop - start, count)
    return ((halves.astype(np.uint64) * np.uint64(count)) >> np.uint64(32)).astype(np.uint32)


def percentiles(values: Floats) -> Interval:
    """Return the bounds of the level; half of the rest is on either side."""
    tail = (1 - _LEVEL) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return Interval(float(low), float(high))
