"""Tables keep their columns apart and lines within 80 columns, whatever stands in them."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructify._util.text_table import (
    FigureColumn,
    TextColumn,
    shortened_name,
    table_lines,
    text_width,
)

COLUMNS = (
    TextColumn("dataset", 17),
    TextColumn("split", 9, floor=9),
    FigureColumn("records", 10),
    FigureColumn("samples", 10),
    TextColumn("rejects", floor=28, wraps=True),
)
LONG = "photographs_of_garden_plants_taken_in_the_north_from_2019_to_2024_v2"


def lines_of(*rows: list[str]) -> list[str]:
    return list(table_lines(COLUMNS, rows))


def test_short_names_stand_where_they_always_did() -> None:
    assert lines_of(
        ["vqav2", "train", "42", "84", ""], ["okvqa", "val", "1", "2", "1 bad-value"]
    ) == [
        "dataset            split         records    samples  rejects",
        "vqav2              train              42         84",
        "okvqa              val                 1          2  1 bad-value",
    ]


@pytest.mark.parametrize("length", [17, 18, 19, 20, 33, 60])
def test_a_column_widens_and_no_name_touches_the_next_column(length: int) -> None:
    name = LONG[:length]
    head, line = lines_of([name, "train", "1", "2", ""])
    assert line.split()[1:] == ["train", "1", "2"]
    assert head.index("split") == line.index("train")


def test_a_name_too_long_for_the_line_is_cut_in_its_middle() -> None:
    twins = [f"{LONG}_a", f"{LONG}_b"]
    _, first, second = lines_of(*([name, "train", "1,234,567", "9", ""] for name in twins))
    assert first != second
    assert max(map(len, (first, second))) <= 80
    assert first.startswith("photographs_of_")
    assert "..." in first
    assert first.split()[1:] == ["train", "1,234,567", "9"]


def test_a_long_last_column_goes_on_below_itself() -> None:
    rejects = "1,234,567 picture-missing, 2,345,678 picture-unreadable, ..."
    head, *lines = lines_of([LONG, "train", "1", "2", rejects])
    assert len(lines) > 1
    assert max(map(len, lines)) <= 80
    at = head.index("rejects")
    assert " ".join(line[at:].strip() for line in lines) == rejects
    assert all(not line[:at].strip() for line in lines[1:])


def test_figures_are_never_cut() -> None:
    columns: list[TextColumn | FigureColumn] = [TextColumn("name")]
    columns += (FigureColumn(f"f{at}") for at in range(8))
    figures = [f"{10**9 + at:,}" for at in range(8)]
    _, line = table_lines(columns, [[LONG, *figures]])
    assert line.split()[1:] == figures


def test_wide_and_joined_letters_are_counted_as_they_are_shown() -> None:
    assert text_width("日本") == 4
    assert text_width("e\u0301") == 1
    lines = lines_of(["日本語のデータ", "train", "1", "2", ""], ["abc", "val", "1", "2", ""])
    starts = {
        text_width(line[: line.index(word)])
        for line, word in zip(lines, ("split", "train", "val"), strict=True)
    }
    assert len(starts) == 1


def test_a_line_end_within_a_cell_does_not_break_the_table() -> None:
    assert len(lines_of(["a\nb\x1b[31m", "train", "1", "2", ""])) == 2


@given(
    st.lists(
        st.tuples(
            st.text("abcdefghij_0", min_size=1, max_size=90),
            st.text("abcdefghij_0", min_size=1, max_size=30),
            st.integers(0, 10**9),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_lines_fit_and_cells_stay_apart(rows: list[tuple[str, str, int]]) -> None:
    cells = [[name, split, f"{count:,}", f"{count:,}", ""] for name, split, count in rows]
    lines = lines_of(*cells)
    assert max(map(len, lines)) <= 80
    assert len(lines) == 1 + len(rows)
    for line, (_, _, figure, *_) in zip(lines[1:], cells, strict=True):
        assert len(line.split()) == 4
        assert line.split()[2:] == [figure, figure]


@pytest.mark.parametrize("letter", ["a", "圖", "e\u0301", "\u0301"])
def test_a_name_of_any_length_is_cut_in_little_time(letter: str) -> None:
    begun = time.process_time()
    name = shortened_name(letter * 200_000, 19)
    assert text_width(name) <= 19
    assert time.process_time() - begun < 5  # by the square of the length it would be minutes
