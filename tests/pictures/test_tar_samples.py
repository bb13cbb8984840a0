"""A picture of a tar gets the url of its own sample, or a fault names tar and key."""

import io
import json
import os
import random
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tar_bytes import (
    BLOCK,
    END,
    header,
    member,
    note,
    padded,
    pax,
    picture,
    sample,
    text,
    with_checksum,
)

from instructify.pictures.roots import Location, Roots
from instructify.pictures.sources import SourceReader
from instructify.pictures.tar_samples import scan_tar


def scan(folder: Path, data: bytes) -> tuple[Mapping[str, str], str]:
    """Return the picture of each url as text, and the line about the tar."""
    path = folder / "00000.tar"
    path.write_bytes(data)
    spans, problem = scan_tar(path)
    found = {url: data[at : at + size].decode() for url, (at, size) in spans.items()}
    return found, problem or ""


def right(*urls: str) -> dict[str, str]:
    return {url: f"picture of {url}" for url in urls}


TWO_RUNS = {
    "one after the other": sample(0, "a") + sample(1, "b") + sample(0, "c") + sample(1, "d") + END,
    "archives end to end": sample(0, "a") + sample(1, "b") + END + sample(0, "c") + sample(1, "d")
    + END,
    "with much room between": sample(0, "a") + sample(1, "b") + END + bytes(90 * BLOCK)
    + sample(0, "c") + sample(1, "d") + END,
    "of one sample each time": sample(0, "a") + END + sample(0, "b") + END + sample(0, "c") + END
    + sample(0, "d") + END,
    "of which the last key begins the next": sample(1, "a") + sample(0, "b") + sample(0, "c")
    + sample(1, "d") + END,
    "JSON first": note(0, "a") + picture(0, "a") + note(1, "b") + picture(1, "b")
    + note(0, "c") + picture(0, "c") + note(1, "d") + picture(1, "d") + END,
}  # fmt: skip


@pytest.mark.parametrize("layout", TWO_RUNS)
def test_runs_that_share_their_keys(tmp_path: Path, layout: str) -> None:
    found, problem = scan(tmp_path, TWO_RUNS[layout])
    assert found == right("a", "b", "c", "d")
    assert problem == ""


def test_a_note_whose_own_picture_is_gone_gets_no_other(tmp_path: Path) -> None:
    data = picture(0, "a") + text(0) + note(0, "a") + text(0) + note(0, "b") + sample(1, "c") + END
    found, problem = scan(tmp_path, data)
    assert found == right("a", "c")
    assert problem == ""


def test_members_of_a_sample_may_come_in_any_order(tmp_path: Path) -> None:
    others = b"".join(picture(n) + note(n) + text(n) for n in (5, 6, 7))
    data = picture(0, "a") + text(0) + note(0, "a") + text(0) + note(0, "b") + others + END
    assert scan(tmp_path, data) == (right("a", "5", "6", "7"), "")


def test_a_picture_whose_own_note_is_gone_gets_no_other(tmp_path: Path) -> None:
    data = sample(0, "a") + picture(1, "x") + text(1) + sample(2, "b") + text(1) + note(1, "c")
    found, problem = scan(tmp_path, data + END)
    assert found == right("a", "b")
    assert "00000.tar" in problem
    assert "key 000000001" in problem


def test_the_rests_of_two_samples_do_not_make_one(tmp_path: Path) -> None:
    """The last sample of a run lost its note, the first of the next its picture."""
    run = b"".join(sample(n) for n in range(3, 6))
    rests = picture(0, "x") + note(0, "y")
    found, problem = scan(tmp_path, sample(0) + run + rests + sample(1) + END)
    assert found == right("0", "3", "4", "5", "1")
    assert "key 000000000" in problem


SEAMS = {
    "picture, then JSON": sample(1, "a") + sample(2, "b") + picture(0, "x") + note(0, "y")
    + sample(1, "c") + picture(2, "z"),
    "JSON, then picture": note(0, "x") + picture(0, "y") + picture(1, "z") + note(2) + picture(2)
    + note(0, "v") + picture(0, "v") + note(1, "a") + picture(1, "a"),
    "at the start": picture(0, "x") + note(0, "y") + picture(1, "z") + picture(2, "a")
    + note(2, "a") + picture(0, "b") + note(0, "b") + picture(2, "c") + note(2, "c"),
    "behind an archive": picture(1, "a") + note(1, "a") + picture(2, "b") + END + picture(0, "x")
    + note(0, "y") + picture(3, "c") + note(3, "c"),
    "keys without order": picture(4, "a") + note(4, "a") + picture(2, "z") + picture(0, "x")
    + note(0, "y") + picture(3, "b") + note(3, "b") + picture(2, "d") + note(2, "d")
    + picture(4, "e") + note(4, "e") + picture(1, "f") + note(1, "f"),
}  # fmt: skip


@pytest.mark.parametrize("layout", SEAMS)
def test_where_two_runs_may_meet_no_pair_is_used(tmp_path: Path, layout: str) -> None:
    """A run lost the note of its last sample, the next one the picture of its first: same key."""
    found, problem = scan(tmp_path, SEAMS[layout] + END)
    assert found.items() <= right("a", "b", "c", "d", "e", "f", "v").items()
    assert "key 000000000" in problem


def test_a_gap_costs_two_long_runs_few_pictures(tmp_path: Path) -> None:
    runs = b"".join(
        picture(number, url) + (b"" if number == 50 else note(number, url))
        for url, number in ((f"{run}-{number}", number) for run in "ab" for number in range(100))
    )
    found, problem = scan(tmp_path, runs + END)
    assert all(picture == f"picture of {url}" for url, picture in found.items())
    assert len(found) == 198 - 4  # the first and the last of each run
    assert "may be of two runs" in problem


def _random_runs(rng: random.Random) -> bytes:
    """Two or three runs one after the other; a fifth of the samples lack a member."""
    data = b""
    for run in range(rng.randint(2, 3)):
        keys = list(range(rng.randint(1, 5)))
        if rng.random() < 0.3:
            rng.shuffle(keys)
        for key in keys:
            has_picture, has_note = rng.choices([(1, 1), (0, 1), (1, 0)], [8, 1, 1])[0]
            url = f"r{run}k{key}"
            data += picture(key, url) * has_picture + note(key, url) * has_note
    return data


def test_runs_with_gaps_give_no_wrong_pair(tmp_path: Path) -> None:
    """In front of each tar lies an archive that shows that runs were joined, and lack members."""
    rng = random.Random(int(os.environ.get("INSTRUCTIFY_SEED", "3")))
    shown = picture(7) + note(7) + picture(9) + picture(8) + note(8) + END
    num_found = 0
    for _ in range(200):
        found, _ = scan(tmp_path, shown + _random_runs(rng) + END)
        assert {url: text for url, text in found.items() if text != f"picture of {url}"} == {}
        num_found += len(found)
    assert num_found > 300


AMBIGUOUS = {
    "pictures, then JSON": picture(0, "a") + picture(0, "b") + note(0, "a") + note(0, "b"),
    "an order that changes": picture(0, "a") + note(0, "a") + note(0, "b") + picture(0, "b")
    + note(0, "c"),
    "two pictures of a sample": picture(0, "a") + member("000000000.png", b"y") + note(0, "a"),
    "archives of one kind each": picture(0, "x") + END + note(0, "a"),
}  # fmt: skip


@pytest.mark.parametrize("layout", AMBIGUOUS)
def test_what_can_be_read_in_two_ways_is_a_fault(tmp_path: Path, layout: str) -> None:
    found, problem = scan(tmp_path, sample(7, "s") + AMBIGUOUS[layout] + sample(8, "t") + END)
    assert found == right("s", "t")
    assert "00000.tar" in problem
    assert "key 000000000" in problem


def test_members_that_all_lie_apart_belong_together_by_name(tmp_path: Path) -> None:
    pictures = b"".join(picture(n) for n in range(3))
    notes = b"".join(note(n) for n in (1, 0, 2))
    assert scan(tmp_path, pictures + notes + END) == (right("0", "1", "2"), "")
    found, problem = scan(tmp_path, pictures + notes + note(1, "z") + END)
    assert "1" not in found
    assert "z" not in found
    assert "key 000000001" in problem


def test_dotted_names_and_a_leading_dot(tmp_path: Path) -> None:
    data = (
        member("./000.jpg", b"picture of a")
        + member("./000.seg.png", b"a mask")
        + member("000.json", b'{"url": "a"}')
        + member("b.1.jpg", b"picture of b")
        + member("b.2.jpg", b"picture of c")
        + member("b.1.json", b'{"url": "b"}')
        + member("b.2.json", b'{"url": "c"}')
    )
    assert scan(tmp_path, data + END) == (right("a", "b", "c"), "")


def test_what_a_desktop_leaves_parts_no_sample(tmp_path: Path) -> None:
    data = b""
    for number in range(2):
        for part in (picture(number), note(number)):
            name = part[:100].rstrip(b"\0").decode()
            data += member(f"./._{name}", b"\0\5\x16\7 resource fork") + part
        data += member(".DS_Store", b"x") + member("Thumbs.db", b"x") + member("desktop.ini", b"x")
    assert scan(tmp_path, data + END) == (right("0", "1"), "")


def write_table(folder: Path, rows: list[tuple[str, str, str]]) -> None:
    columns = {name: [row[at] for row in rows] for at, name in enumerate(("key", "url", "status"))}
    pq.write_table(pa.table(columns), folder / "00000.parquet")


def test_the_table_beside_speaks_of_fetched_pictures_of_one_run(tmp_path: Path) -> None:
    rows = [("000000000", "a", "success"), ("000000001", "b", "failed_to_download")]
    write_table(tmp_path, [*rows, ("000000002", "c", "success"), ("000000002", "d", "success")])
    pictures = picture(0, "a") + picture(1, "x") + picture(2, "y")
    assert scan(tmp_path, pictures + END)[0] == right("a")
    found, problem = scan(tmp_path, pictures + END + picture(0, "z") + END)
    assert found == {}
    assert "key 000000000" in problem


def test_a_table_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "00000.parquet").write_bytes(b"<html>")
    found, problem = scan(tmp_path, picture(0) + END)
    assert found == {}
    assert "00000.parquet" in problem
    pq.write_table(pa.table({"number": [1]}), tmp_path / "00000.parquet")
    found, problem = scan(tmp_path, picture(0) + END)
    assert found == {}
    assert "00000.parquet" in problem


BROKEN = {
    "a negative size": header("000000001.jpg", size_field=b"\xff" * 10 + b"\xfe\x00"),
    "a size of minus one block, octal": header("000000001.jpg", size_field=b"-0000001000\0"),
    "a size with an underscore": header("000000001.jpg", size_field=b"0000_001000\0"),
    "a size above 64 bits": header("000000001.jpg", size_field=b"\x80" + b"\xff" * 11),
    "a size that ends nowhere": header("000000001.jpg", 1 << 30),
    "pax: a huge size": pax(size="99999999999999999999") + header("000000001.jpg"),
    "pax: a negative size": pax(size="-512") + header("000000001.jpg"),
    "pax: a size of letters": pax(size="many") + header("000000001.jpg"),
    "pax: a size of 5,000 digits": pax(size="9" * 5_000) + header("000000001.jpg"),
    "pax: a sparse map of letters": pax(GNU_sparse_map="abc") + member("000000001.jpg", b"x"),
    "pax: a record of length zero": member("x", b"0 path=y\n", flag=b"x"),
    "pax: a record longer than all": member("x", b"900 path=y\n", flag=b"x"),
    "pax: no length": member("x", b"path=y\n", flag=b"x"),
    "pax: for all members": pax(b"g", path="000000000.jpg") + member("1.jpg", b"x"),
    "pax: larger than any": header("x", 1 << 40, flag=b"x"),
    "a name of a gigabyte": header("x", 1 << 30, flag=b"L"),
    "a wrong checksum": header("000000001.jpg").replace(b"ustar", b"USTAR"),
    "a gzip file": b"\x1f\x8b" + bytes(510),
    "a header that nothing follows": pax(mtime="1", path="000000001.jpg") + END,
    "half a header": header("000000001.jpg")[:300],
    "a sparse map that never ends": header("1.jpg", flag=b"S", map_goes_on=True)
    + (b"\1" * BLOCK) * 40,
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_header_ends_a_tar_with_a_line(tmp_path: Path, what: str) -> None:
    start = time.monotonic()
    cut = b"" if "nothing follows" in what or "half" in what else sample(3) + END
    found, problem = scan(tmp_path, sample(0) + BROKEN[what] + cut)
    assert found == right("0")
    assert "00000.tar can't be read to its end: " in problem
    assert len(problem) < 300
    assert problem.isprintable()
    assert time.monotonic() - start < 2


@pytest.mark.parametrize("size", [0, 700, 1_200, 2_600, 3_071, 3_072])
def test_a_tar_that_is_cut_says_so(tmp_path: Path, size: int) -> None:
    data = sample(0) + END
    assert len(data) == 8 * BLOCK
    found, problem = scan(tmp_path, data[:size])
    assert found == (right("0") if size >= 2_600 else {})
    assert "00000.tar can't be read to its end" in problem


def test_more_headers_in_a_row_than_python_may_nest(tmp_path: Path) -> None:
    found, problem = scan(tmp_path, pax(mtime="1") * 3_000 + sample(0) + END)
    assert (found, problem) == (right("0"), "")


def test_a_hole_of_a_terabyte_takes_no_time(tmp_path: Path) -> None:
    path = tmp_path / "00000.tar"
    path.write_bytes(sample(0) + END)
    start = time.monotonic()
    with path.open("r+b") as handle:
        handle.truncate(1 << 40)
        spans, problem = scan_tar(path)
        assert list(spans) == ["0"]
        assert problem is None
        handle.seek(1 << 39)
        handle.write(sample(1) + END)
    spans, problem = scan_tar(path)
    assert list(spans) == ["0", "1"]
    assert problem is None
    assert time.monotonic() - start < 2


ODD = {
    "sparse, GNU": header("000000001.jpg", 512, flag=b"S", map_goes_on=True) + bytes(504)
    + b"\0" * 8 + b"x" * 512,
    "sparse, pax": pax(GNU_sparse_major="1", GNU_sparse_minor="0", GNU_sparse_size=str(1 << 50),
                       GNU_sparse_name="000000001.jpg") + member("GNUSparseFile.0/x", b"1\n0\n1\n"),
    "a symbolic link": header("000000001.jpg", flag=b"2", target="000000000.jpg"),
    "a hard link to nothing": header("000000001.jpg", flag=b"1", target="000000009.jpg"),
    "a hard link out of the tar": header("000000001.jpg", flag=b"1", target="/etc/passwd"),
    "a device": header("000000001.jpg", flag=b"3"),
    "a part of another file": header("000000001.jpg", 4, flag=b"M") + padded(b"part"),
}  # fmt: skip


@pytest.mark.parametrize("what", ODD)
def test_members_that_are_no_plain_files_are_faults(tmp_path: Path, what: str) -> None:
    data = sample(0) + ODD[what] + note(1) + sample(2) + END
    found, problem = scan(tmp_path, data)
    assert found == right("0", "2")
    assert "00000.tar" in problem
    assert "key 000000001" in problem


def test_hard_links_are_the_file_that_they_name(tmp_path: Path) -> None:
    link = header("000000001.jpg", 77, flag=b"1", target="./000000000.jpg")
    assert scan(tmp_path, sample(0) + link + note(1, "b") + END)[0] == {
        **right("0"),
        "b": "picture of 0",
    }
    twice = sample(0, "a") + sample(5) + sample(0, "c") + link + note(1, "b") + END
    found, problem = scan(tmp_path, twice)
    assert found == right("a", "5", "c")
    assert "key 000000001" in problem
    other_archive = sample(0) + END + link + note(1, "b") + END
    assert scan(tmp_path, other_archive)[0] == right("0")


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names(tmp_path: Path, form: int) -> None:
    folder = "/".join(["f\u00e9" * 20] * 6)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as tar:
        for key in ("a", "b"):
            for suffix, data in (
                ("jpg", f"picture of {key}".encode()),
                ("json", json.dumps({"url": key}).encode()),
            ):
                info = tarfile.TarInfo(f"{folder}/{key}.{suffix}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        info = tarfile.TarInfo(f"{folder}/c.jpg")
        info.type, info.linkname = tarfile.LNKTYPE, f"{folder}/a.jpg"
        tar.addfile(info)
        info = tarfile.TarInfo(f"{folder}/c.json")
        info.size = 12
        tar.addfile(info, io.BytesIO(b'{"url": "c"}'))
    found, problem = scan(tmp_path, stream.getvalue())
    assert (found, problem) == ({**right("a", "b"), "c": "picture of a"}, "")


def test_names_that_a_terminal_would_obey_are_shown_harmless(tmp_path: Path) -> None:
    name = "\x1b[2J\u202e000"
    data = member(f"{name}.jpg", b"x") + member(f"{name}.json", b"{") + END
    _, problem = scan(tmp_path, data)
    assert problem.isprintable()
    assert "x1b" in problem


def test_changed_bytes_give_no_traceback_no_hang_and_no_wrong_picture(tmp_path: Path) -> None:
    rng = random.Random(int(os.environ.get("INSTRUCTIFY_SEED", "5")))
    whole = sample(0) + pax(mtime="1", path="000000001.jpg") + sample(1) + sample(0, "c") + END
    headers = [at for at in range(0, len(whole), BLOCK) if whole[at + 257 : at + 262] == b"ustar"]
    for _ in range(400):
        data = bytearray(whole)
        at = rng.choice(headers)
        if rng.random() < 0.5:  # numbers and flags: a name that changes is another name
            data[at + rng.choice([124, 130, 135, 156, 482])] = rng.randrange(256)
            data[at : at + BLOCK] = with_checksum(data[at : at + BLOCK])
        else:
            data[at + rng.randrange(BLOCK)] = rng.randrange(256)
        for url, content in pictures(tmp_path, bytes(data)).items():
            assert content.startswith(f"picture of {url}"[: len(content)].encode())


def pictures(folder: Path, data: bytes) -> dict[str, bytes]:
    """Return the bytes that are used as the picture of each url."""
    (folder / "00000.tar").write_bytes(data)
    spans, _ = scan_tar(folder / "00000.tar")
    with SourceReader(Roots.resolve(folder)) as source:
        read = {
            url: source.read(Location("raw", "00000.tar", *span), 1 << 20)
            for url, span in spans.items()
        }
    return {url: content for url, content in read.items() if isinstance(content, bytes)}


def grown(data: bytes, at: int, by: bytes) -> bytes:
    """Let the size of the member at a byte reach over all of `by` that follows it."""
    block = bytearray(data[at : at + BLOCK])
    size = int(block[124:135], 8)
    block[124:136] = b"%011o\0" % (size + -size % BLOCK + len(by))
    return data[:at] + with_checksum(block) + data[at + BLOCK :]


SWALLOWED = {
    "a run": text(0) + note(0) + sample(1) + picture(0, "c") + text(0),
    "a run without texts": note(0) + picture(1) + note(1) + picture(0, "c"),
    "a pax header too": text(0) + note(0) + pax(mtime="1") + sample(1) + picture(0, "c"),
    "the end of an archive": note(0) + END + picture(0, "c"),
    "a picture alone": picture(0, "c"),
}  # fmt: skip


@pytest.mark.parametrize("what", SWALLOWED)
def test_a_picture_that_reaches_over_other_members_is_not_used(tmp_path: Path, what: str) -> None:
    whole = sample(5) + picture(0) + SWALLOWED[what] + note(0, "c") + sample(1, "d") + END
    data = grown(whole, len(sample(5)), SWALLOWED[what])
    assert pictures(tmp_path, data).items() <= {
        (url, content.encode()) for url, content in right("5", "d").items()
    }


def test_a_picture_may_hold_the_word_of_a_header(tmp_path: Path) -> None:
    words = b"picture of 0" + b"ustar" * 300
    data = member("0.jpg", words) + member("0.json", b'{"url": "0"}') + END
    assert pictures(tmp_path, data) == {"0": words}
