"""A quotation mark in a CSV or TSV file never takes other rows along."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from table_help import Read, put, run

from instructify._util.errors import UserError
from instructify.readers import table_lines
from instructify.readers.table_lines import read_lines_of_csv, read_lines_of_tsv

CUPS = """
task: image_qa
table: {file: cups.tsv, columns: {picture: file, question: question, answer: answer}}
"""


def cups(raw: Path, kind: str, changes: dict[int, str], rows: int = 60) -> Read:
    """Read a table of cups; `changes`: what stands in place of some answers."""
    mark = "," if kind == "csv" else "\t"
    answers = [changes.get(number, f"cup {number}") for number in range(rows)]
    lines = [mark.join(("file", "question", "answer"))]
    lines += [mark.join((f"{n}.jpg", "what is it?", answer)) for n, answer in enumerate(answers)]
    put(raw, f"cups.{kind}", "".join(f"{line}\n" for line in lines))
    return run(raw, CUPS.replace("cups.tsv", f"cups.{kind}"))


@pytest.mark.parametrize(
    "changes",
    [
        {40: '"cup 40'},  # never closed
        {40: '"cup 40', 50: 'cup 50"'},  # closed ten rows below
        {40: '"cup 40', 41: 'cup 41"'},  # closed in the next row
        {40: '"cup 40', 50: '"cup 50'},  # opened twice
        {59: '"cup 59'},  # in the last row
        {40: '"cup" 40'},
        {40: '"', 50: '"'},
    ],
    ids=str,
)
def test_a_mark_in_a_tsv_is_a_character(tmp_path: Path, changes: dict[int, str]) -> None:
    read = cups(tmp_path, "tsv", changes)
    assert read.rejects == []
    wanted = [changes.get(number, f"cup {number}") for number in range(60)]
    assert [one["answer"] for one in read.records] == wanted


def test_a_mark_before_another_column_of_a_tsv_is_a_character(tmp_path: Path) -> None:
    put(tmp_path, "cups.tsv", 'file\tquestion\tanswer\n0.jpg\t"who\tI\n1.jpg\twho"\tyou\n')
    read = run(tmp_path, CUPS)
    assert [one["question"] for one in read.records] == ['"who', 'who"']


@pytest.mark.parametrize(
    "answer", ["a\tb", 'a "b" c', "two\nlines", 'all\n"three"\tof\nthem', "x\n\ny"]
)
def test_what_pandas_quotes_in_a_tsv_is_read_back(tmp_path: Path, answer: str) -> None:
    sink = io.StringIO()
    csv.writer(sink, "excel-tab", lineterminator="\n").writerows(
        [("file", "question", "answer"), ("0.jpg", "who?", answer), ("1.jpg", "who?", "me")]
    )
    put(tmp_path, "cups.tsv", sink.getvalue())
    read = run(tmp_path, CUPS)
    assert read.rejects == []
    assert [one["answer"] for one in read.records] == [answer, "me"]


@pytest.mark.parametrize(
    ("changes", "bad", "reason"),
    [
        ({40: '"cup 40'}, [40], "cut-off"),
        ({59: '"cup 59'}, [59], "cut-off"),
        ({40: '"cup 40', 50: 'cup 50"'}, [40], "bad-value"),
        ({40: '"cup 40', 41: 'cup 41"'}, [40], "bad-value"),
        ({40: '"cup" 40'}, [40], "bad-value"),
    ],
    ids=str,
)
def test_an_open_mark_in_a_csv_spoils_its_own_row(
    tmp_path: Path, changes: dict[int, str], bad: list[int], reason: str
) -> None:
    read = cups(tmp_path, "csv", changes)
    assert [reject.position for reject in read.rejects] == bad
    assert {reject.reason for reject in read.rejects} == {reason}
    if "line" in read.rejects[0].detail and '" ' not in changes[bad[0]]:
        assert f"line {bad[0] + 2} " in read.rejects[0].detail
    kept = [number for number in range(60) if number not in bad]
    assert [one["position"] for one in read.records] == kept
    assert all("\n" not in str(one["answer"]) for one in read.records)


def test_the_reject_says_where_the_mark_is(tmp_path: Path) -> None:
    read = cups(tmp_path, "csv", {40: '"cup 40', 50: 'cup 50"'})
    assert "opens in line 42 is closed 10 lines below" in read.rejects[0].detail
    read = cups(tmp_path, "csv", {40: '"cup 40', 50: '"cup 50'})
    assert "opens in line 42 is not closed rightly" in read.rejects[0].detail
    assert "in line 52)" in read.rejects[0].detail
    put(tmp_path, "cups.csv", 'file,"question,answer\n1.jpg,who?,me\n')
    with pytest.raises(UserError, match="mark that opens in line 1 is never closed"):
        run(tmp_path, CUPS.replace("tsv", "csv"))


def test_two_open_marks_in_a_csv_spoil_two_rows(tmp_path: Path) -> None:
    read = cups(tmp_path, "csv", {40: '"cup 40', 50: '"cup 50'})
    found = [(reject.position, reject.reason) for reject in read.rejects]
    assert found == [(40, "bad-value"), (50, "cut-off")]
    assert len(read.records) == 58


def test_a_mark_before_a_column_in_the_middle_of_a_csv(tmp_path: Path) -> None:
    lines = [
        "file,question,answer",
        '0.jpg,"who,I',
        "1.jpg,who,you",
        '2.jpg,who",he',
        "3.jpg,who,she",
    ]
    put(tmp_path, "cups.csv", "\n".join(lines) + "\n")
    read = run(tmp_path, CUPS.replace("tsv", "csv"))
    assert [reject.position for reject in read.rejects] == [0]
    assert [one["answer"] for one in read.records] == ["you", "he", "she"]


def test_an_open_mark_far_from_the_end_is_named_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_lines, "_MOST_LINES", 50)
    read = cups(tmp_path, "csv", {10: '"cup 10'}, rows=200)
    assert [(reject.position, reject.reason) for reject in read.rejects] == [(10, "cut-off")]
    assert len(read.records) == 199
    read = cups(tmp_path, "csv", {10: '"' + "cup " * 40_000}, rows=5_000)
    assert len(read.records) == 4_999


def test_a_cell_too_large_for_the_parser_takes_no_row_along(tmp_path: Path) -> None:
    read = cups(tmp_path, "csv", {10: '"cup 10'}, rows=7_000)  # over 131,072 characters behind it
    assert [(reject.position, reject.reason) for reject in read.rejects] == [(10, "cut-off")]
    assert len(read.records) == 6_999


@pytest.mark.parametrize(
    "answer",
    [
        "Two lines,\nand a comma",
        "A list:\n- one\n- two, three\n- four, five, six",
        'He said: "well, then, no"\nand left, at once, in haste',
        "\n".join(f"line {number} of a poem, long and dull" for number in range(120)),
        "a,b\n\nc,d",
    ],
)
def test_a_csv_cell_of_several_lines_is_read_back(tmp_path: Path, answer: str) -> None:
    sink = io.StringIO()
    csv.writer(sink).writerows(
        [("file", "question", "answer"), ("0.jpg", "who?", answer), ("1.jpg", "who?", "me")]
    )
    put(tmp_path, "cups.csv", sink.getvalue())
    read = run(tmp_path, CUPS.replace("tsv", "csv"))
    assert read.rejects == []
    assert [one["answer"] for one in read.records] == [answer, "me"]


_CELLS = st.text(st.sampled_from('ab "\t,\n\r'), max_size=6)


@given(st.lists(st.tuples(st.just("x"), _CELLS, _CELLS), min_size=1, max_size=5), st.booleans())
@settings(max_examples=200, deadline=None)
def test_lines_never_raise_and_end(rows: list[tuple[str, str, str]], tabs: bool) -> None:
    text = "".join(("\t" if tabs else ",").join(row) + "\n" for row in rows)
    read = read_lines_of_tsv if tabs else read_lines_of_csv
    lines = list(
        read(io.StringIO("f,q,a\n".replace(",", "\t" if tabs else ",") + text, newline=""))
    )
    numbers = [line.number for line in lines]
    assert numbers == sorted(set(numbers))
    if tabs:
        assert all(line.cells is not None for line in lines)


def test_a_first_cell_of_several_lines_is_read_back(tmp_path: Path) -> None:
    put(tmp_path, "cups.csv", 'answer,file,question\n"two\nlines","0.jpg","who?"\nI,1.jpg,who?\n')
    read = run(tmp_path, CUPS.replace("tsv", "csv"))
    assert [one["answer"] for one in read.records] == ["two\nlines", "I"]


@given(st.lists(st.tuples(*[st.text(st.characters(codec="utf-8"), min_size=1)] * 3), max_size=6))
@settings(max_examples=100, deadline=None)
def test_a_csv_whose_every_cell_is_quoted_is_read_back(rows: list[tuple[str, str, str]]) -> None:
    rows = [(_plain(a), _plain(b), _plain(c)) for a, b, c in rows]
    sink = io.StringIO(newline="")
    csv.writer(sink, quoting=csv.QUOTE_ALL).writerows([("f", "q", "a"), *rows])
    lines = list(read_lines_of_csv(io.StringIO(sink.getvalue(), newline="")))
    assert [line.cells for line in lines[1:]] == [list(row) for row in rows]


def _plain(cell: str) -> str:
    """Put a blank behind commas, as prose has them; take out what csv does not write."""
    return cell.replace("\0", "").replace(",", ", ") or "x"


@pytest.mark.parametrize("tabs", [False, True])
def test_long_files_are_read_as_short_ones_are(tabs: bool) -> None:
    """Rows are the same wherever the lines of several, or of an open mark, fall into a file."""
    odd = {300: 'x{0}"one\ntwo"{0}y', 700: 'x{0}"open{0}y', 1_100: "", 1_500: 'x{0}"q"{0}y'}
    read = read_lines_of_tsv if tabs else read_lines_of_csv
    mark = "\t" if tabs else ","
    rows = [odd.get(n, f"{n}{{0}}b{{0}}c").format(mark) for n in range(2_000)]
    alone = {
        n: [line.cells for line in read(io.StringIO(f"h{mark}i{mark}j\n{rows[n]}\n", newline=""))][
            1:
        ]
        for n in odd
    }
    lines = list(read(io.StringIO("\n".join((f"h{mark}i{mark}j", *rows)) + "\n", newline="")))[1:]
    expected = [cells for n in range(2_000) for cells in alone.get(n, [rows[n].split(mark)])]
    assert [line.cells for line in lines] == expected
    numbers = {line.cells[0]: line.number for line in lines if line.cells}
    assert numbers["299"] == 301
    assert numbers["301"] == 304
    assert numbers["1999"] == 2_002
