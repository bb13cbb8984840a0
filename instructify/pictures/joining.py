"""Fourth step of the passes: for a range of keys, join the pictures with their facts and problems.

A unit joins the wanted keys of a range with the facts that the units of the third step wrote, and
with what the build already knows. It writes a table of pictures and a table of problems, so that
no process holds all keys.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from instructify._util.shards import FileFacts
from instructify.pictures.key_order import (
    KeyRange,
    first_of_each,
    match,
    numbers,
    one_array,
    read_range,
    sorted_by_hash,
    taken,
)
from instructify.pictures.known import Known, KnownFiles, read_known
from instructify.pictures.locating import Located, State
from instructify.pictures.looking import Facts
from instructify.pictures.tables import (
    FACTS_SCHEMA,
    FOUND_SCHEMA,
    LOCATED_SCHEMA,
    PROBLEM_SCHEMA,
    write_part,
    write_work,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class JoinUnit:
    """Join a range of keys with its facts; of several facts for a key the first counts."""

    number: int
    part: KeyRange
    located: tuple[Located, ...]
    facts: tuple[Facts, ...]
    known: KnownFiles
    embedded: frozenset[str]  # families of pictures that stand in raw files
    staging: Path


class Joined(NamedTuple):
    """`found` is of FOUND_SCHEMA; `problems` is a part of the build's table of problems."""

    part: KeyRange
    found: Path
    num_found: int
    problems: FileFacts
    families: Mapping[str, int]  # how many pictures of each there are
    used_roots: frozenset[str]  # labels of the folders that contain a wanted picture


def run_join(unit: JoinUnit) -> Joined:
    """Join a range of keys."""
    located = read_range([entry.path for entry in unit.located], unit.part, LOCATED_SCHEMA)
    facts = _first_facts(unit)
    known = read_known(unit.known, unit.part)
    pictures, problems = _joined(located, facts, known)
    problems = _still_judged(problems, known.problems, unit.embedded)
    named_keys = located.select(["key_hash", "key"])
    pictures = _with_others(pictures, known.seen, named_keys)
    problems = _with_others(problems, known.problems, named_keys)
    return Joined(
        part=unit.part,
        found=write_work(unit.staging / f"found-{unit.number:03}.arrow", pictures),
        num_found=pictures.num_rows,
        problems=write_part(unit.staging, "problems", unit.number, problems),
        families=_families(pictures["key"]),
        used_roots=frozenset(pc.unique(facts["root"]).drop_null().to_pylist()),
    )


def _first_facts(unit: JoinUnit) -> pa.Table:
    """Read the facts of a range, of each key those that come first."""
    paths = [fact.path for fact in unit.facts if fact.num_rows and fact.part.meets(unit.part)]
    facts = sorted_by_hash(read_range(paths, unit.part, FACTS_SCHEMA))
    return taken(facts, np.flatnonzero(first_of_each(facts)))


def _joined(located: pa.Table, facts: pa.Table, known: Known) -> tuple[pa.Table, pa.Table]:
    """Divide the wanted keys into pictures and problems, both sorted."""
    keys = located.select(["key_hash", "key"])
    state = numbers(located["state"])
    in_facts, in_known = match(keys, facts), match(keys, known.seen)
    has_facts = in_facts >= 0
    stored = np.zeros(len(state), np.bool_)
    at = np.flatnonzero(in_known >= 0)
    stored[at] = np.asarray(one_array(known.index["shard"]).is_valid())[in_known[at]]
    from_known = (state == State.KNOWN) | (~has_facts & stored)
    same = np.asarray(one_array(facts["unchanged"])).astype(np.bool_)
    from_known[has_facts] |= same[in_facts[has_facts]]
    looked = has_facts & ~from_known
    good = np.asarray(one_array(facts["reason"]).is_null())
    usable = looked.copy()
    usable[looked] = good[in_facts[looked]]
    pictures = pa.concat_tables(
        [
            taken(known.seen, in_known[from_known]),
            taken(facts.select(FOUND_SCHEMA.names), in_facts[usable]).cast(FOUND_SCHEMA),
        ]
    )
    bad, gone = looked & ~usable, ~looked & ~from_known
    names = PROBLEM_SCHEMA.names
    problems = pa.concat_tables(
        [
            taken(facts.select(names), in_facts[bad]).cast(PROBLEM_SCHEMA),
            taken(located.select(names), np.flatnonzero(gone)).cast(PROBLEM_SCHEMA),
        ]
    )
    return sorted_by_hash(pictures), sorted_by_hash(problems)


def _still_judged(problems: pa.Table, known: pa.Table, embedded: frozenset[str]) -> pa.Table:
    """Keep the results for pictures that are in raw files which were not read again.

    Their names are made from their contents, so the same name has the same problem.
    """
    again = np.zeros(problems.num_rows, np.bool_)
    for family in embedded:
        again |= np.asarray(pc.starts_with(one_array(problems["key"]), f"{family}/"))
    again &= np.asarray(pc.equal(one_array(problems["reason"]), "picture-missing"))
    if not again.any():
        return problems
    at = match(problems.select(["key_hash", "key"]), known)
    again &= at >= 0
    kept = [taken(problems, np.flatnonzero(~again)), taken(known, at[again])]
    return sorted_by_hash(pa.concat_tables(kept))


def _with_others(table: pa.Table, known: pa.Table, named_keys: pa.Table) -> pa.Table:
    """Add what the build knows about keys that no record names."""
    others = np.flatnonzero(match(known.select(["key_hash", "key"]), named_keys) < 0)
    if not len(others):
        return table
    return sorted_by_hash(pa.concat_tables([table, taken(known, others)]))


def _families(keys: pa.ChunkedArray) -> dict[str, int]:
    counts: dict[str, int] = {}
    left = one_array(keys)
    while len(left):
        family = left[0].as_py().partition("/")[0]
        in_family = pc.starts_with(left, f"{family}/")
        counts[family] = in_family.true_count
        left = left.filter(pc.invert(in_family))
    return counts
