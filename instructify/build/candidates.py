"""Make closed answer sets that many samples share, stored once under the hash of their content."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence

from instructify._util.errors import UserError
from instructify.build.raw import RawRoots, find_split, read_context, reader_of
from instructify.catalog import Candidates, Catalog, Dataset


def set_id(values: Sequence[str]) -> str:
    """Hash a set with its order, since the earlier of equally scored answers wins."""
    return hashlib.sha256(json.dumps(list(values)).encode()).hexdigest()[:16]


def candidate_values(
    catalog: Catalog, dataset: Dataset, roots: RawRoots, seed: int
) -> tuple[tuple[str, ...] | None, str | None]:
    """Return the shared answer set of a dataset, or None and the reason if it should have one."""
    candidates = dataset.candidates
    if candidates is None or candidates.kind == "record":
        return None, None
    if candidates.kind == "fixed":
        return candidates.values, None
    try:
        return _vocabulary(catalog, dataset, candidates, roots, seed), None
    except UserError as error:
        first = str(error).partition(" How to get it")[0]
        return None, f"no answer vocabulary: {first}"


def _vocabulary(
    catalog: Catalog, dataset: Dataset, candidates: Candidates, roots: RawRoots, seed: int
) -> tuple[str, ...]:
    """Count the answers of the vocabulary's splits, sorted by frequency and then by text."""
    counts: Counter[str] = Counter()
    for name in candidates.splits:
        split = dataset.split(name)
        split_files = find_split(catalog, dataset, split, roots)
        for chunk in reader_of(dataset).read(read_context(split_files, roots, seed, None)):
            counts.update(chunk.records.column("answer").drop_null().to_pylist())
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    kept = [answer for answer, count in ranked if count >= candidates.min_count]
    return tuple(kept[: candidates.top])
