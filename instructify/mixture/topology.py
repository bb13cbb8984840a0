"""Which process reads which positions of the stream, for any ranks, accumulation steps and workers.

Step s takes the positions start + s * batch ...; these are cut into accumulation * world nearly
equal pieces, and rank r reads piece a * world + r in its a-th forward pass. Only the cut depends on
the machines, never the samples of a step.
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
        """Return the positions of a rank's forward pass; piece sizes differ by at most one."""
        if not (0 <= micro < self.accumulation and 0 <= rank < self.world):
            raise ValueError(f"there is no pass {micro} of rank {rank} in {self}")
        first = start + step * self.batch
        share = cut(self.batch, self.world * self.accumulation, micro * self.world + rank)
        return range(first + share.start, first + share.stop)

    def pieces(self, start: int, rank: int) -> Iterator[range]:
        """Iterate over all pieces of a rank, from position `start` on, without end."""
        for step in count():
            for micro in range(self.accumulation):
                yield self.piece(start, step, micro, rank)

    def worker_pieces(self, start: int, rank: int, worker: int, workers: int) -> Iterator[range]:
        """Iterate over every workers-th piece of a rank, which are those of one loader worker."""
        return islice(self.pieces(start, rank), worker, None, workers)


def cut(total: int, pieces: int, number: int) -> range:
    """Return one of `pieces` nearly equal pieces of range(total); sizes differ by one at most."""
    return range(total * number // pieces, total * (number + 1) // pieces)
