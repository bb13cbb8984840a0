"""Which releases name a picture key, and the first of them that has its file."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from instructify.pictures.locate import Locator
from instructify.pictures.roots import Location
from instructify.pictures.sources import Problem

_WORD_BITS = 62  # releases that are counted in one column of 64-bit numbers


class Releases:
    """Which releases name each key, as bits of a number per key."""

    def __init__(self, names: Sequence[str], bits: Sequence[int]) -> None:
        self._names = names
        self._bits = bits
        self._lists: dict[int, list[str]] = {}

    def names(self, row: int) -> list[str]:
        bits = self._bits[row]
        if bits not in self._lists:
            self._lists[bits] = [n for at, n in enumerate(self._names) if bits >> at & 1]
        return self._lists[bits]


def wanted_keys(
    requests: Mapping[str, Sequence[str] | pa.Array | pa.ChunkedArray],
) -> tuple[pa.Array, Releases]:
    """Return each key once, in order, and the releases that name it."""
    words = range(0, len(requests), _WORD_BITS)
    tables = []
    for at, keys in enumerate(requests.values()):
        column = (
            keys if isinstance(keys, pa.Array | pa.ChunkedArray) else pa.array(keys, pa.string())
        )
        distinct = pc.unique(column).cast(pa.string())
        columns = {"key": distinct}
        for first in words:
            bit = 1 << at - first if first <= at < first + _WORD_BITS else 0
            columns[f"bits{first}"] = pa.repeat(pa.scalar(bit, pa.int64()), len(distinct))
        tables.append(pa.table(columns))
    if not tables:
        return pa.array([], pa.string()), Releases([], [])
    sums = [(f"bits{first}", "sum") for first in words]
    merged = pa.concat_tables(tables).group_by("key").aggregate(sums).sort_by("key")
    keys = merged["key"].combine_chunks()
    bits = merged["bits0_sum"].to_numpy().tolist()
    for first in words[1:]:
        more = merged[f"bits{first}_sum"].to_numpy().tolist()
        bits = [low | high << first for low, high in zip(bits, more, strict=True)]
    return keys, Releases(list(requests), bits)


def first_found(locator: Locator, key: str, releases: Sequence[str]) -> Location | Problem:
    place = locator.find(key, releases[0])
    for release in releases[1:]:
        if isinstance(place, Location):
            break
        place = locator.find(key, release)
    return place
