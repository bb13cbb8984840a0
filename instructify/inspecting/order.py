"""The order of samples on a page: datasets take turns, and so do the pictures of a dataset.

Neighbours in a build come from one picture or one raw file. In mixed order the first screen shows
samples of all datasets.
"""

from collections.abc import Sequence
from itertools import zip_longest

from instructify.inspecting.gather import Shown


def mixed(shown: Sequence[Shown]) -> list[Shown]:
    """Order samples so that datasets take turns, and each picture comes once before any repeats.

    The order depends on the samples alone.
    """
    datasets: dict[str, list[Shown]] = {}
    for item in shown:
        datasets.setdefault(item.sample["dataset"], []).append(item)
    parts = [
        _spread_pictures(each, at / len(datasets)) for at, each in enumerate(datasets.values())
    ]
    turns = zip_longest(*parts)
    return [item for turn in turns for item in turn if item is not None]


def _spread_pictures(shown: Sequence[Shown], start: float) -> list[Shown]:
    """Put the first sample of each picture before the second of any.

    `start` (0 to 1) rotates the first samples, so that datasets with the same pictures begin with
    different ones.
    """
    times: dict[str, int] = {}
    rounds = []
    for item in shown:
        key = next(iter(item.sample["pictures"]), item.sample["record_id"])
        times[key] = times.get(key, 0) + 1
        rounds.append(times[key])
    order = sorted(range(len(shown)), key=rounds.__getitem__)
    num_first = rounds.count(1)
    offset = int(start * num_first)
    turned = [*order[offset:num_first], *order[:offset], *order[num_first:]]
    return [shown[at] for at in turned]
