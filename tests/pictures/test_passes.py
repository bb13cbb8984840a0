"""The passes cut keys into ranges and tars into units; no cut changes what a build holds."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from passes_help import Built, Units, go_through
from picture_cases import saved, scene
from web_tars import members, url, write_tar

from instructify._util.shards import write_arrow
from instructify.catalog.model import Family
from instructify.pictures import key_order, looking, passes
from instructify.pictures.key_order import (
    KeyRange,
    key_ranges,
    match,
    parts_for,
    sorted_by_hash,
    with_hashes,
)
from instructify.pictures.keys import url_name
from instructify.pictures.locate import Locator
from instructify.pictures.notes import read_notes
from instructify.pictures.packs import PackWriter, pack_scan
from instructify.pictures.reading import PictureStore
from instructify.pictures.tables import (
    KEY_SCHEMA,
    PICTURE_INDEX_SCHEMA,
    PROBLEM_SCHEMA,
    read_indices,
)
from instructify.pictures.wanted import Keys, read_wanted

FAMILIES = {
    "photos": Family(
        name="photos", media="image", folders=("photos",), patterns=("{name}.png",), tars=()
    ),
    "web": Family(
        name="web",
        media="image",
        folders=("web",),
        patterns=("images/{name}.png",),
        tars=("*.tar",),
        keep="reference",
    ),
}


def web_key(number: int) -> str:
    return f"web/{url_name(url(number))}"


def picture(number: int) -> bytes:
    return saved(scene(40, 30, number), "PNG")


def sample(number: int, data: bytes | None = None) -> list[tuple[str, bytes]]:
    """Make what img2dataset writes for a picture, with a real one in it."""
    image, *others = members(number)
    return [(image[0], picture(number) if data is None else data), *others]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos 0-9 in a folder; web pictures 0-9 in two tars, of which 4 is damaged and 5 in both."""
    root = tmp_path_factory.mktemp("passes") / "raw"
    (root / "photos").mkdir(parents=True)
    for number in range(10):
        (root / f"photos/{number}.png").write_bytes(picture(100 + number))
    first = [one for number in range(4) for one in sample(number)]
    first += [*sample(4, b"<html>"), *sample(5)]
    write_tar(root / "web/00000.tar", first)
    again = [one for number in range(6, 10) for one in sample(number)]
    write_tar(root / "web/00001.tar", [*sample(5, picture(55)), *again])
    return root


PHOTOS = [f"photos/{number}" for number in range(12)]  # of which 10 and 11 are not there
WEB = [web_key(number) for number in range(14)]  # of which 10 to 13 are in no tar
ALL = {"one": [*PHOTOS, *WEB[:7]], "two": [*WEB, *PHOTOS[:3], "photos/../x", "none/1", "noslash"]}


def convert(raw: Path, build: Path, **options: Any) -> Built:
    given = {"families": FAMILIES, "web": ["web"], "stored": ["photos"], **options}
    return go_through(raw, build, ALL, **given)


@pytest.fixture(scope="module")
def whole(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return convert(raw, tmp_path_factory.mktemp("whole") / "build")


def rows(built: Built) -> list[dict[str, Any]]:
    table = read_indices(built.paths("index"), PICTURE_INDEX_SCHEMA)
    return sorted(table.to_pylist(), key=lambda row: str(row["key"]))


def test_what_is_found_and_what_is_not(whole: Built, raw: Path) -> None:
    assert whole.problems() == {
        "photos/10": "picture-missing",
        "photos/11": "picture-missing",
        web_key(4): "not-a-picture",
        **{web_key(number): "picture-missing" for number in range(10, 14)},
        "photos/../x": "path-outside-root",
        "none/1": "picture-missing",
        "noslash": "picture-missing",
    }
    store = PictureStore.open(whole.build)
    assert len(store) == 10 + 9
    for number in range(10):
        assert store.bytes(f"photos/{number}") == picture(100 + number)
        if number != 4:
            assert store.bytes(web_key(number)) == picture(number)
    assert whole.found.families == {"photos": 10, "web": 9}
    assert whole.found.used_roots == {"raw"}


def test_each_family_is_kept_in_its_own_way(whole: Built) -> None:
    store = PictureStore.open(whole.build)
    photo, page = store.facts("photos/3"), store.facts(web_key(5))
    assert photo.shard is not None
    assert photo.file is None
    assert page.shard is None
    assert (page.root, page.file) == ("raw", "web/00000.tar")
    assert whole.plan.num_new == 10
    assert whole.done.num_distinct == 19


def test_splits_are_told_of_their_own_problems(whole: Built) -> None:
    one, two = whole.found.splits["one/train"], whole.found.splits["two/train"]
    assert (one.num_keys, one.num_problems) == (19, 3)
    assert (two.num_keys, two.num_problems) == (20, 8)
    notes = [note.path for note in whole.found.notes]
    assert all(path.parent == whole.wanted.staging for path in notes)
    assert one.problems_sha256 != two.problems_sha256


@pytest.mark.parametrize("parts", [2, 8, pytest.param(256, marks=pytest.mark.heavy)])
def test_ranges_change_no_row(
    raw: Path, whole: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: int
) -> None:
    monkeypatch.setattr(passes, "parts_for", lambda num_rows: parts)
    monkeypatch.setattr(looking, "UNIT_FILES", 2)
    cut = convert(raw, tmp_path / "build", units=Units(backwards=True), staging=tmp_path / "work")
    assert len(cut.paths("index")) == len(cut.paths("problems")) == parts
    assert rows(cut) == rows(whole)
    assert cut.problems() == whole.problems()
    assert cut.found.splits == whole.found.splits
    store = PictureStore.open(cut.build)
    assert all(store.bytes(row["key"]) for row in rows(whole))
    told = read_notes([note.path for note in cut.found.notes], 0)
    assert sorted(told["key"].to_pylist()) == sorted(["photos/10", "photos/11", web_key(4)])


def test_an_index_of_one_cut_is_carried_over_into_another(
    raw: Path, whole: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = convert(raw, tmp_path / "build")
    monkeypatch.setattr(passes, "parts_for", lambda num_rows: 8)
    units = Units()
    second = convert(raw, tmp_path / "build", before=first, units=units)
    assert rows(second) == rows(whole)
    assert second.problems() == whole.problems()
    assert second.plan.num_new == 0
    assert units.counts["run_files"] == 0


def test_a_large_tar_is_shared_out(
    raw: Path, whole: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "SHARE_BYTES", 3_000)
    units = Units(backwards=True)
    shared = convert(raw, tmp_path / "build", units=units)
    assert units.counts["run_container"] > 6
    assert shared.files() == whole.files()


def test_pictures_in_tars_are_not_decoded_again(
    raw: Path, whole: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = convert(raw, tmp_path / "build")
    decoded: list[str] = []
    probed = looking._probed

    def noted(source: Any, row: Any) -> Any:
        decoded.append(row["key"])
        return probed(source, row)

    monkeypatch.setattr(looking, "_probed", noted)
    again = convert(raw, tmp_path / "build", before=first)
    assert again.files() == first.files()
    # A problem may have been mended; what a second tar has too is not at the place that is known.
    assert decoded == [web_key(4), web_key(5)]


def test_a_tar_that_is_gone_leaves_what_is_stored(raw: Path, tmp_path: Path) -> None:
    copied = tmp_path / "raw"
    for path in raw.rglob("*.*"):
        (copied / path.relative_to(raw)).parent.mkdir(parents=True, exist_ok=True)
        (copied / path.relative_to(raw)).write_bytes(path.read_bytes())
    first = convert(copied, tmp_path / "stored", stored=["photos", "web"])
    referred = convert(copied, tmp_path / "referred")
    before = set(referred.problems())
    (copied / "web/00001.tar").unlink()
    stored = convert(copied, tmp_path / "stored", stored=["photos", "web"], before=first)
    assert stored.problems() == first.problems()
    gone = convert(copied, tmp_path / "referred", before=referred)
    assert set(gone.problems()) - before == {web_key(number) for number in range(6, 10)}


def test_a_family_that_becomes_stored_is_not_looked_at_again(raw: Path, tmp_path: Path) -> None:
    first = convert(raw, tmp_path / "build", stored=[])
    assert first.plan.units == []
    second = convert(raw, tmp_path / "build", stored=["photos"], before=first)
    direct = convert(raw, tmp_path / "direct")
    assert second.files() == direct.files()


def test_pictures_out_of_raw_files_are_found_in_their_pack(tmp_path: Path) -> None:
    """A pack is there in the run that reads its raw file; what it told stays true without it."""
    own = Family(
        name="own", media="image", folders=("own",), patterns=("{name}",), tars=(), embedded=True
    )
    families, folder = {"own": own}, tmp_path / "staged/unit"
    folder.mkdir(parents=True)
    (tmp_path / "raw").mkdir()
    names = [f"{number:020x}" for number in range(4)]
    pack = PackWriter(folder)
    for number, name in enumerate(names[:3]):
        pack.add(name, b"<html>" if number == 2 else picture(number))
    pack.close()
    keys = {"own": [f"own/{name}" for name in names]}
    line: Any = {"families": families, "web": ["own"]}
    first = go_through(
        tmp_path / "raw",
        tmp_path / "build",
        keys,
        packs=[pack_scan(folder, "images0", tmp_path / "staged")],
        images=[tmp_path / "staged"],
        **line,
    )
    problems = {keys["own"][2]: "not-a-picture", keys["own"][3]: "picture-missing"}
    assert first.problems() == problems
    assert PictureStore.open(first.build).bytes(keys["own"][1]) == picture(1)
    files = first.files()
    again = go_through(tmp_path / "raw", tmp_path / "build", keys, before=first, **line)
    assert again.files() == files
    assert again.problems() == problems


def test_keys_of_one_hash_are_told_apart() -> None:
    table = pa.table({"key_hash": pa.array([7, 7, 7, 1, 7], pa.uint64()),
                      "key": ["b", "a", "c", "d", "a"], "row": [0, 1, 2, 3, 4]})  # fmt: skip
    ordered = sorted_by_hash(table)
    assert ordered["row"].to_pylist() == [3, 1, 4, 0, 2]
    asked = pa.table({"key_hash": pa.array([7, 7, 7, 1, 2], pa.uint64()),
                      "key": ["c", "a", "x", "d", "e"]})  # fmt: skip
    assert match(asked, ordered).tolist() == [4, 1, -1, 0, -1]
    assert key_order.first_of_each(ordered).tolist() == [True, True, False, True, True]


def test_keys_of_one_hash_are_read_and_told_of(
    raw: Path, whole: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def same(texts: Any) -> np.ndarray:
        return np.full(len(texts), 5, np.uint64)

    for module in ("key_order", "looking", "reading"):
        monkeypatch.setattr(f"instructify.pictures.{module}.hash_texts", same)
    built = convert(raw, tmp_path / "build")
    assert built.problems() == whole.problems()
    store = PictureStore.open(built.build)
    for number in (0, 3, 5, 9):
        assert store.bytes(web_key(number)) == picture(number)
        assert store.bytes(f"photos/{number}") == picture(100 + number)
    assert "photos/10" not in store


def test_plain_and_odd_names_are_found_alike(tmp_path: Path) -> None:
    """Names go through columns or through the locator, by their letters alone."""
    folder = tmp_path / "raw/photos"
    folder.mkdir(parents=True)
    names = ["a", "a b", "\u00e9", "x" * 120, ".hidden", "-", "a.b", "two/1", "A"]
    for number, name in enumerate(names):
        (folder / f"{name}.png").parent.mkdir(exist_ok=True)
        (folder / f"{name}.png").write_bytes(picture(number))
    (folder / "link.png").symlink_to(folder / "a.png")
    (folder / "out.png").symlink_to("/etc/hostname")
    (folder / "folder.png").mkdir()
    keys = [f"photos/{name}" for name in [*names, "link", "out", "folder", "absent", "a\nb"]]
    built = go_through(tmp_path / "raw", tmp_path / "b", {"one": keys}, families=FAMILIES)
    assert built.problems() == {
        "photos/out": "path-outside-root",
        "photos/folder": "not-a-picture",
        "photos/absent": "picture-missing",
        "photos/a\nb": "picture-missing",
    }
    store = PictureStore.open(built.build)
    for number, name in enumerate(names):
        assert store.bytes(f"photos/{name}") == picture(number)
    assert store.bytes("photos/link") == picture(0)


def test_details_are_those_of_the_locator(raw: Path, whole: Built) -> None:
    table = read_indices(whole.paths("problems"), PROBLEM_SCHEMA)
    told = dict(zip(table["key"].to_pylist(), table["detail"].to_pylist(), strict=True))
    locator = Locator(families=FAMILIES, roots=whole.wanted.roots)
    for key, release in (("photos/10", "one"), (web_key(12), "two"), ("none/1", "two")):
        problem = locator.find(key, release)
        assert told[key] == problem[1]


def test_ranges_cover_all_hashes_once() -> None:
    for parts in (1, 2, 256):
        ranges = key_ranges(parts)
        assert (ranges[0].start, ranges[-1].stop) == (0, 1 << 64)
        assert all(one.stop == two.start for one, two in itertools.pairwise(ranges))
    assert [parts_for(n) for n in (0, 65_536, 65_537, 10**6, 10**9)] == [1, 1, 2, 16, 256]
    assert KeyRange(0, 5).meets(KeyRange(4, 9))
    assert not KeyRange(0, 5).meets(KeyRange(5, 9))


@pytest.mark.parametrize("count", [1, 31, 32, 33, 62, 63, 64, 125, 300])
def test_each_of_many_releases_is_known_to_name_its_keys(tmp_path: Path, count: int) -> None:
    """One key that all name, and one of each alone."""
    keys = []
    for number in range(count):
        folder = tmp_path / str(number)
        folder.mkdir()
        table = sorted_by_hash(with_hashes(pa.array(["f/shared", f"f/{number}"])))
        path = folder / "keys.arrow"
        write_arrow(path, KEY_SCHEMA, [table.cast(KEY_SCHEMA)])
        keys.append(Keys(path, 2, f"r{number}", "train"))
    wanted = read_wanted(keys, key_ranges(1)[0])
    names = wanted.table["key"].to_pylist()
    found = {names[row]: group.releases for group in wanted.groups for row in group.rows}
    every = tuple(f"r{number}" for number in range(count))
    assert found == {"f/shared": every, **{f"f/{n}": (f"r{n}",) for n in range(count)}}
