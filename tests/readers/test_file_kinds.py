"""A raw file of another kind is named in one sentence; a packed one is read, within bounds."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import sqlite3
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from heldout_cases import CASES, FLICKR30K_TOKENS, IVQA, MSVD_QA, to_bytes
from table_help import put, run

from instructify._util.errors import UserError
from instructify.readers import opening
from instructify.readers.base import RawFile
from instructify.readers.json_items import read_lines, read_list, read_mapping, read_value

ROWS = [{"n": number, "text": f"row {number}"} for number in range(50)]
TEXT = json.dumps({"rows": ROWS})


def a_zip(path: Path) -> bytes:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("inside.json", TEXT)
    return path.read_bytes()


def a_tar(_: Path) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("inside.json"))
    return sink.getvalue()


def a_database(path: Path) -> bytes:
    connection = sqlite3.connect(path.with_suffix(".db"))
    connection.execute("create table rows (n)")
    connection.commit()
    connection.close()
    return path.with_suffix(".db").read_bytes()


def a_parquet(path: Path) -> bytes:
    pq.write_table(pa.table({"n": [1]}), path)
    return path.read_bytes()


LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935\nsize 12345\n"
KINDS: list[tuple[str, Callable[[Path], bytes]]] = [
    ("zip archive that holds inside.json; unpack it", a_zip),
    ("a tar archive; unpack it", a_tar),
    ("an xz archive; unpack it", lambda _: lzma.compress(TEXT.encode())),
    ("an HTML page", lambda _: b"<!DOCTYPE html>\n<html><body>Quota exceeded</body></html>"),
    ("an HTML page", lambda _: b"\n\n<html>\n<head><title>404</title>"),
    ("an HTML page", lambda _: b"\xef\xbb\xbf<HTML>"),
    ("an XML document", lambda _: b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'),
    ("a Git LFS pointer", lambda _: LFS.encode()),
    ("a git-annex pointer", lambda _: b"/annex/objects/SHA256E-s1--1.json\n"),
    ("text in UTF-16", lambda _: TEXT.encode("utf-16")),
    ("text in UTF-16", lambda _: TEXT.encode("utf-16-le")),
    ("text in UTF-16", lambda _: TEXT.encode("utf-16-be")),
    ("text in UTF-32", lambda _: TEXT.encode("utf-32")),
    ("a PDF document", lambda _: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n"),
    ("a Python pickle, which is never opened", lambda _: pickle.dumps(ROWS)),
    ("a Python pickle, which is never opened", lambda _: pickle.dumps(ROWS, protocol=2)),
    ("a Parquet file", a_parquet),
    ("an SQLite database", a_database),
    ("a PNG picture", lambda _: b"\x89PNG\r\n\x1a\n" + bytes(30)),
]


@pytest.mark.parametrize(("said", "make"), KINDS)
def test_a_file_of_another_kind_is_named(
    said: str, make: Callable[[Path], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "rows.json"
    path.write_bytes(make(path))
    file = RawFile("rows.json", path)
    reads: list[Callable[[], object]] = [
        lambda: list(read_list(file, dict, key="rows")),
        lambda: list(read_mapping(file, dict)),
        lambda: list(read_lines(file, dict)),
        lambda: read_value(file, dict),
    ]
    for read in reads:
        with pytest.raises(UserError) as error:
            read()
        assert f"rows.json is {said}" in str(error.value).replace(" is a zip", " is zip")
        assert "\n" not in str(error.value)
    for case, role in ((FLICKR30K_TOKENS, "tokens"), (IVQA, "questions"), (MSVD_QA, "mapping")):
        with pytest.raises(UserError, match=said.partition(";")[0].split(" that holds")[0]):
            case.run_with({role: path.read_bytes()}, tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"annotations": ROWS, "info": {}}, "holds annotations under the name of the questions"),
        ({"message": "Not Found"}, "it is a JSON object that holds 'message'; fetch it again"),
        (ROWS, "it is a JSON list; fetch it again"),
        ({"a": {"questions": ROWS}, "b": 1}, "it is a JSON object that holds 'a', 'b'"),
        ("Not Found", "it is a single JSON value"),
    ],
)
def test_json_of_another_make_says_what_it_holds(content: Any, said: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    for data in (json.dumps(content), json.dumps(content, indent=1)):
        path.write_text(data, encoding="utf-8")
        with pytest.raises(UserError, match=said):
            list(read_list(RawFile("rows.json", path), dict, key="questions"))


def test_text_that_is_no_json_says_how_it_begins(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    for data, said in (
        (b"", "it is empty"),
        (b"  \n", "it is empty"),
        (b"question,answer\n", "it is no JSON \\(it begins with 'question,answer"),
        (b'{"n": 1}\n{"n": 2}\n', "it holds one JSON object a line"),
    ):
        path.write_bytes(data)
        with pytest.raises(UserError, match=said):
            list(read_list(RawFile("rows.json", path), dict, key="questions"))


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "two members": lambda data: gzip.compress(data[:99]) + gzip.compress(data[99:]),
    "bz2": bz2.compress,
    "zst": lambda data: pa.compress(data, codec="zstd", asbytes=True),
}


@pytest.mark.parametrize("kind", PACKERS)
def test_packed_files_are_read_as_they_are(kind: str, tmp_path: Path) -> None:
    for case in CASES:
        packed = {
            role: PACKERS[kind](to_bytes(name, content))
            for role, (name, content) in case.files.items()
        }
        assert case.run_with(packed, tmp_path) == case.run(tmp_path)


@pytest.mark.parametrize("kind", ["gz", "bz2", "zst"])
def test_packed_json_that_is_cut_or_damaged_is_seen(kind: str, tmp_path: Path) -> None:
    rows = [{"n": number, "text": f"{number * 7_919_000_001:x}"} for number in range(45_000)]
    data = PACKERS[kind](json.dumps({"rows": rows}).encode())
    path = tmp_path / "rows.json"
    file = RawFile("rows.json", path)
    path.write_bytes(data[: len(data) * 9 // 10])
    windows = list(read_list(file, dict, key="rows", window_bytes=1 << 16))
    assert windows[-1].rejects[-1].reason == "cut-off"
    assert sum(len(window.items) for window in windows) > 20_000
    with pytest.raises(UserError, match="ends in the middle"):
        read_value(file, dict)


@pytest.mark.parametrize("kind", ["gz", "bz2"])
def test_packed_json_that_is_damaged_is_refused(kind: str, tmp_path: Path) -> None:
    text = json.dumps({"rows": ROWS * 100}).encode()
    data = bytearray(PACKERS[kind](text))
    path = tmp_path / "rows.json"
    checksum = range(len(data) - 8, len(data) - 4)
    for places in (checksum, *(range(at, at + 9) for at in range(60, len(data) - 60, 97))):
        damaged = bytearray(data)
        for place in places:
            damaged[place] ^= 0x55
        path.write_bytes(damaged)
        try:
            windows = list(read_list(RawFile("rows.json", path), dict, key="rows"))
        except UserError:
            continue
        assert places != checksum
        assert windows[-1].rejects[-1].reason == "cut-off"  # the damage asks for more bytes


@pytest.mark.parametrize("kind", ["gz", "zst"])
@pytest.mark.parametrize("filling", [b" ", b"[", b"a", b'{"rows": ["'])
def test_a_bomb_is_refused_in_bounded_memory(
    kind: str, filling: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "_FREE_BYTES", 4 << 20)
    path = tmp_path / "rows.json"
    path.write_bytes(PACKERS[kind](filling * (24_000_000 // len(filling))))
    file = RawFile("rows.json", path)
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match=r"grows to more than 250 times|it is no JSON"):
            list(read_list(file, dict, key="rows"))
        with pytest.raises(UserError, match="grows to more than 250 times"):
            list(read_lines(file, dict))
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


def test_own_tables_may_be_packed_by_name(tmp_path: Path) -> None:
    entry = """
task: image_qa
table: {file: cups.csv.gz, columns: {picture: file, question: question, answer: answer}}
"""
    put(tmp_path, "cups.csv.gz", gzip.compress(b"file,question,answer\n1.jpg,what?,cup\n"))
    assert [one["answer"] for one in run(tmp_path, entry).records] == ["cup"]
    put(
        tmp_path, "cups.jsonl.zst", PACKERS["zst"](b'{"file": "1", "question": "q", "answer": "a"}')
    )
    assert len(run(tmp_path, entry.replace("csv.gz", "jsonl.zst")).records) == 1
    with pytest.raises(UserError, match="is no table that we read"):
        run(tmp_path, entry.replace("csv.gz", "xlsx.gz"))
