"""Split the samples of a step into passes by their numbers of positions.

A pass is padded to its longest sample, on both sides of an encoder-decoder. Passes of long samples
therefore have few samples, and passes of short ones many. A pass has at most `positions` padded
positions. The number of passes is chosen to minimise the cost of padding plus the fixed cost of
each pass. The result depends only on the sizes, so every process knows the passes of all others.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from instructify.mixture import cut

Numbers = NDArray[np.int64]
_ENCODER_BUCKETS = (16, 32)  # encoder positions that count as equal when sorting
_MOST_ROUNDS = 8  # numbers of passes tried above the minimum, if several processes share a step


class Size(NamedTuple):
    """The positions of a sample in encoder and decoder (0 without a decoder), and its frames."""

    encoder: int
    decoder: int
    frames: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PassRule:
    """The maximum of padded positions in a pass, and costs in units of an encoder position.

    `overhead` is the fixed cost of a pass, `decoder` the cost of a decoder position, and `frame`
    the cost of a frame in the Q-Former. A decoder-only model has only encoder positions.
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
    """The rows of one process in a pass, and the maximum of positions over the processes.

    A piece that does not count has no weight in the loss: it exists because processes that share
    layers (FSDP) must run the same number of passes.
    """

    rows: tuple[int, ...]
    most: int
    counts: bool = True


def padded(sizes: Numbers) -> int:
    """Count the positions of samples in one pass, padding included."""
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

    All processes have the same number. Without `reorder` samples keep the order of `rows`.
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
    """Return a process's piece of each round; without samples it repeats its shortest sample."""
    rank_rows = np.concatenate(pieces[rank::world])
    rows = rank_rows if len(rank_rows) else np.concatenate(pieces)
    shortest = int(rows[np.argmin(sizes[rows, :2].sum(axis=1))])
    for at in range(0, len(pieces), world):
        most = max(padded(sizes[piece]) for piece in pieces[at : at + world])
        mine = tuple(pieces[at + rank].tolist()) if at + rank < len(pieces) else ()
        yield Piece(mine or (shortest,), most, bool(mine))


def _orders(rows: Numbers, sizes: Numbers, *, reorder: bool) -> Iterator[Numbers]:
    """Yield the orders that put samples of similar size side by side."""
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
    """Split a step into the passes with the lowest total cost."""
    candidates: list[tuple[float, list[Numbers]]] = []
    for order in _orders(rows, sizes, reorder=reorder):
        cost, bounds = _cut(sizes[order], rule)
        candidates.append((cost, np.split(order, bounds)))
    return min(candidates, key=lambda candidate: candidate[0])[1]


def _cut(sizes: Numbers, rule: PassRule) -> tuple[float, list[int]]:
    """Find the cheapest split of samples in this order, by dynamic programming."""
    num = len(sizes)
    reach = max(1, rule.positions // int(sizes[:, :2].sum(axis=1).min()))
    least = np.full(num + 1, np.inf)
    least[0] = 0.0
    begin = np.zeros(num + 1, np.int64)
    counts = np.arange(1, num + 1)
    for end in range(1, num + 1):
        back = sizes[max(0, end - reach) : end][::-1]  # from the last sample of a pass to its first
        encoder = np.maximum.accumulate(back[:, 0])
        decoder = np.maximum.accumulate(back[:, 1])
        count = counts[: len(back)]
        fits = count * (encoder + decoder) <= rule.positions
        fits[0] = True  # a sample above the limit gets a pass to itself
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
    """Split a step into rounds with a pass for each process, all of nearly the same cost."""
    best: tuple[float, int, list[Numbers]] | None = None
    for order in _orders(rows, sizes, reorder=reorder):
        values = [Size(*size) for size in sizes[order].tolist()]
        fewest = len(_filled(values, rule, np.inf)) + 1
        first, before = -(-fewest // world), np.inf
        for rounds in range(first, first + _MOST_ROUNDS):
            most, bounds = _evened(values, rule, rounds * world)
            cost = rounds * (most + rule.overhead)
            if cost >= before:  # from here on, more passes only cost more
                break
            before = cost
            if best is None or cost < best[0]:
                best = (cost, rounds, np.split(order, bounds))
    assert best is not None
    _, rounds, pieces = best
    return [*pieces, *[rows[:0]] * (rounds * world - len(pieces))]


def _evened(values: Sequence[Size], rule: PassRule, pieces: int) -> tuple[float, list[int]]:
    """Split samples into at most `num` pieces so that the highest cost is as low as possible."""
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
    """Fill pieces in order up to a cost and the positions of a pass; returns the boundaries."""
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
