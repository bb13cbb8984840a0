"""Read a split without writing it: count records, collect rejects and picture keys.

Readers and counts are those of a conversion. Memory holds the distinct picture keys and eight bytes
a record.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from instructify._util.errors import UserError
from instructify._util.keyed import Hashes, hash_texts
from instructify.build import (
    Coverage,
    CoverageCounter,
    RawRoots,
    RawSplit,
    collector_paused,
    fields_in,
    option_values,
    read_split,
    repeated_hashes,
    sides_of,
    vocabulary_use,
)
from instructify.pictures import Problem, probe_picture
from instructify.readers import Chunk, RawFile
from instructify.rejects import Reject

MOST_EXAMPLES = 1_000  # of each reason
_MOST_DOUBLES = 10  # examples of them need a second reading
_PARTS = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class SurveyUnit:
    """A split whose raw files were found."""

    raw: RawSplit
    roots: RawRoots
    ocr: RawFile | None = None  # the user's side file
    vocabulary: tuple[str, ...] | None = None  # that its answers should be of
    decode: bool = False  # the pictures embedded in the raw files


class Survey(NamedTuple):
    """The result of reading a split; `failure` is the error with which a conversion would end."""

    records: int
    rejects: dict[str, int]
    examples: list[Reject]
    keys: pa.Array  # every picture key once
    failure: str | None
    coverage: Coverage
    vocabulary: tuple[int, int, int] | None  # answers in it, all answers, its size
    embedded: pa.Array  # the keys of pictures embedded in the raw files
    faults: list[tuple[str, str, str]]  # of those: key, reason, detail
    fields: frozenset[str]  # of own data, which some record has


def run_survey(unit: SurveyUnit) -> Survey:
    """Read a split."""
    counts: Counter[str] = Counter()
    examples: list[Reject] = []
    hashes: list[Hashes] = []
    keys: list[pa.Array] = []
    embedded: list[str] = []
    faults: list[tuple[str, str, str]] = []
    fields: set[str] = set()
    failure: str | None = None
    sides = sides_of(unit.raw.files, option_values(unit.raw.dataset), unit.ocr)
    coverage = CoverageCounter(sides)
    inside = answers = 0
    with collector_paused():
        try:
            for chunk in _chunks(unit):
                for reject in chunk.rejects:
                    counts[reject.reason] += 1
                    if counts[reject.reason] <= MOST_EXAMPLES:
                        examples.append(reject)
                hashes.append(hash_texts(chunk.records.column("record_id")))
                keys.append(pc.unique(chunk.records.column("pictures").flatten()))
                coverage.add(chunk.records, chunk.remarks)
                fields |= fields_in([chunk.records])
                for picture in chunk.embedded:
                    key = f"{unit.raw.dataset.name}/{picture.name}"
                    embedded.append(key)
                    facts = probe_picture(picture.data) if unit.decode else None
                    if isinstance(facts, Problem):
                        faults.append((key, *facts))
                if unit.vocabulary is not None:
                    known, given = vocabulary_use(chunk.records.column("answer"), unit.vocabulary)
                    inside, answers = inside + known, answers + given
                if len(keys) == _PARTS:
                    keys = [_distinct(keys)]
        except UserError as error:
            failure = str(error)
    total = sum(map(len, hashes))
    ids = np.unique(np.concatenate([np.empty(0, np.uint64), *hashes]))
    if len(ids) < total:
        counts["duplicate-id"] += total - len(ids)
        examples += _doubles(unit, repeated_hashes(hashes))
    size = None if unit.vocabulary is None else len(unit.vocabulary)
    return Survey(
        records=len(ids),
        rejects=dict(sorted(counts.items())),
        examples=examples,
        keys=_distinct(keys),
        failure=failure,
        coverage=coverage.coverage(),
        vocabulary=None if size is None else (inside, answers, size),
        embedded=pa.array(embedded, pa.string()),
        faults=faults,
        fields=frozenset(fields),
    )


def _chunks(unit: SurveyUnit) -> Iterator[Chunk]:
    return read_split(unit.raw, unit.roots, unit.ocr, seed=0, limit=None)


def _distinct(parts: list[pa.Array]) -> pa.Array:
    return pc.unique(pa.chunked_array(parts, pa.string()))


def _doubles(unit: SurveyUnit, repeated: frozenset[int]) -> list[Reject]:
    """Read again until some records with a repeated id are found, for examples."""
    rejects: list[Reject] = []
    seen: set[int] = set()
    try:
        for chunk in _chunks(unit):
            hashes = hash_texts(chunk.records.column("record_id")).tolist()
            for row in (row for row, value in enumerate(hashes) if value in repeated):
                if hashes[row] in seen:
                    rejects.append(_double(chunk.records, row))
                seen.add(hashes[row])
                if len(rejects) == _MOST_DOUBLES:
                    return rejects
    except UserError:
        pass  # reported at the first reading
    return rejects


def _double(records: pa.RecordBatch, row: int) -> Reject:
    name, source, position = (
        records.column(column)[row].as_py() for column in ("record_id", "source", "position")
    )
    return Reject(source, position, None, "duplicate-id", f"the id {name} is taken")
