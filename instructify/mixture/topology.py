"""Who reads which positions: one global stream, cut for any ranks, accumulation and workers.

Step s takes the positions start + s * batch ...; these are cut into accumulation * world nearly
equal pieces, piece a * world + r being what rank r reads for its a-th forward pass. Only the cut
depends on the machines, never the samples of a step.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice

from instructify._util.errors import UserError


@dataclass(frozen=True, kw_only=True, slots=True)
class Topology:
    """A global batch and the processes that share it."""

    batch: int
    world: int = 1
    accumulation: int = 1

    def __post_init__(self) -> None:
        if min(self.batch, self.world, self.accumulation) < 1:
            raise UserError("batch, ranks and accumulation steps must be at least 1")
        if self.batch < self.world * self.accumulation:
            raise UserError(
                f"a global batch of {self.batch} cannot be cut for {self.world} ranks with "
                f"{self.accumulation} accumulation steps; each piece needs at least one sample"
            )

    def piece(self, start: int, step: int, micro: int, rank: int) -> range:
        """Return the positions of one rank's forward pass; pieces differ by one at the most."""
        if not (0 <= micro < self.accumulation and 0 <= rank < self.world):
            raise ValueError(f"there is no pass {micro} of rank {rank} in {self}")
        first = start + step * self.batch
        share = cut(self.batch, self.world * self.accumulation, micro * self.world + rank)
        return range(first + share.start, first + share.stop)

    def pieces(self, start: int, rank: int) -> Iterator[range]:
        """Go through all pieces of a rank, from position `start` on, without end."""
        for step in count():
            for micro in range(self.accumulation):
                yield self.piece(start, step, micro, rank)

    def worker_pieces(self, start: int, rank: int, worker: int, workers: int) -> Iterator[range]:
        """Go through every workers-th piece of a rank: what a loader asks of one worker in turn."""
        return islice(self.pieces(start, rank), worker, None, workers)


def cut(total: int, pieces: int, number: int) -> range:
    """Return one of `pieces` nearly equal pieces of range(total); sizes differ by one at most."""
    return range(total * number // pieces, total * (number + 1) // pieces)
