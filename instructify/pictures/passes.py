"""The passes over the pictures of a conversion: their units and the order of the steps.

1. `wanted`: the keys of each shard of records, sorted by hash.
2. `locating`, a unit per range of keys: the file of each key, and which keys may be in a tar.
3. `looking`, a unit per range of files or per tar: each wanted picture is decoded once.
4. `joining` and `notes`, a unit per range of keys: pictures, problems, and the shards that need
   these problems.
5. `contents`, a unit per range of contents, and `store`, a unit per shard.
6. `index`, a unit per part of the index.

The caller holds only receipts: paths and counts, never keys. Any process may run any unit of a
step, in any order, and more than once: equal units write equal files, each moved into place whole.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, TypeVar

from instructify._util.shards import FileFacts
from instructify.catalog import Family
from instructify.pictures.contents import Contents, ContentsUnit, SpillUnit, run_contents, run_spill
from instructify.pictures.index import IndexUnit, run_index
from instructify.pictures.joining import Joined, JoinUnit, run_join
from instructify.pictures.key_order import key_ranges, parts_for
from instructify.pictures.known import KnownFiles
from instructify.pictures.locating import Located, LocateUnit, run_locate
from instructify.pictures.looking import (
    Facts,
    plan_containers,
    plan_files,
    run_container,
    run_files,
)
from instructify.pictures.notes import Notes, NotesUnit, SplitPictures, run_notes, sum_up
from instructify.pictures.roots import Roots
from instructify.pictures.store import (
    SHARD_BYTES,
    Stored,
    StoreUnit,
    named_shards,
    next_number,
    plan_store,
    run_store,
)
from instructify.pictures.tars import WebScan, plan_web, run_web
from instructify.pictures.wanted import Keys, KeysUnit, RecordShard, run_keys

Unit = TypeVar("Unit")
Result = TypeVar("Result")


class Runner(Protocol):
    """Runs units and returns their results in the order of the units."""

    def map(
        self,
        function: Callable[[Unit], Result],
        units: Sequence[Unit],
        done: Callable[[Unit, Result], None] | None = None,
        *,
        stage: Literal["locate", "index"] | None = None,
        through: bool = False,
    ) -> list[Result]: ...


class Bar(Protocol):
    """The progress of one stage."""

    def advance(self, count: int = 1) -> None: ...


Stage = Callable[[str, int, str], AbstractContextManager[Bar]]  # its name, total and unit


@dataclass(frozen=True, kw_only=True, slots=True)
class PicturesWanted:
    """The input of the passes.

    `contained` names the families whose pictures may be in tars or packs. `packs` hold the pictures
    that were inside raw files; they come after the tars.
    """

    shards: Sequence[RecordShard]
    families: Mapping[str, Family]
    contained: Mapping[str, Family]
    roots: Roots
    known: KnownFiles
    staging: Path
    packs: Sequence[WebScan] = ()


class FoundPictures(NamedTuple):
    """All pictures of a build, located and decoded, but not yet stored."""

    joined: list[Joined]
    notes: list[Notes]
    splits: dict[str, SplitPictures]
    families: dict[str, int]
    num_keys: int
    used_roots: frozenset[str]
    container_problems: list[str]

    @property
    def problems(self) -> list[FileFacts]:
        """The parts of the table of problems, in the staging folder."""
        return [entry.problems for entry in self.joined]


class StoredPictures(NamedTuple):
    """The index and the new shards: name in `pictures/`, and file in the staging folder."""

    parts: list[FileFacts]
    shards: list[tuple[str, Stored]]
    num_distinct: int
    distinct_bytes: int


class StorePlan(NamedTuple):
    """What will be stored."""

    contents: list[Contents]
    units: list[StoreUnit]
    stored_families: frozenset[str]

    @property
    def num_new(self) -> int:
        return sum(content.num_new for content in self.contents)

    @property
    def new_bytes(self) -> int:
        return sum(content.new_bytes for content in self.contents)


def find_pictures(wanted: PicturesWanted, pool: Runner, stage: Stage) -> FoundPictures:
    """Run the first four steps: every wanted picture is decoded, or recorded as a problem."""
    keys = list_keys(wanted.shards, wanted.staging, pool)
    located = _locate(wanted, keys, pool, stage)
    scans = pool.map(
        run_web,
        plan_web(wanted.contained, wanted.roots, wanted.staging),
        stage="locate",
        through=True,
    )
    facts = _look(wanted, located, scans, pool, stage)
    parts = key_ranges(parts_for(sum(entry.num_rows for entry in located)))
    joins = [
        JoinUnit(
            number=number,
            part=part,
            located=tuple(entry for entry in located if entry.part.meets(part)),
            facts=tuple(fact for fact in facts if fact.num_rows and fact.part.meets(part)),
            known=wanted.known,
            embedded=frozenset(n for n, of in wanted.contained.items() if of.embedded),
            staging=wanted.staging,
        )
        for number, part in enumerate(parts)
    ]
    joined = pool.map(run_join, joins, stage="index", through=True)
    notes = note_problems(
        keys, [wanted.staging / entry.problems.name for entry in joined], wanted.staging, pool
    )
    used = [*(entry.used_roots for entry in located), *(entry.used_roots for entry in joined)]
    families: dict[str, int] = {}
    for entry in joined:
        for name, count in entry.families.items():
            families[name] = families.get(name, 0) + count
    return FoundPictures(
        joined=joined,
        notes=notes,
        splits=sum_up(notes),
        families=families,
        num_keys=sum(entry.num_keys for entry in located),
        used_roots=frozenset().union(*used),
        container_problems=[scan.problem for scan in scans if scan.problem is not None],
    )


def list_keys(shards: Sequence[RecordShard], staging: Path, pool: Runner) -> tuple[Keys, ...]:
    """List the keys of shards of records."""
    return tuple(
        pool.map(
            run_keys,
            [KeysUnit(shard=shard, staging=staging) for shard in shards],
            stage="locate",
            through=True,
        )
    )


def note_problems(
    keys: tuple[Keys, ...], problems: Sequence[Path], staging: Path, pool: Runner
) -> list[Notes]:
    """Write the problems of all parts of a table for the shards of records that name the keys."""
    units = [
        NotesUnit(number=number, part=part, keys=keys, problems=path, staging=staging)
        for number, (part, path) in enumerate(zip(key_ranges(len(problems)), problems, strict=True))
    ]
    return pool.map(run_notes, units, stage="index", through=True)


def plan_storing(
    pictures: FoundPictures,
    wanted: PicturesWanted,
    stored_families: frozenset[str],
    pool: Runner,
    *,
    shard_bytes: int = SHARD_BYTES,
) -> StorePlan:
    """Find the distinct contents, and cut those that are new into shards."""
    spills = [
        SpillUnit(
            number=number,
            part=entry.part,
            found=entry.found,
            known=wanted.known,
            stored_families=stored_families,
            staging=wanted.staging,
        )
        for number, entry in enumerate(pictures.joined)
    ]
    paths = tuple(pool.map(run_spill, spills, stage="index", through=True))
    units = [
        ContentsUnit(number=number, part=part, spills=paths, staging=wanted.staging)
        for number, part in enumerate(key_ranges(len(pictures.joined)))
    ]
    contents = pool.map(run_contents, units, stage="index", through=True)
    shards = plan_store(contents, wanted.roots, wanted.staging, shard_bytes)
    return StorePlan(contents, shards, stored_families)


def store_pictures(
    plan: StorePlan,
    pictures: FoundPictures,
    wanted: PicturesWanted,
    standing: Sequence[str],
    pool: Runner,
    stage: Stage,
) -> StoredPictures:
    """Write the new shards and the index; `standing` are the shards of the build so far."""
    with stage("store", len(plan.units), "shard") as bar:
        written = pool.map(
            run_store, plan.units, lambda *_: bar.advance(), stage="index", through=True
        )
    shards = named_shards(written, next_number(standing))
    units = [
        IndexUnit(
            number=number,
            found=entry.found,
            contents=tuple(plan.contents),
            shards=tuple((name, shard.facts.rows) for name, shard in shards),
            stored_families=plan.stored_families,
            staging=wanted.staging,
        )
        for number, entry in enumerate(pictures.joined)
    ]
    return StoredPictures(
        parts=pool.map(run_index, units, stage="index"),
        shards=shards,
        num_distinct=sum(content.num_distinct for content in plan.contents),
        distinct_bytes=sum(content.distinct_bytes for content in plan.contents),
    )


def _locate(
    wanted: PicturesWanted, keys: tuple[Keys, ...], pool: Runner, stage: Stage
) -> list[Located]:
    """Share the keys out by their number, an upper bound of those that are distinct."""
    parts = key_ranges(parts_for(sum(key.num_keys for key in keys)))
    units = [
        LocateUnit(
            number=number,
            part=part,
            keys=keys,
            families=wanted.families,
            roots=wanted.roots,
            known=wanted.known,
            staging=wanted.staging,
        )
        for number, part in enumerate(parts)
    ]
    with stage("locate", len(units), "range") as bar:
        return pool.map(run_locate, units, lambda *_: bar.advance(), stage="locate", through=True)


def _look(
    wanted: PicturesWanted,
    located: list[Located],
    scans: Sequence[WebScan],
    pool: Runner,
    stage: Stage,
) -> list[Facts]:
    """Look at files, then into containers; where a key is in several, the first counts."""
    files = plan_files(located, wanted.roots, wanted.staging)
    families = wanted.contained
    containers = plan_containers(
        [*scans, *wanted.packs], located, [*families.values()], wanted.roots, wanted.staging
    )
    with stage("pictures", sum(entry.num_files for entry in located), "file") as bar:
        facts = pool.map(
            run_files,
            files,
            lambda unit, _: bar.advance(unit.stop - unit.start),
            stage="locate",
            through=True,
        )
    with stage("tars", len(containers), "tar") as bar:
        return [
            *facts,
            *pool.map(run_container, containers, lambda *_: bar.advance(), stage="locate"),
        ]
