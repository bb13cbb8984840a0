"""The order of samples on a page: datasets take turns, and in a dataset its pictures do.

Neighbours in a build come from one picture or one raw file. Mixed, the first screen shows what the
build holds.
"""

from collections.abc import Sequence
from itertools import zip_longest

from instructify.inspecting.gather import Shown


def mixed(shown: Sequence[Shown]) -> list[Shown]:
    """Order samples so that datasets take turns; of a dataset each picture comes once, then again.

    The order depends on the samples alone.
    """
    datasets: dict[str, list[Shown]] = {}
    for one in shown:
        datasets.setdefault(one.sample["dataset"], []).append(one)
    parts = [
        _spread_pictures(each, at / len(datasets)) for at, each in enumerate(datasets.values())
    ]
    turns = zip_longest(*parts)
    return [one for turn in turns for one in turn if one is not None]


def _spread_pictures(shown: Sequence[Shown], start: float) -> list[Shown]:
    """Put the first sample of each picture before the second of any.

    The first ones begin at a part of the way: datasets of the same pictures then show others.
    """
    seen: dict[str, int] = {}
    rounds = []
    for one in shown:
        key = next(iter(one.sample["pictures"]), one.sample["record_id"])
        seen[key] = seen.get(key, 0) + 1
        rounds.append(seen[key])
    order = sorted(range(len(shown)), key=rounds.__getitem__)
    num_first = rounds.count(1)
    offset = int(start * num_first)
    turned = [*order[offset:num_first], *order[:offset], *order[num_first:]]
    return [shown[at] for at in turned]
