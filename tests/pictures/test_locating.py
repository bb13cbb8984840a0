"""Keys that are located as columns get what the locator gives each of them alone."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from instructify.catalog.model import Family
from instructify.pictures import key_order
from instructify.pictures.key_order import EVERY_KEY, sorted_by_hash, taken, with_hashes
from instructify.pictures.known import KnownFiles
from instructify.pictures.locate import Locator
from instructify.pictures.locating import LocateUnit, State, run_locate
from instructify.pictures.roots import Location, Roots
from instructify.pictures.tables import KEY_SCHEMA, PROBLEM_SCHEMA, write_part, write_work
from instructify.pictures.wanted import Keys

PATTERNS = [
    ("{name}.jpg",),
    ("train/x_{name}.JPG", "{name}.jpg"),
    ("\u00c9_{name}.jpg",),
    ("{name}\u0301.jpg", "{name}.jpg"),
    ("{name}",),
]
NAMES = [
    "oak",
    "Oak",
    "OAK",
    "k",
    "K",
    "caf\u00e9",
    "cafe",
    "two/1",
    "a b",
    "absent",
    "elm.jpg",
    "s",
]
FILES = [
    *("Oak.jpg", "\u212a.jpg", "Cafe\u0301.jpg", "two/1.jpg", "TRAIN/x_elm.jpg", "train/X_oak.jpg"),
    *("\u00e9_OAK.jpg", "ELM.JPG", "\u017f.jpg", "a b.jpg"),
]


@pytest.mark.parametrize("patterns", PATTERNS)
@pytest.mark.parametrize("files", [[], FILES])
def test_columns_give_what_the_locator_gives(
    tmp_path: Path, patterns: tuple[str, ...], files: list[str]
) -> None:
    family = Family(name="f", media="image", folders=("shared",), patterns=patterns, tars=())
    for file in files:
        path = tmp_path / "raw/shared" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"picture")
    (tmp_path / "raw").mkdir(exist_ok=True)
    roots = Roots.resolve(tmp_path / "raw", ())
    keys = [*(f"f/{name}" for name in NAMES), "other/1", "noslash"]
    table = with_hashes(pa.array(keys)).cast(KEY_SCHEMA)
    path = write_work(tmp_path / "keys.arrow", table)
    located = run_locate(
        LocateUnit(
            number=0,
            part=EVERY_KEY,
            keys=(Keys(path, len(keys), "release", "train"),),
            families={"f": family},
            roots=roots,
            known=KnownFiles.of(tmp_path / "build", [], []),
            staging=tmp_path,
        )
    )
    rows = pa.ipc.open_file(str(located.path)).read_all().to_pylist()
    assert sorted(row["key"] for row in rows) == sorted(keys)
    requests = pa.ipc.open_file(str(located.requests)).read_all().to_pylist()
    places = {row["key"]: (row["root"], row["file"]) for row in requests}
    locator = Locator(families={"f": family}, roots=roots)
    for row in rows:
        expected = locator.find(row["key"], "release")
        if isinstance(expected, Location):
            assert row["state"] == State.FILE
            assert places.pop(row["key"]) == (expected.root, expected.file)
            assert row["reason"] is row["detail"] is None
        else:
            assert row["state"] == State.MISSING
            assert (row["reason"], row["detail"]) == tuple(expected)
    assert not places


@pytest.mark.parametrize(
    "rows", [[], [0], [3], [2, 3, 4], [0, 1, 2, 3, 4, 5], [5, 4], [1, 3, 2, 4]]
)
def test_neighbours_that_are_not_copied_give_the_bytes_of_a_copy(
    tmp_path: Path, rows: list[int]
) -> None:
    texts = pa.array(["a", "", "ccc", "d", "\u00e9e", "f"])
    hashes = pa.array(np.arange(6), pa.uint64())
    whole = pa.table([hashes, texts, texts, texts], schema=PROBLEM_SCHEMA)
    cut = pa.concat_tables([whole.slice(0, 2), whole.slice(2)])
    for table in (whole, cut):
        part = taken(table, np.array(rows, np.int64))
        copied = whole.take(pa.array(rows, pa.int64()))
        assert part.equals(copied)
        written = write_part(tmp_path, "part", 0, part)
        assert written == write_part(tmp_path, "part", 0, copied)


def test_a_sorted_table_stays_and_equal_hashes_are_sorted_by_key() -> None:
    table = pa.table({"key_hash": pa.array([1, 5, 9], pa.uint64()), "key": ["c", "b", "a"]})
    assert sorted_by_hash(table) is table
    doubled = pa.table({"key_hash": pa.array([5, 5, 9], pa.uint64()), "key": ["b", "a", "c"]})
    assert sorted_by_hash(doubled)["key"].to_pylist() == ["a", "b", "c"]
    assert key_order.first_of_each(sorted_by_hash(doubled)).all()
