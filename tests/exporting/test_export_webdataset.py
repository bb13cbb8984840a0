"""WebDataset tars: what the webdataset library reads, Energon's index, and the bytes of the tar."""

import io
import json
import sqlite3
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import webdataset
import yaml
from build_help import Commands
from export_help import expected, export, receipt, sha256, tree
from hypothesis import given
from hypothesis import strategies as st

from instructify.exporting.tar import TarWriter, headers, padded

SHARD_BYTES = 100_000
MEDIA = ("jpg", "png", "avi")


@pytest.fixture(scope="module")
def tars(odd_build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of it, in shards of 200 kB."""
    out = tmp_path_factory.mktemp("tars") / "out"
    export(odd_build, out, shape="webdataset", shard_mb=1, shard_unit=SHARD_BYTES)
    return out


def samples_of(out: Path, files: list[str]) -> list[dict[str, Any]]:
    """Read with the library, as a user does."""
    paths = [str(out / name) for name in files]
    return list(webdataset.WebDataset(paths, shardshuffle=False, empty_check=False))


def test_webdataset_reads_every_sample(odd_build: Path, tars: Path) -> None:
    told = receipt(tars)["datasets"]
    for (name, split), rows in expected(odd_build).items():
        found = samples_of(tars, told[name][split]["files"])
        assert len(found) == len(rows) > 0
        for number, (sample, one) in enumerate(zip(found, rows, strict=True)):
            assert sample["__key__"] == f"{name}-{split}-{number:09d}"
            value = json.loads(sample["json"])
            answers = value.pop("answers")
            assert value == {field: one.row[field] for field in value}
            response = one.row["response"]
            assert answers == ([response] if response is not None else one.row["references"])
            media = sorted(key for key in sample if key.rpartition(".")[2] in MEDIA)
            assert tuple(sha256(sample[key]) for key in media) == one.pictures
            plain = {key for key in media if "." not in key}
            assert len(plain) == (1 if len(one.pictures) == 1 else 0)


def test_pictures_come_in_their_order(odd_build: Path, tars: Path) -> None:
    rows = expected(odd_build)["iconqa", "test"]
    assert max(len(one.pictures) for one in rows) > 2
    assert min(len(one.pictures) for one in expected(odd_build)["scienceqa", "test"]) == 0
    for sample, one in zip(
        samples_of(tars, receipt(tars)["datasets"]["iconqa"]["test"]["files"]), rows, strict=True
    ):
        if len(one.pictures) > 1:
            named = [sample[f"{number}.png"] for number in range(len(one.pictures))]
            assert tuple(map(sha256, named)) == one.pictures


def test_shards_are_cut_by_size(tars: Path) -> None:
    files = receipt(tars)["datasets"]["vqav2"]["train"]["files"]
    assert len(files) > 1
    for name in files:
        assert (tars / name).stat().st_size <= SHARD_BYTES + 2 * tarfile.RECORDSIZE
    with tarfile.open(tars / files[0]) as tar:
        used = sum(512 + -(-member.size // 512) * 512 for member in tar)
    assert SHARD_BYTES * 0.9 < used <= SHARD_BYTES


def test_nothing_of_the_machine_is_in_a_tar(tars: Path) -> None:
    with tarfile.open(tars / receipt(tars)["datasets"]["vqav2"]["val"]["files"][0]) as tar:
        for member in tar:
            assert (member.mtime, member.uid, member.gid, member.mode) == (0, 0, 0, 0o644)
            assert member.uname == member.gname == ""
            assert "." not in member.name.partition(".")[0]


def test_energon_finds_what_it_prepares(tars: Path) -> None:
    """Offsets, counts, splits and the SQLite index say of the tars what is in them."""
    folder = tars / "vqav2"
    info = json.loads((folder / ".nv-meta" / ".info.json").read_text())["shard_counts"]
    splits = yaml.safe_load((folder / ".nv-meta" / "split.yaml").read_text())["split_parts"]
    assert set(splits) == {"train", "val", "test"}
    assert [*splits["train"], *splits["val"]] == list(info)
    database = sqlite3.connect(folder / ".nv-meta" / "index.sqlite")
    for number, (name, count) in enumerate(info.items()):
        data = (folder / name).read_bytes()
        ends = struct.unpack(f"<{count + 1}Q", (folder / f"{name}.idx").read_bytes())
        query = "SELECT sample_key, byte_offset, byte_size FROM samples WHERE tar_file_id = ?"
        rows = database.execute(f"{query} ORDER BY sample_index", [number]).fetchall()
        assert [offset for _, offset, _ in rows] == list(ends[:-1])
        for key, offset, size in rows:
            with tarfile.open(fileobj=io.BytesIO(data[offset : offset + size])) as inside:
                assert inside.getnames() == [f"{key}.jpg", f"{key}.json"]
        parts = "SELECT content_byte_offset, content_byte_size FROM sample_parts"
        for offset, size in database.execute(f"{parts} WHERE part_name = 'json'").fetchall()[:1]:
            json.loads((folder / next(iter(info))).read_bytes()[offset : offset + size])


def test_energon_is_told_what_a_sample_is(tars: Path) -> None:
    def told(name: str) -> dict[str, Any]:
        value: dict[str, Any] = yaml.safe_load(
            (tars / name / ".nv-meta" / "dataset.yaml").read_text()
        )
        return value

    assert told("vqav2")["sample_type"]["__class__"] == "VQASample"
    assert told("msvd_qa")["sample_type"]["__class__"] == "VidQASample"
    assert told("iconqa")["__class__"] == told("scienceqa")["__class__"] == "CrudeWebdataset"
    blend = yaml.safe_load((tars / "held-in-train.yaml").read_text())["splits"]["train"]
    assert [one["path"] for one in blend["blend_epochized"]] == ["coco_caption", "vqav2"]


def test_shared_answer_sets_go_along(odd_build: Path, tars: Path) -> None:
    named = {one.row["candidate_set"] for rows in expected(odd_build).values() for one in rows} - {
        None
    }
    held = json.loads((tars / "candidates.json").read_text("utf-8"))
    assert set(held) == named
    assert all(held.values())


def test_the_same_build_gives_the_same_bytes(
    odd_build: Path, command: Commands, tmp_path: Path
) -> None:
    for out in (tmp_path / "one", tmp_path / "x" / "other"):
        assert command("export", odd_build, "--to", "webdataset", "--out", out).code == 0
    assert tree(tmp_path / "one") == tree(tmp_path / "x" / "other")


NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-./", min_size=1, max_size=100)


@given(st.lists(st.tuples(NAMES, st.integers(0, (1 << 33) - 1))))
def test_headers_are_those_of_tarfile(members: list[tuple[str, int]]) -> None:
    made = headers([name for name, _ in members], np.array([n for _, n in members], np.int64))
    for block, (name, size) in zip(made, members, strict=True):
        info = tarfile.TarInfo(name)
        info.size = size
        assert block.tobytes() == info.tobuf(tarfile.USTAR_FORMAT)


def test_headers_that_do_not_fit() -> None:
    for name, size in (("a" * 101, 1), ("a", 1 << 33)):
        with pytest.raises(ValueError, match="does not fit"):
            headers([name], np.array([size], np.int64))


@given(sizes=st.lists(st.sampled_from([0, 1, 511, 512, 513, 3_000, 7_680, 7_681, 20_000])))
def test_tars_are_those_of_tarfile(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int]
) -> None:
    """Members of all sizes, also of more than the buffer, and the end of the file."""
    path = tmp_path_factory.mktemp("tar") / "a.tar"
    contents = [bytes([65 + number]) * size for number, size in enumerate(sizes)]
    wanted = io.BytesIO()
    with tarfile.open(fileobj=wanted, mode="w", format=tarfile.USTAR_FORMAT) as peer:
        for number, content in enumerate(contents):
            info = tarfile.TarInfo(f"{number}.bin")
            info.size = len(content)
            peer.addfile(info, io.BytesIO(content))
    writer = TarWriter(path, buffer_bytes=8_192)
    for number, content in enumerate(contents):
        size = np.array([len(content)], np.int64)
        header = headers([f"{number}.bin"], size).tobytes()
        room = writer.reserve(512 + padded(len(content)))
        if room is None:
            writer.stream(header, len(content), writer_of(content))
        else:
            room[:] = header + content + bytes(padded(len(content)) - len(content))
    writer.close()
    assert path.read_bytes() == wanted.getvalue()


def writer_of(content: bytes) -> Any:
    from instructify.exporting.contents import write_all

    return lambda descriptor: write_all(descriptor, content)
