"""Pictures fetched by img2dataset are found by url, in tars and in folders of loose files."""

import hashlib
import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from web_tars import members, url, write_tar

from instructify.catalog.model import Family
from instructify.pictures.keys import url_name
from instructify.pictures.locate import Locator
from instructify.pictures.roots import Location, Roots
from instructify.pictures.sources import Problem, SourceReader
from instructify.pictures.tars import WebMap, merge_web, plan_web, run_web

FAMILIES = {
    "web_capfilt": Family(
        name="web_capfilt",
        media="image",
        folders=("web_capfilt",),
        patterns=("images/{name}.jpg",),
        tars=("webdataset/*.tar", "*.tar"),
    )
}


def build_map(raw: Path, staging: Path) -> tuple[WebMap, list[str]]:
    scans = [run_web(unit) for unit in plan_web(FAMILIES, Roots.resolve(raw), staging)]
    return merge_web(scans, staging / "map"), [scan.problem for scan in scans if scan.problem]


def pictures_of(raw: Path, web: WebMap, numbers: Sequence[int]) -> Mapping[int, bytes | None]:
    roots = Roots.resolve(raw)
    locator = Locator(families=FAMILIES, roots=roots, web=web)
    found: dict[int, bytes | None] = {}
    with SourceReader(roots) as source:
        for number in numbers:
            place = locator.find(f"web_capfilt/{url_name(url(number))}")
            data = source.read(place, 1_000) if isinstance(place, Location) else None
            assert data is None or isinstance(data, bytes)
            found[number] = data
    return found


def test_the_name_of_a_url() -> None:
    text = "https://example.org/caf\u00e9.jpg"
    assert url_name(text) == hashlib.sha256(text.encode()).hexdigest()[:20]


@pytest.mark.parametrize(
    "tar_format", [tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]
)
def test_pictures_of_tars(tmp_path: Path, tar_format: int) -> None:
    raw = tmp_path / "raw"
    write_tar(raw / "web_capfilt/webdataset/00000.tar", members(7, 3, 12), tar_format)
    write_tar(raw / "web_capfilt/webdataset/00001.tar", members(40), tar_format)
    write_tar(raw / "web_capfilt/other.tar", members(50), tar_format)
    web, problems = build_map(raw, tmp_path / "staging")
    assert problems == []
    assert len(web) == 5
    assert pictures_of(raw, web, [3, 7, 12, 40, 50, 99]) == {
        3: b"picture 3",
        7: b"picture 7",
        12: b"picture 12",
        40: b"picture 40",
        50: b"picture 50",
        99: None,
    }


def test_pictures_of_loose_files(tmp_path: Path) -> None:
    folder = tmp_path / "raw/web_capfilt/webdataset/00003"
    folder.mkdir(parents=True)
    for name, data in members(5, 6):
        (folder / name).write_bytes(data)
    web, problems = build_map(tmp_path / "raw", tmp_path / "staging")
    assert problems == []
    found = pictures_of(tmp_path / "raw", web, [5, 6, 7])
    assert found == {5: b"picture 5", 6: b"picture 6", 7: None}


def test_the_first_of_two_pictures_of_a_url_counts(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    again = [
        (name.replace("9.", "8."), data.replace(b"picture", b"later")) for name, data in members(9)
    ]
    write_tar(raw / "web_capfilt/webdataset/00000.tar", members(9))
    write_tar(raw / "web_capfilt/webdataset/00001.tar", again)
    web, _ = build_map(raw, tmp_path / "staging")
    assert len(web) == 1
    assert pictures_of(raw, web, [9]) == {9: b"picture 9"}


def test_urls_come_from_the_table_where_json_is_missing(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    bare = [member for member in members(1, 2) if not member[0].endswith(".json")]
    path = write_tar(raw / "web_capfilt/webdataset/00000.tar", bare)
    table = pa.table(
        {"key": ["000000001", "000000002", "000000003"], "url": [url(1), None, url(3)]}
    )
    pq.write_table(table, path.with_suffix(".parquet"))
    web, problems = build_map(raw, tmp_path / "staging")
    assert problems == []
    assert pictures_of(raw, web, [1, 2, 3]) == {1: b"picture 1", 2: None, 3: None}


def test_damaged_notes_leave_the_neighbours_alone(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    notes = {
        1: b"{",
        2: b"[]",
        3: b'{"url": 5}',
        4: b'{"url": "\\ud800"}',
        5: b'{"url": null}',
        6: b"",
    }
    odd = [(f"{number:09}.json", data) for number, data in notes.items()]
    odd += [(f"{number:09}.jpg", b"lost") for number in notes]
    write_tar(raw / "web_capfilt/webdataset/00000.tar", [*odd, *members(8)])
    web, [problem] = build_map(raw, tmp_path / "staging")
    assert "00000.tar" in problem
    assert "key 000000001: its JSON can't be read" in problem
    assert len(web) == 1
    assert pictures_of(raw, web, [8]) == {8: b"picture 8"}


@pytest.mark.parametrize("size", [0, 100, 512, 1_400, 3_000, 5_200])
def test_a_cut_tar_gives_what_lies_before_the_cut(tmp_path: Path, size: int) -> None:
    raw = tmp_path / "raw"
    path = write_tar(raw / "web_capfilt/webdataset/00000.tar", members(1, 2, 3))
    path.write_bytes(path.read_bytes()[:size])
    web, _ = build_map(raw, tmp_path / "staging")
    found = pictures_of(raw, web, [1, 2, 3])
    assert len(web) == sum(data is not None for data in found.values())
    assert all(data in (None, f"picture {number}".encode()) for number, data in found.items())


def test_a_broken_tar_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "raw/web_capfilt/webdataset/00000.tar"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no tar at all" * 100)
    _, problems = build_map(tmp_path / "raw", tmp_path / "staging")
    _, again = build_map(tmp_path / "raw", tmp_path / "staging")
    assert len(problems) == 1
    assert "00000.tar" in problems[0]
    assert again == problems


def test_members_that_are_links_or_devices_are_no_pictures(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    path = raw / "web_capfilt/webdataset/00000.tar"
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w") as tar:
        for name, data in members(1):
            info = tarfile.TarInfo(name)
            if name.endswith(".jpg"):
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
                data = b""
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    web, _ = build_map(raw, tmp_path / "staging")
    assert len(web) == 0


def test_tars_behind_a_link_out_of_the_root_are_not_read(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    write_tar(tmp_path / "elsewhere/00000.tar", members(1))
    (raw / "web_capfilt").mkdir(parents=True)
    (raw / "web_capfilt/webdataset").symlink_to(tmp_path / "elsewhere")
    assert plan_web(FAMILIES, Roots.resolve(raw), tmp_path) == []
    assert len(plan_web(FAMILIES, Roots.resolve(raw, [tmp_path / "elsewhere"]), tmp_path)) == 1


def test_names_that_are_no_hash_are_not_found(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    write_tar(raw / "web_capfilt/webdataset/00000.tar", members(1))
    web, _ = build_map(raw, tmp_path / "staging")
    locator = Locator(families=FAMILIES, roots=Roots.resolve(raw), web=web)
    for name in ("", "xyz", "0" * 19, "0" * 20, "-" + "0" * 19, "f" * 20, "f" * 40):
        assert isinstance(locator.find(f"web_capfilt/{name}"), Problem)
