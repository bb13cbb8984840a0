"""The samples of a build to show: some of every split, spread over it, always the same ones."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from instructify._util.errors import UserError, did_you_mean
from instructify._util.keyed import key_of
from instructify.build import Build

PAGE_SAMPLES = 2_000  # in all, unless a number per split is given


class ChosenSplit(NamedTuple):
    """A split, the rows of it that are shown, and `total`, the number of all rows."""

    dataset: str
    split: str
    rows: Sequence[int]
    total: int


def choose_splits(build: Build, name: str | None, split: str | None) -> list[tuple[str, str]]:
    """List the requested splits.

    Raises:
        UserError: the build has no dataset or split of that name.
    """
    names = [name] if name is not None else list(build.manifest.datasets)
    splits = {of for dataset in names for of in build.dataset(dataset).splits}
    if split is not None and split not in splits:
        raise UserError(f"no dataset here has a split '{split}'; {did_you_mean(split, splits)}")
    pairs = [(dataset, of) for dataset in names for of in build.dataset(dataset).splits]
    return [pair for pair in pairs if split in (None, pair[1])]


def choose_samples(
    build: Build, name: str | None, split: str | None, number: int | None, seed: int
) -> list[ChosenSplit]:
    """Choose `number` rows of each split, or a fair part of `PAGE_SAMPLES` if `number` is None."""
    pairs = choose_splits(build, name, split)
    sizes = [build.split(*pair).samples for pair in pairs]
    shares = fair_shares(sizes, PAGE_SAMPLES) if number is None else [number] * len(pairs)
    return [
        ChosenSplit(*pair, spread(size, share, "/".join(pair), seed), size)
        for pair, size, share in zip(pairs, sizes, shares, strict=True)
    ]


def fair_shares(sizes: Sequence[int], total: int) -> list[int]:
    """Divide `total` evenly, at least one each; what exceeds a small size goes to the others."""
    shares = [0] * len(sizes)
    left = total
    for num_done, place in enumerate(sorted(range(len(sizes)), key=lambda at: sizes[at])):
        shares[place] = min(sizes[place], max(1, left // (len(sizes) - num_done)))
        left = max(0, left - shares[place])
    return shares


def spread(size: int, number: int, key: str, seed: int = 0) -> Sequence[int]:
    """Choose rows spread over a split, always the same ones: one from each of `number` ranges."""
    if number >= size:
        return range(size)
    bounds = [size * place // number for place in range(number + 1)]
    purpose = f"inspect {key}" if not seed else f"inspect {key} {seed}"
    return [low + key_of(purpose, low) % (high - low) for low, high in pairwise(bounds)]
