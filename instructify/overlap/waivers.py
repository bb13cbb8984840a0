"""Find held-out sets whose pictures a mixture trains on, except those that its recipe waives.

Pure functions: from kept results, the splits of a mixture and its waivers to pairs. Shared texts
are not a reason to refuse a run.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from instructify.overlap.result import Overlap
from instructify.overlap.trained import as_trained
from instructify.recipe import Waiver


class LeakedPair(NamedTuple):
    """A split of the mixture and a held-out split that share pictures; counts are of the latter."""

    held_in: str  # dataset/split
    held_out: str
    key: int
    content: int
    likeness: int
    of_pictures: int
    records: int  # of the held-out split

    @property
    def pictures(self) -> int:
        return self.key + self.content + self.likeness

    @property
    def sentence(self) -> str:
        """Return the sentence for a refusal."""
        ways = (
            f"{count:,} {way}"
            for count, way in (
                (self.key, "by key"),
                (self.content, "by bytes"),
                (self.likeness, "alike"),
            )
            if count
        )
        return (
            f"{self.held_in} has {self.pictures:,} of the {self.of_pictures:,} pictures of "
            f"{self.held_out} ({', '.join(ways)})"
        )


def leaked_pairs(
    overlaps: Iterable[Overlap],
    mixture: Mapping[str, Collection[str]],
    fine_tuned: Collection[str] = (),
) -> list[LeakedPair]:
    """List the pairs of a split of the mixture and an evaluated split that share pictures.

    `mixture` has the splits of each dataset that is trained on, whatever their names and the
    dataset's role; `fine_tuned` are those datasets whose own evaluation splits are evaluated after
    training.
    """
    pairs: dict[tuple[str, str], LeakedPair] = {}
    for overlap in (as_trained(computed, mixture, fine_tuned) for computed in overlaps):
        for shared in overlap.pictures:
            left, right = overlap.parts[shared.left], overlap.parts[shared.right]
            if not (left.is_trained and right.is_evaluated):
                continue
            pair = LeakedPair(
                left.name,
                right.name,
                shared.key,
                shared.content,
                shared.likeness,
                right.pictures,
                shared.right_records,
            )
            before = pairs.get((left.name, right.name))
            if before is None or before.pictures < pair.pictures:
                pairs[left.name, right.name] = pair
    return [pairs[names] for names in sorted(pairs, key=lambda names: (names[1], names[0]))]


def unwaived(
    overlaps: Iterable[Overlap],
    mixture: Mapping[str, Collection[str]],
    waivers: Sequence[Waiver],
    fine_tuned: Collection[str] = (),
) -> list[LeakedPair]:
    """List the leaked pairs that no waiver names; empty: nothing to refuse."""
    pairs = leaked_pairs(overlaps, mixture, fine_tuned)
    return [pair for pair in pairs if waiver_of(pair, waivers) is None]


def waiver_of(pair: LeakedPair, waivers: Sequence[Waiver]) -> Waiver | None:
    """Find the waiver of a pair: for its held-out dataset, and for its held-in dataset or any."""
    held_in, held_out = pair.held_in.partition("/")[0], pair.held_out.partition("/")[0]
    for waiver in waivers:
        if waiver.held_out == held_out and waiver.held_in in (None, held_in):
            return waiver
    return None
