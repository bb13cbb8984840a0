"""Index and store: each content once, the same bytes whatever the order, and nothing done twice."""

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from passes_help import Built, Requests, Units, go_through
from picture_cases import saved, scene

from instructify._util.errors import UserError
from instructify.catalog.model import Family
from instructify.pictures.key_order import EVERY_KEY
from instructify.pictures.known import KnownFiles, read_known
from instructify.pictures.reading import PictureStore
from instructify.pictures.roots import LOCAL_FOLDER, Roots
from instructify.pictures.store import check_space, needed_bytes, run_store, staged_bytes
from instructify.pictures.tables import (
    PICTURE_INDEX_SCHEMA,
    read_index,
    write_part,
)

FAMILIES = {
    name: Family(name=name, media="image", folders=(name,), patterns=("{name}.png",), tars=())
    for name in ("a", "b")
}


def convert(raw: Path, build: Path, requests: Requests, **options: Any) -> Built:
    return go_through(raw, build, requests, families=FAMILIES, **options)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Paint 12 pictures of family a, 5 of b, of which two show what a's show."""
    root = tmp_path / "raw"
    for family, seeds in (("a", range(12)), ("b", [20, 21, 22, 3, 4])):
        (root / family).mkdir(parents=True)
        for number, seed in enumerate(seeds):
            (root / family / f"{number:02}.png").write_bytes(saved(scene(80, 60, seed), "PNG"))
    return root


A_KEYS = [f"a/{number:02}" for number in range(12)]
B_KEYS = [f"b/{number:02}" for number in range(5)]
ALL: Requests = {"one": A_KEYS, "two": [*B_KEYS, *A_KEYS[:4]]}


def test_round_trip(raw: Path, tmp_path: Path) -> None:
    built = convert(raw, tmp_path / "build", ALL)
    store = PictureStore.open(built.build)
    assert len(store) == 17
    assert {store.key_at(row) for row in range(17)} == {*A_KEYS, *B_KEYS}
    for key in A_KEYS + B_KEYS:
        data = (raw / f"{key}.png").read_bytes()
        facts = store.facts(key)
        assert store.bytes(key) == data
        assert store.image(key).size == (facts.width, facts.height) == (80, 60)
        assert (facts.kind, facts.media, facts.size_bytes) == ("png", "image", len(data))
        assert facts.file is None
    assert "a/00" in store
    assert "a/99" not in store
    with pytest.raises(KeyError):
        store.facts("a/99")


def test_each_content_is_stored_once(raw: Path, tmp_path: Path) -> None:
    built = convert(raw, tmp_path / "build", ALL)
    store = PictureStore.open(built.build)
    assert built.plan.num_new == 15
    assert len(built.done.shards) > 1
    same = [store.facts(key) for key in ("a/03", "b/03")]
    assert same[0].sha256 == same[1].sha256
    assert same[0][8:10] == same[1][8:10]
    shards = [path for path in built.files() if path[0].isdigit()]
    rows = [pa.ipc.open_file(built.build / "pictures" / name).read_all() for name in shards]
    hashes = [sha256 for table in rows for sha256 in table["sha256"].to_pylist()]
    assert len(hashes) == len(set(hashes)) == 15
    assert hashes == sorted(hashes)


def test_any_order_and_number_of_processes_gives_the_same_bytes(raw: Path, tmp_path: Path) -> None:
    first = convert(raw, tmp_path / "first", ALL)
    backwards = convert(raw, tmp_path / "backwards", ALL, units=Units(backwards=True))
    twice = convert(raw, tmp_path / "twice", ALL, units=Units(times=2))
    parallel = convert(raw, tmp_path / "parallel", ALL, units=Units(workers=2))
    assert first.files() == backwards.files() == twice.files() == parallel.files()


def test_finished_units_are_not_run_again(raw: Path, tmp_path: Path) -> None:
    staging = tmp_path / "staging"
    first = convert(raw, tmp_path / "first", ALL, staging=staging)
    costly = [path for stem in ("facts", "shard") for path in staging.glob(f"{stem}-*")]
    stamps = {path: path.stat().st_mtime_ns for path in costly}
    again = convert(raw, tmp_path / "again", ALL, staging=staging)
    assert again.files() == first.files()
    assert len(list(staging.glob("facts-*"))) == first.looked_at
    assert {path: path.stat().st_mtime_ns for path in costly} == stamps


def test_a_later_conversion_appends(raw: Path, tmp_path: Path) -> None:
    build = tmp_path / "build"
    first = convert(raw, build, {"one": A_KEYS})
    old = {name: data for name, data in first.files().items() if name[0].isdigit()}
    second = convert(raw, build, {"two": [*B_KEYS, *A_KEYS[:4]]}, before=first)
    new = second.files()
    assert second.plan.num_new == 3
    assert all(new[name] == data for name, data in old.items())
    assert sorted(name[:5] for name in new if name[0].isdigit()) == [
        f"{number:05}" for number in range(len(old) + len(second.done.shards))
    ]
    store = PictureStore.open(build)
    for key in A_KEYS + B_KEYS:
        assert store.bytes(key) == (raw / f"{key}.png").read_bytes()


def test_the_same_conversion_again_does_nothing(raw: Path, tmp_path: Path) -> None:
    first = convert(raw, tmp_path / "build", ALL)
    files = first.files()
    again = convert(raw, tmp_path / "build", ALL, before=first)
    assert again.looked_at == 0
    assert again.plan.units == []
    assert again.files() == files


def test_without_notes_everything_is_looked_at_and_found_the_same(
    raw: Path, tmp_path: Path
) -> None:
    first = convert(raw, tmp_path / "build", ALL)
    files = first.files()
    for notes in (first.build / LOCAL_FOLDER).glob("seen-*.arrow"):
        notes.unlink()
    again = convert(raw, tmp_path / "build", ALL, before=first)
    assert again.looked_at > 0
    assert again.plan.units == []
    assert again.files() == files


def test_a_changed_picture_is_seen(raw: Path, tmp_path: Path) -> None:
    first = convert(raw, tmp_path / "build", ALL)
    fresh = saved(scene(80, 60, 99), "PNG")
    (raw / "a/05.png").write_bytes(fresh)
    again = convert(raw, tmp_path / "build", ALL, before=first)
    assert again.plan.num_new == 1
    assert PictureStore.open(first.build).bytes("a/05") == fresh


def test_a_stored_picture_outlives_its_file(raw: Path, tmp_path: Path) -> None:
    first = convert(raw, tmp_path / "build", ALL)
    data = (raw / "a/05.png").read_bytes()
    (raw / "a/05.png").unlink()
    again = convert(raw, tmp_path / "build", ALL, before=first)
    assert again.problems() == {}
    assert PictureStore.open(first.build).bytes("a/05") == data


def test_problems_are_told_by_key_and_carried_over(raw: Path, tmp_path: Path) -> None:
    (raw / "a/00.png").write_bytes(b"")
    (raw / "a/01.png").write_bytes(b"<html>")
    (raw / "a/02.png").unlink()
    requests = {"one": [*A_KEYS, "a/../../x"]}
    first = convert(raw, tmp_path / "build", requests)
    problems = first.problems()
    assert problems == {
        "a/../../x": "path-outside-root",
        "a/00": "picture-empty",
        "a/01": "not-a-picture",
        "a/02": "picture-missing",
    }
    (raw / "a/00.png").write_bytes(saved(scene(), "PNG"))
    second = convert(raw, tmp_path / "build", {"two": B_KEYS}, before=first)
    assert second.problems() == problems
    third = convert(raw, tmp_path / "build", requests, before=second)
    assert len(third.problems()) == 3
    assert "a/00" in PictureStore.open(third.build)


def test_references_are_read_from_their_folders(raw: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    (raw / "b").rename(images)
    built = convert(raw, tmp_path / "build", ALL, stored=(), images=[images])
    assert built.plan.units == []
    assert [name for name in built.files() if name[0].isdigit()] == []
    store = PictureStore.open(built.build)
    facts = store.facts("b/01")
    assert (facts.root, facts.file, facts.shard) == ("images0", "01.png", None)
    assert store.bytes("b/01") == (images / "01.png").read_bytes()
    everything = b"".join(built.files().values())
    assert str(tmp_path).encode() not in everything


def test_references_to_pictures_that_moved(raw: Path, tmp_path: Path) -> None:
    built = convert(raw, tmp_path / "build", ALL, stored=())
    moved = raw.rename(tmp_path / "moved")
    with pytest.raises(UserError, match="gone or changed"):
        PictureStore.open(built.build).bytes("a/01")
    store = PictureStore.open(built.build, roots=Roots.resolve(moved))
    assert store.bytes("a/01") == (moved / "a/01.png").read_bytes()
    (built.build / LOCAL_FOLDER / "roots.json").unlink()
    with pytest.raises(UserError, match="folders outside"):
        PictureStore.open(built.build).bytes("a/01")


def test_references_become_stored_when_asked_for(raw: Path, tmp_path: Path) -> None:
    first = convert(raw, tmp_path / "build", ALL, stored=())
    second = convert(raw, tmp_path / "build", ALL, before=first)
    assert second.looked_at == 0
    assert second.plan.num_new == 15
    direct = convert(raw, tmp_path / "direct", ALL)
    assert second.files() == direct.files()


def test_a_picture_that_changes_during_the_conversion_stops_it(raw: Path, tmp_path: Path) -> None:
    built = convert(raw, tmp_path / "build", ALL, staging=tmp_path / "staging")
    for path in (tmp_path / "staging").glob("shard-*.arrow"):
        path.unlink()
    (raw / "a/07.png").write_bytes(saved(scene(80, 60, 77), "PNG"))
    with pytest.raises(UserError, match="changed during the conversion"):
        _ = [run_store(unit) for unit in built.plan.units]
    assert len(list((tmp_path / "staging").glob("shard-*"))) < len(built.done.shards)


def test_a_disk_that_is_too_small_is_refused(tmp_path: Path) -> None:
    check_space(tmp_path / "not/yet/there", 1_000)
    with pytest.raises(UserError, match=r"need 1,000,000,000,000\.0 MB .* MB are free"):
        check_space(tmp_path / "not/yet/there", 10**18)


def test_needed_bytes_are_enough_and_staged_ones_are_counted(raw: Path, tmp_path: Path) -> None:
    built = convert(raw, tmp_path / "build", ALL, staging=tmp_path / "staging")
    sizes = [shard.facts.size_bytes for _, shard in built.done.shards]
    assert needed_bytes(built.plan.num_new, built.plan.new_bytes) >= sum(sizes)
    assert staged_bytes(tmp_path / "staging") == sum(sizes) >= built.plan.new_bytes


def test_nothing_asked_for(raw: Path, tmp_path: Path) -> None:
    built = convert(raw, tmp_path / "build", {})
    assert len(PictureStore.open(built.build)) == 0
    assert "x" not in PictureStore.open(built.build)
    assert read_index(built.paths("index")[0]).schema.equals(PICTURE_INDEX_SCHEMA)


def test_a_store_serves_threads_and_forks(raw: Path, tmp_path: Path) -> None:
    built = convert(raw, tmp_path / "build", ALL)
    store = PictureStore.open(built.build)
    expected = {key: (raw / f"{key}.png").read_bytes() for key in A_KEYS}
    keys = list(itertools.islice(itertools.cycle(A_KEYS), 400))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(store.bytes, keys)) == [expected[key] for key in keys]
    child = os.fork()
    if child == 0:
        os._exit(0 if all(store.bytes(key) == expected[key] for key in A_KEYS) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_damaged_files_are_refused(raw: Path, tmp_path: Path) -> None:
    built = convert(raw, tmp_path / "build", ALL)
    facts = PictureStore.open(built.build).facts("a/01")
    assert facts.shard is not None
    shard = built.build / "pictures" / facts.shard
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(UserError, match="damaged"):
        PictureStore.open(built.build).bytes("a/01")
    index = built.paths("index")[0]
    index.write_bytes(index.read_bytes()[:-100])
    with pytest.raises(UserError, match="damaged"):
        PictureStore.open(built.build)
    index.unlink()
    with pytest.raises(UserError, match="0 parts of picture indices"):
        PictureStore.open(built.build)


def test_an_index_of_another_format_is_refused(raw: Path, tmp_path: Path) -> None:
    built = convert(raw, tmp_path / "build", ALL)
    table = read_index(built.paths("index")[0]).replace_schema_metadata({"format": "1"})
    other = write_part(built.build, "index", 0, table)
    known = KnownFiles(index=(built.build / other.name,))
    with pytest.raises(UserError, match="another version"):
        read_known(known, EVERY_KEY)
