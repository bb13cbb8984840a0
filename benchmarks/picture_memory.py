"""Memory of the first process while units go through picture keys, at one size and at ten times it.

    python benchmarks/picture_memory.py [KEYS] [JOBS]

Shards of records name urls that no folder and no tar holds; only the passes over pictures run. The
first process runs no unit, so its memory is that of the receipts.
"""

import resource
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import pyarrow as pa

from instructify._util.shards import write_arrow
from instructify.build import EngineOptions, Progress, open_workers
from instructify.catalog import load_catalog
from instructify.pictures import KnownFiles, PicturesWanted, RecordShard, Roots, find_pictures
from instructify.schema import RECORD_SCHEMA

_SHARD_ROWS = 131_072
_SCHEMA = pa.schema([RECORD_SCHEMA.field("pictures")])


def write_shards(folder: Path, num_keys: int) -> list[RecordShard]:
    """Write shards of records, of which each names one picture of its own."""
    shards = []
    for start in range(0, num_keys, _SHARD_ROWS):
        stop = min(start + _SHARD_ROWS, num_keys)
        rows = [[f"web_capfilt/{number * 0x9E3779B97F4A7C15 % (1 << 80):020x}"]
                for number in range(start, stop)]  # fmt: skip
        batch = pa.table({"pictures": pa.array(rows, pa.list_(pa.string()))}, schema=_SCHEMA)
        facts = write_arrow(folder / f"{start}.arrow", _SCHEMA, [batch])
        shards.append(RecordShard(folder / facts.name, facts.sha256, "web_capfilt", "w/train"))
    return shards


def measure(num_keys: int, jobs: int) -> None:
    """Go through so many keys and print what it took; runs in a process of its own."""
    families = load_catalog().families
    with tempfile.TemporaryDirectory() as scratch, open_workers(EngineOptions(jobs=jobs)) as pool:
        folder = Path(scratch)
        with get_context("spawn").Pool(1) as writer:  # so that this process never holds them
            shards = writer.apply(write_shards, (folder, num_keys))
        (folder / "raw").mkdir()
        wanted = PicturesWanted(
            shards=shards,
            families=families,
            contained={"web_capfilt": families["web_capfilt"]},
            roots=Roots.resolve(folder / "raw"),
            known=KnownFiles(),
            staging=folder,
        )
        start = time.perf_counter()
        found = find_pictures(wanted, pool, Progress(shown=False).stage)
        wall = time.perf_counter() - start
    own = resource.getrusage(resource.RUSAGE_SELF)
    units = resource.getrusage(resource.RUSAGE_CHILDREN)
    lost = sum(split.num_problems for split in found.splits.values())
    print(
        f"{num_keys:>12,} keys, {lost:,} lost, {len(found.joined)} parts: {wall:.1f} s; first "
        f"process {own.ru_maxrss / 1024:.0f} MB, {own.ru_utime + own.ru_stime:.1f} s of CPU; "
        f"largest other {units.ru_maxrss / 1024:.0f} MB, all others "
        f"{units.ru_utime + units.ru_stime:.1f} s of CPU",
        flush=True,
    )


def main(num_keys: int, jobs: int) -> None:
    """Measure both sizes, each in a fresh process."""
    for factor in (1, 10):
        process = get_context("spawn").Process(target=measure, args=(num_keys * factor, jobs))
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(process.exitcode)


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(*(given + [1_000_000, 2][len(given) :]))
