"""Look up the picture keys of a shard of records that have no usable picture, with reasons.

A web dataset may have millions of them, so keys are looked up by 64-bit hashes in arrays, and the
texts stay in Arrow.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from instructify._util.keyed import Hashes, hash_texts
from instructify.pictures import read_notes


class ShardProblems(NamedTuple):
    """The file with the problems of a shard of records, and the number of the shard in it."""

    paths: tuple[Path, ...]
    shard: int


class Problems:
    """The problems of one shard's pictures."""

    def __init__(self, table: pa.Table) -> None:
        """Take a table of problems, sorted by the hash of the key or not."""
        hashes = np.asarray(table.column("key_hash")).astype(np.uint64, copy=False)
        if not (hashes[1:] >= hashes[:-1]).all():
            order = np.argsort(hashes, kind="stable")
            table, hashes = table.take(pa.array(order)), hashes[order]
        self._hashes: Hashes = hashes
        self._table = table.select(["key", "reason", "detail"]).combine_chunks()

    @classmethod
    def read(cls, problems: ShardProblems) -> "Problems":
        return cls(read_notes(problems.paths, problems.shard))

    def rows_with_problems(self, pictures: pa.ListArray) -> tuple[NDArray[np.int64], pa.Table]:
        """Return the rows with an unusable picture, in order, and the problem of its first one.

        `pictures` has the picture keys of each row.
        """
        if not len(self._hashes):
            return np.zeros(0, np.int64), self._table
        places = np.searchsorted(self._hashes, hashes := hash_texts(pictures.flatten()))
        places[places == len(self._hashes)] = 0
        bad = np.flatnonzero(self._hashes[places] == hashes)
        owners = np.asarray(pictures.value_parent_indices())[bad]
        rows, first = np.unique(owners, return_index=True)
        return rows.astype(np.int64), self._table.take(pa.array(places[bad[first]]))
