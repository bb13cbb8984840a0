"""Read and write the table of shared answer sets, `candidates.arrow`.

Making the sets needs every reader and is in another module, so that opening a build stays fast.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from instructify._util.shards import FileFacts, read_arrow, write_arrow

CANDIDATES_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("values", pa.list_(pa.string()), nullable=False),
    ]
)


def write_candidates(path: Path, sets: Mapping[str, Sequence[str]]) -> FileFacts:
    """Write all sets of a build, sorted by id."""
    ids = sorted(sets)
    table = pa.table(
        {"id": ids, "values": [list(sets[identifier]) for identifier in ids]},
        schema=CANDIDATES_SCHEMA,
    )
    return write_arrow(path, CANDIDATES_SCHEMA, [table])


def read_candidates(path: Path) -> dict[str, tuple[str, ...]]:
    """Read all sets of a build; empty if there is no file."""
    if not path.exists():
        return {}
    return {
        row["id"]: tuple(row["values"]) for row in read_arrow(path, CANDIDATES_SCHEMA).to_pylist()
    }
