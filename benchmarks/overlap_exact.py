"""Shared pictures by key and by content: a million records against a million.

    python benchmarks/overlap_exact.py [ROUNDS] [RECORDS]

Two builds of one dataset each are laid out without pictures' bytes: RECORDS records, each with a
picture of its own, and an index of their hashes. Every tenth key of the second is the first's, and
every tenth content has another key. The command runs in fresh processes, without likeness; a
Python set of the keys and hashes, read by pyarrow, stands beside it.
"""

import hashlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
from measure import HEADER, line, run_in_turn
from numpy.typing import NDArray

from instructify._util.keyed import hash_texts
from instructify._util.shards import write_arrow, write_bytes
from instructify.build.card import render_card
from instructify.build.manifest import (
    FORMAT,
    DatasetEntry,
    FamilyEntry,
    Manifest,
    PicturesEntry,
    SplitEntry,
    file_entry,
)
from instructify.build.paths import rejects_name, shard_name
from instructify.pictures.tables import PICTURE_INDEX_SCHEMA, PROBLEM_SCHEMA, write_part
from instructify.schema import RECORD_SCHEMA

Numbers = NDArray[np.int64]
SHARD = 131_072
OBVIOUS = """
import sys, pyarrow as pa
sets = []
for folder in sys.argv[1:]:
    import pathlib
    keys, hashes = set(), set()
    index = next(pathlib.Path(folder, "pictures").glob("index-*.arrow"))
    table = pa.ipc.open_file(pa.memory_map(str(index))).read_all()
    place = dict(zip(table["key"].to_pylist(), table["sha256"].to_pylist()))
    for shard in sorted(pathlib.Path(folder, "records").rglob("*.arrow")):
        column = pa.ipc.open_file(pa.memory_map(str(shard))).read_all()["pictures"]
        for pictures in column.to_pylist():
            keys.update(pictures)
    sets.append((keys, {place[key] for key in keys}))
print(len(sets[0][0] & sets[1][0]), len(sets[0][1] & sets[1][1]))
"""


def lay_out(folder: Path, name: str, role: str, split: str, records: int, shift: int) -> None:
    """Write a build of one split; `shift` decides which keys and contents the other has too."""
    numbers = np.arange(records)
    keys = np.where(numbers % 10 == 0, numbers, numbers + shift)
    contents = np.where(numbers % 10 < 2, numbers, numbers + shift)
    files = {}
    shards: list[str] = []
    for start in range(0, records, SHARD):
        shard = shard_name("records", name, split, len(shards))
        batch = _records(name, split, keys[start : start + SHARD], start)
        files[shard] = file_entry(write_arrow(folder / shard, RECORD_SCHEMA, [batch]))
        shards.append(shard)
    parts = [
        write_part(folder / "pictures", "index", 0, _index(keys, contents)),
        write_part(folder / "pictures", "problems", 0, PROBLEM_SCHEMA.empty_table()),
    ]
    names = [f"pictures/{part.name}" for part in parts]
    files |= {name: file_entry(part) for name, part in zip(names, parts, strict=True)}
    files[rejects_name(name)] = file_entry(write_bytes(folder / rejects_name(name), b""))
    manifest = Manifest(
        format=FORMAT,
        instructify="0",
        catalog_sha256="",
        pictures=PicturesEntry(
            families={"coco": FamilyEntry(mode="reference", keys=records)},
            index=names[:1],
            problems=names[1:],
        ),
        datasets={name: _entry(role, split, records, shards)},
        candidate_sets={},
        files=files,
    )
    write_bytes(folder / "README.md", render_card(manifest).encode())
    write_bytes(folder / "manifest.json", manifest.to_bytes())


def _entry(role: str, split: str, records: int, shards: list[str]) -> DatasetEntry:
    """Say of a dataset only what the search reads."""
    of: dict[str, object] = dict.fromkeys(SplitEntry.__struct_fields__)
    of |= {"records": records, "samples": records, "pictures": records, "draws": 1, "seed": 0}
    of["prompts"] = "instruction"
    of |= {"forms": {}, "record_rejects": {}, "sample_rejects": {}, "raw": [], "notes": []}
    of |= {"record_shards": shards, "sample_shards": []}
    texts = ("reader", "templates_sha256", "templates_folder", "records_key", "samples_key")
    of.update(dict.fromkeys(texts, ""))
    entry: dict[str, object] = dict.fromkeys(DatasetEntry.__struct_fields__, "")
    entry |= {"role": role, "cluster": None, "metric": None, "options": {}, "weights": {}}
    entry |= {"own_candidates": False, "splits": {split: of}}
    return msgspec.convert(entry, DatasetEntry)


def _records(name: str, split: str, keys: Numbers, start: int) -> pa.RecordBatch:
    columns: dict[str, object] = {
        "record_id": [f"{name}/{split}/{start + row}" for row in range(len(keys))],
        "form": pa.array(["open"] * len(keys)).dictionary_encode(),
        "pictures": [[f"coco/{key:012d}"] for key in keys.tolist()],
        "question": [f"what is this number {key}" for key in keys.tolist()],
        "source": pa.array(["file"] * len(keys)).dictionary_encode(),
        "position": np.arange(start, start + len(keys)),
    }
    arrays = [
        pa.array(columns[field.name], field.type)
        if field.name in columns and not pa.types.is_dictionary(field.type)
        else columns.get(field.name, pa.nulls(len(keys), field.type))
        for field in RECORD_SCHEMA
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=RECORD_SCHEMA)


def _index(keys: Numbers, contents: Numbers) -> pa.Table:
    texts = pa.array([f"coco/{key:012d}" for key in keys.tolist()])
    key_hashes = hash_texts(texts)
    order = np.argsort(key_hashes)
    hashes = [hashlib.sha256(str(content).encode()).hexdigest() for content in contents[order]]
    values: dict[str, object] = {
        "key_hash": key_hashes[order],
        "key": texts.take(pa.array(order)).to_pylist(),
        "media": ["image"] * len(keys),
        "sha256": hashes,
        "phash": np.array([int(text[:16], 16) for text in hashes], np.uint64),
    }
    arrays = [
        pa.array(values[field.name], field.type)
        if field.name in values
        else pa.nulls(len(keys), field.type)
        for field in PICTURE_INDEX_SCHEMA
    ]
    return pa.Table.from_arrays(arrays, schema=PICTURE_INDEX_SCHEMA)


def _ways(one: Path, other: Path) -> Iterator[tuple[str, list[str]]]:
    start = "from instructify.cli import main; import sys; sys.exit(main() or 0)"
    command = [
        sys.executable,
        "-c",
        f"import sys\ntry:\n {start}\nexcept SystemExit: pass",
        "overlap",
    ]
    exact = [str(one), "--against", str(other), "--likeness", "none"]
    yield "Python sets, nothing else", [sys.executable, "-c", OBVIOUS, str(one), str(other)]
    yield "overlap, key and content", [*command, *exact, "--no-texts"]
    yield "overlap, with texts", [*command, *exact]


def main(rounds: int, records: int) -> None:
    """Measure and print a table."""
    with tempfile.TemporaryDirectory() as scratch:
        one, other = Path(scratch, "one"), Path(scratch, "other")
        lay_out(one, "vqav2", "held-in", "train", records, 0)
        lay_out(other, "vsr", "held-out", "test", records, 10 * records)
        runs = run_in_turn(dict(_ways(one, other)), rounds)
    print(f"{records:,} records against {records:,}, {rounds} rounds")
    print(HEADER)
    for name, own in runs.items():
        print(line(name, own))


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(*(given + [3, 1_000_000][len(given) :]))
