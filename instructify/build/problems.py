"""Picture keys that have no usable picture, with the reason, as a compact sorted table.

A web dataset may have millions of them, so keys are looked up by 64-bit hash in arrays and the
texts stay in Arrow.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from instructify._util.keyed import Hashes, hash_texts
from instructify._util.shards import FileFacts, read_arrow, write_arrow

PROBLEMS_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("reason", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
    ]
)


class Problem(NamedTuple):
    key: str
    reason: str
    detail: str


class Problems:
    """The problems of one split's pictures."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        hashes = hash_texts(table.column("key"))
        self._order = np.argsort(hashes)
        self._hashes: Hashes = hashes[self._order]

    @classmethod
    def read(cls, path: Path) -> "Problems":
        return cls(read_arrow(path, PROBLEMS_SCHEMA))

    def first_problem_rows(self, pictures: pa.ListArray) -> dict[int, Problem]:
        """Map each row that names an unusable picture to the problem of its first one."""
        if not len(self._hashes):
            return {}
        places = np.searchsorted(self._hashes, hashes := hash_texts(pictures.flatten()))
        places[places == len(self._hashes)] = 0
        bad = np.flatnonzero(self._hashes[places] == hashes)
        rows = np.asarray(pictures.value_parent_indices())[bad]
        found: dict[int, Problem] = {}
        for row, place in zip(rows.tolist(), self._order[places[bad]].tolist(), strict=True):
            if row not in found:
                found[row] = self._problem(place)
        return found

    def _problem(self, place: int) -> Problem:
        row = self._table.slice(place, 1).to_pylist()[0]
        return Problem(row["key"], row["reason"], row["detail"])


def write_problems(path: Path, problems: Iterable[Problem]) -> FileFacts:
    """Write problems sorted by key."""
    rows = sorted(problems)
    table = pa.table(
        {
            "key": pa.array([row.key for row in rows], pa.string()),
            "reason": pa.array([row.reason for row in rows], pa.string()).dictionary_encode(),
            "detail": pa.array([row.detail for row in rows], pa.string()),
        },
        schema=PROBLEMS_SCHEMA,
    )
    return write_arrow(path, PROBLEMS_SCHEMA, [table])
