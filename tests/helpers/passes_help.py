"""The passes over pictures as a conversion goes through them, without anything else of it."""

import multiprocessing
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

import pyarrow as pa

from instructify._util.shards import write_arrow
from instructify.catalog.model import Family
from instructify.pictures.known import KnownFiles, keep_notes
from instructify.pictures.passes import (
    FoundPictures,
    PicturesWanted,
    StoredPictures,
    StorePlan,
    find_pictures,
    plan_storing,
    store_pictures,
)
from instructify.pictures.roots import Roots, save_roots
from instructify.pictures.tables import PROBLEM_SCHEMA, read_indices
from instructify.pictures.tars import WebScan
from instructify.pictures.wanted import RecordShard
from instructify.schema import RECORD_SCHEMA

Unit = TypeVar("Unit")
Result = TypeVar("Result")
Requests = Mapping[str, Sequence[str]]


class Built(NamedTuple):
    build: Path
    wanted: PicturesWanted
    found: FoundPictures
    plan: StorePlan
    done: StoredPictures
    looked_at: int  # units of pictures that were looked at

    def files(self) -> dict[str, bytes]:
        """Read every file that a manifest would name."""
        folder = self.build / "pictures"
        return {path.name: path.read_bytes() for path in sorted(folder.glob("*.arrow"))}

    def paths(self, stem: str) -> list[Path]:
        return sorted((self.build / "pictures").glob(f"{stem}-*.arrow"))

    def problems(self) -> dict[str, str]:
        table = read_indices(self.paths("problems"), PROBLEM_SCHEMA)
        return dict(zip(table["key"].to_pylist(), table["reason"].to_pylist(), strict=True))


class Units:
    """Runs units in turn, backwards, twice over, or in processes; counts those of each function."""

    def __init__(self, *, backwards: bool = False, times: int = 1, workers: int = 0) -> None:
        self.counts: Counter[str] = Counter()
        self._backwards, self._times, self._workers = backwards, times, workers

    def map(
        self,
        function: Callable[[Unit], Result],
        units: Sequence[Unit],
        done: Callable[[Unit, Result], None] | None = None,
        *,
        stage: str | None = None,
        through: bool = False,
    ) -> list[Result]:
        self.counts[function.__name__] += len(units)
        given = list(units)[:: -1 if self._backwards else 1]
        if self._workers:
            with ProcessPoolExecutor(self._workers, multiprocessing.get_context("spawn")) as pool:
                results = list(pool.map(function, given))
        else:
            for _ in range(self._times):
                results = [function(unit) for unit in given]
        return results[:: -1 if self._backwards else 1]


class _Bar:
    def advance(self, amount: int = 1) -> None: ...


@contextmanager
def stage(name: str, total: int, unit: str) -> Iterator[_Bar]:
    yield _Bar()


def shards_of(requests: Requests, folder: Path) -> list[RecordShard]:
    """Write the keys that each release names as the column of a shard of records."""
    shards = []
    for release, keys in requests.items():
        folder.mkdir(parents=True, exist_ok=True)
        rows = pa.array([[key] for key in keys], pa.list_(pa.string()))
        facts = write_arrow(
            folder / f"{release}.arrow",
            pa.schema([RECORD_SCHEMA.field("pictures")]),
            [pa.table({"pictures": rows}, schema=pa.schema([RECORD_SCHEMA.field("pictures")]))],
        )
        path = folder / facts.name
        shards.append(RecordShard(path, facts.sha256, release, f"{release}/train"))
    return shards


def go_through(
    raw: Path,
    build: Path,
    requests: Requests,
    *,
    families: Mapping[str, Family],
    web: Collection[str] = (),
    stored: Collection[str] | None = None,
    before: Built | None = None,
    staging: Path | None = None,
    units: Units | None = None,
    images: Sequence[Path] = (),
    packs: Sequence[WebScan] = (),
) -> Built:
    """Go through the steps of a conversion as the build engine does."""
    pool = units or Units()
    roots = Roots.resolve(raw, images)
    work = staging or build / "staging"
    work.mkdir(parents=True, exist_ok=True)
    folder = build / "pictures"
    known = KnownFiles()
    if before:
        known = KnownFiles.of(build, before.paths("index"), before.paths("problems"))
    wanted = PicturesWanted(
        shards=shards_of(requests, build / "records"),
        families=families,
        contained={name: families[name] for name in web},
        roots=roots,
        known=known,
        staging=work,
        packs=packs,
    )
    found = find_pictures(wanted, pool, stage)
    plan = plan_storing(
        found, wanted, frozenset(families if stored is None else stored), pool, shard_bytes=40_000
    )
    standing = [path.name for path in folder.glob("0*.arrow")]
    done = store_pictures(plan, found, wanted, standing, pool, stage)
    folder.mkdir(parents=True, exist_ok=True)
    for old in (*folder.glob("index-*.arrow"), *folder.glob("problems-*.arrow")):
        old.unlink()
    for facts in (*done.parts, *found.problems):
        shutil.copy(work / facts.name, folder / facts.name)
    for name, shard in done.shards:
        shutil.copy(shard.path, folder / name)
    keep_notes(build, [one.found for one in found.joined])
    save_roots(build, roots)
    if staging is None:
        shutil.rmtree(work)
    return Built(build, wanted, found, plan, done, pool.counts["run_files"])
