"""A file of text that ends in the middle says so, whatever its format; a whole one does not."""

import bz2
import gzip
import hashlib
from pathlib import Path

import pyarrow as pa
import pytest
from heldout_cases import FLICKR30K_TOKENS, IVQA, MSVD_QA
from reader_help import Outcome
from table_help import put, run

from instructify._util.errors import UserError
from instructify.readers.base import RawFile
from instructify.readers.json_items import read_lines
from instructify.readers.text_lines import raw_lines
from instructify.rejects import Reject

TOKENS = "".join(f"{p}.jpg#{n}\tA picture of {p} , {n} .\n" for p in (1, 2, 3) for n in range(5))
COLUMNS = "video_id,start,end,question,answer1,answer2,answer3,answer4,answer5\n"
CLIPS = COLUMNS + "".join(f"abcdefghij{n},1,9,who?,a{n},b,c,d,e{n}\n" for n in range(5))
MAPPING = "".join(f"abc_{n}_9 vid{n}\n" for n in range(1, 21))
CUPS = """
task: image_qa
table: {file: cups.csv, columns: {picture: file, question: question, answer: answer}}
"""
CUP_ROWS = "file,question,answer\n" + "".join(f"{n}.jpg,who?,cup {n}\n" for n in range(9))


def cut_offs(outcome: Outcome) -> list[int | None]:
    return [reject.position for reject in outcome.rejects if reject.reason == "cut-off"]


def tokens(text: str, tmp_path: Path) -> Outcome:
    return FLICKR30K_TOKENS.run_with({"tokens": text}, tmp_path)


@pytest.mark.parametrize("size", range(1, 30))
def test_a_token_file_cut_anywhere_in_its_last_lines(size: int, tmp_path: Path) -> None:
    outcome = tokens(TOKENS[:-size], tmp_path)
    assert len(cut_offs(outcome)) == 1
    assert [len(one["references"]) for one in outcome.records] == [5, 5, 4]


def test_a_token_file_cut_between_two_lines_or_whole(tmp_path: Path) -> None:
    lines = TOKENS.splitlines(keepends=True)
    assert cut_offs(tokens("".join(lines[:-2]), tmp_path)) == [10]
    for whole in (TOKENS, TOKENS.replace("\n", "\r\n"), TOKENS + "\n\n", "".join(lines[:10])):
        assert tokens(whole, tmp_path).rejects == []


@pytest.mark.parametrize("size", range(2, 28))
def test_an_ivqa_file_cut_within_its_last_row(size: int, tmp_path: Path) -> None:
    outcome = IVQA.run_with({"questions": CLIPS[:-size]}, tmp_path)
    if CLIPS[:-size].endswith(",e"):  # a cut within the last answer leaves another whole answer
        assert outcome.rejects == []
    else:
        assert cut_offs(outcome) == [4]


def test_a_whole_ivqa_file_needs_no_newline_at_its_end(tmp_path: Path) -> None:
    for whole in (CLIPS, CLIPS[:-1], CLIPS.replace("\n", "\r\n"), CLIPS.replace(",e4\n", ",\n")):
        assert IVQA.run_with({"questions": whole}, tmp_path).rejects == []
    gaps = CLIPS.replace(",e1\n", ",\n").replace(",e4\n", ",")
    assert IVQA.run_with({"questions": gaps}, tmp_path).rejects == []
    short = CLIPS.replace(",d,e4", "")  # short, but with its newline: a bad row, not a cut one
    outcome = IVQA.run_with({"questions": short}, tmp_path)
    assert outcome.reasons() == [(4, None, "missing-field")]


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
@pytest.mark.parametrize("size", [2, 3, 6, 9, 12, 15])
def test_an_own_table_cut_within_its_last_row(suffix: str, size: int, tmp_path: Path) -> None:
    text = CUP_ROWS[:-size]
    put(tmp_path, f"cups.{suffix}", text if suffix == "csv" else text.replace(",", "\t"))
    read = run(tmp_path, CUPS.replace("csv", suffix))
    wanted = [] if size < 6 else [(8, "cut-off")]
    assert [(reject.position, reject.reason) for reject in read.rejects] == wanted


def test_a_csv_cut_within_a_quoted_cell(tmp_path: Path) -> None:
    put(tmp_path, "cups.csv", CUP_ROWS + '9.jpg,who?,"a cup,\nand a half')
    read = run(tmp_path, CUPS)
    assert [reject.reason for reject in read.rejects] == ["cut-off", "cut-off"]
    assert len(read.records) == 9


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        (MAPPING, []),
        (MAPPING[:-1], []),  # the last number is whole, as far as anybody can tell
        (MAPPING[:-2], [(19, "cut-off")]),  # "vid2": there was one
        (MAPPING[:-3], [(19, "cut-off")]),
        (MAPPING[:-8], [(19, "cut-off")]),
        (MAPPING[:-12], [(19, "cut-off")]),
        (MAPPING + "abc_1_2", [(20, "cut-off")]),
        (MAPPING + "abc_1_2\n", [(20, "bad-value")]),
    ],
)
def test_a_mapping_cut_within_its_last_line(
    text: str, reasons: list[tuple[int, str]], tmp_path: Path
) -> None:
    outcome = MSVD_QA.run_with({"mapping": text}, tmp_path)
    found = [(reject.position, reject.reason) for reject in outcome.rejects]
    assert [one for one in found if one[1] != "no-url-mapping"] == reasons


def packed(kind: str, data: bytes) -> bytes:
    if kind == "gz":
        return gzip.compress(data)
    return bz2.compress(data) if kind == "bz2" else pa.compress(data, codec="zstd", asbytes=True)


@pytest.mark.parametrize("kind", ["gz", "bz2", "zst"])
def test_compressed_lines_are_read_and_their_cut_is_seen(kind: str, tmp_path: Path) -> None:
    lines = [b'{"n": %d, "text": "%x"}\n' % (n, n * 7_919_000_001) for n in range(20_000)]
    data = packed(kind, b"".join(lines))
    path = tmp_path / "rows.jsonl"
    path.write_bytes(data)
    file = RawFile("rows.jsonl", path)
    assert [line for _, line in raw_lines(file)] == lines
    for size in (len(data) - 1, len(data) * 2 // 3):
        path.write_bytes(data[:size])
        *good, last = [line for _, line in raw_lines(file)]
        assert isinstance(last, Reject)
        assert last.reason == "cut-off"
        assert good == lines[: len(good)]
        rejects = [one for items in read_lines(file, dict) for one in items.rejects]
        assert [one.reason for one in rejects] == ["cut-off"]


@pytest.mark.parametrize("kind", ["gz", "bz2", "zst"])
def test_a_compressed_table_that_is_cut_is_seen(kind: str, tmp_path: Path) -> None:
    noise = [hashlib.sha512(b"%d" % number).hexdigest() for number in range(9_000)]
    rows = CUP_ROWS + "".join(f"{n}.jpg,who?,{text}\n" for n, text in enumerate(noise))
    data = packed(kind, rows.encode())
    put(tmp_path, "cups.csv", data)
    whole = run(tmp_path, CUPS)
    assert (len(whole.records), whole.rejects) == (9_009, [])
    put(tmp_path, "cups.csv", data[: len(data) * 9 // 10])
    read = run(tmp_path, CUPS)
    assert [reject.reason for reject in read.rejects] == ["cut-off"]
    assert 0 < len(read.records) < 9_000
    assert read.records == whole.records[: len(read.records)]
    put(tmp_path, "cups.csv", data[:20])
    with pytest.raises(UserError, match="ends in the middle"):
        run(tmp_path, CUPS)
