"""How the samples of a step are cut into passes: by the positions they take, not by their number.

A pass is padded to its longest sample, on both sides of an encoder-decoder. Long samples therefore
share passes with few others and short ones with many. A pass never takes more than `positions`; how
many passes there are weighs what padding costs against what a pass costs beside its positions. All
of it is a pure function of the sizes, so every process knows what the others do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from instructify.mixture import cut

Numbers = NDArray[np.int64]
_ENCODER_BUCKETS = (16, 32)  # positions of an encoder within which the decoder decides the order
_MOST_ROUNDS = 8  # more than the fewest that are tried, where several processes share a step


class Size(NamedTuple):
    """The positions of a sample on each side (no decoder: 0), and its frames."""

    encoder: int
    decoder: int
    frames: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PassRule:
    """The most padded positions of a pass, and what things cost, in positions of an encoder.

    `overhead` is what a pass costs beside its positions, `decoder` a position of a decoder, `frame`
    what the Q-Former does for a frame. A decoder-only model has encoder positions alone.
    """

    positions: int
    overhead: float = 512.0
    decoder: float = 1.0
    frame: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class FixedRule:
    """Passes of a fixed number of samples, whatever their lengths."""

    accumulation: int = 1  # passes of a process


ONE_PASS = FixedRule()


class Piece(NamedTuple):
    """The rows of a pass of one process, and the most positions of any process in that pass.

    A piece that does not count has no weight in the loss. It exists because processes that share
    layers have to run equally many passes.
    """

    rows: tuple[int, ...]
    most: int
    counts: bool = True


def padded(sizes: Numbers) -> int:
    """Count the positions that samples take together, padding included."""
    return int(len(sizes) * sizes[:, :2].max(axis=0).sum()) if len(sizes) else 0


def plan_step(
    rows: Sequence[int],
    sizes: Numbers,
    rule: PassRule | FixedRule,
    *,
    rank: int,
    world: int,
    reorder: bool = True,
) -> list[Piece]:
    """Plan the passes of a process in a step whose samples are `rows` of `sizes`, [samples, 3].

    All processes have equally many. Without `reorder` samples stay in the order of `rows`.
    """
    whole = np.array(rows, np.int64)
    if isinstance(rule, FixedRule):
        every = world * rule.accumulation
        spans = [cut(len(whole), every, at) for at in range(every)]
        pieces = [whole[span.start : span.stop] for span in spans]
    elif world == 1:
        pieces = _cheapest(whole, sizes, rule, reorder=reorder)
    else:
        pieces = _balanced(whole, sizes, rule, world, reorder=reorder)
    return [*_of_rank(pieces, sizes, rank, world)]


def _of_rank(pieces: list[Numbers], sizes: Numbers, rank: int, world: int) -> Iterator[Piece]:
    """Take the piece of a process in each round; a process without samples repeats its shortest."""
    rank_rows = np.concatenate(pieces[rank::world])
    rows = rank_rows if len(rank_rows) else np.concatenate(pieces)
    shortest = int(rows[np.argmin(sizes[rows, :2].sum(axis=1))])
    for at in range(0, len(pieces), world):
        most = max(padded(sizes[piece]) for piece in pieces[at : at + world])
        mine = tuple(pieces[at + rank].tolist()) if at + rank < len(pieces) else ()
        yield Piece(mine or (shortest,), most, bool(mine))


def _orders(rows: Numbers, sizes: Numbers, *, reorder: bool) -> Iterator[Numbers]:
    """Go through the orders in which samples of like size stand together."""
    if not reorder:
        yield rows
        return
    encoder, decoder = sizes[rows, 0], sizes[rows, 1]
    yield rows[np.argsort(-(encoder + decoder), kind="stable")]
    if decoder.any():
        yield rows[np.lexsort((-encoder, -decoder))]
        for width in _ENCODER_BUCKETS:
            yield rows[np.lexsort((-encoder, -decoder, -(encoder // width)))]


def _cheapest(
    rows: Numbers, sizes: Numbers, rule: PassRule, *, reorder: bool
) -> list[NDArray[np.int64]]:
    """Cut a step into the passes that cost least together."""
    candidates: list[tuple[float, list[Numbers]]] = []
    for order in _orders(rows, sizes, reorder=reorder):
        cost, bounds = _cut(sizes[order], rule)
        candidates.append((cost, np.split(order, bounds)))
    return min(candidates, key=lambda candidate: candidate[0])[1]


def _cut(sizes: Numbers, rule: PassRule) -> tuple[float, list[int]]:
    """Find the cheapest cuts of samples that stay in this order, by dynamic programming."""
    num = len(sizes)
    reach = max(1, rule.positions // int(sizes[:, :2].sum(axis=1).min()))
    least = np.full(num + 1, np.inf)
    least[0] = 0.0
    begin = np.zeros(num + 1, np.int64)
    counts = np.arange(1, num + 1)
    for end in range(1, num + 1):
        back = sizes[max(0, end - reach) : end][::-1]  # from the last sample of a pass backwards
        encoder = np.maximum.accumulate(back[:, 0])
        decoder = np.maximum.accumulate(back[:, 1])
        count = counts[: len(back)]
        fits = count * (encoder + decoder) <= rule.positions
        fits[0] = True  # one that is longer than allowed goes alone
        before = least[end - len(back) : end][::-1]
        cost = before + count * (encoder + rule.decoder * decoder) + rule.overhead
        cost[~fits] = np.inf
        chosen = int(cost.argmin())
        least[end], begin[end] = cost[chosen], end - 1 - chosen
    bounds: list[int] = []
    end = int(begin[num])
    while end > 0:
        bounds.append(end)
        end = int(begin[end])
    return float(least[num]), bounds[::-1]


def _balanced(
    rows: Numbers, sizes: Numbers, rule: PassRule, world: int, *, reorder: bool
) -> list[NDArray[np.int64]]:
    """Cut a step into rounds of a pass for each process, all passes of nearly the same cost."""
    best: tuple[float, int, list[Numbers]] | None = None
    for order in _orders(rows, sizes, reorder=reorder):
        values = [Size(*size) for size in sizes[order].tolist()]
        fewest = len(_filled(values, rule, np.inf)) + 1
        first, before = -(-fewest // world), np.inf
        for rounds in range(first, first + _MOST_ROUNDS):
            most, bounds = _evened(values, rule, rounds * world)
            cost = rounds * (most + rule.overhead)
            if cost >= before:  # more passes only cost more from here on
                break
            before = cost
            if best is None or cost < best[0]:
                best = (cost, rounds, np.split(order, bounds))
    assert best is not None
    _, rounds, pieces = best
    return [*pieces, *[rows[:0]] * (rounds * world - len(pieces))]


def _evened(values: Sequence[Size], rule: PassRule, pieces: int) -> tuple[float, list[int]]:
    """Cut samples into at most so many pieces whose dearest is as cheap as can be."""
    low = max(_cost(value.encoder, value.decoder, value.frames, 1, rule) for value in values)
    high = _cost(
        max(value.encoder for value in values),
        max(value.decoder for value in values),
        sum(value.frames for value in values),
        len(values),
        rule,
    )
    while high - low > 1 + low / 200:
        middle = (low + high) / 2
        if len(_filled(values, rule, middle)) < pieces:
            high = middle
        else:
            low = middle
    if len(_filled(values, rule, low)) < pieces:
        high = low
    return high, _filled(values, rule, high)


def _filled(values: Sequence[Size], rule: PassRule, most: float) -> list[int]:
    """Fill pieces in order up to a cost and to the positions of a pass; returns where to cut."""
    bounds: list[int] = []
    start = encoder = decoder = frames = 0
    for at, size in enumerate(values):
        wide, deep = max(encoder, size.encoder), max(decoder, size.decoder)
        count, shown = at - start + 1, frames + size.frames
        over = count * (wide + deep) > rule.positions
        if at > start and (over or _cost(wide, deep, shown, count, rule) > most):
            bounds.append(at)
            start, (encoder, decoder, frames) = at, size
        else:
            encoder, decoder, frames = wide, deep, shown
    return bounds


def _cost(encoder: int, decoder: int, frames: int, count: int, rule: PassRule) -> float:
    return count * (encoder + rule.decoder * decoder) + rule.frame * frames
