"""Ledgers are written in order, as rows or as columns, and merged without being held."""

import random
from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow as pa
import pytest

from instructify._util.keyed import hash_texts
from instructify.build.ledger import LedgerWriter, ledger_lines, order
from instructify.build.ledger_merge import merged
from instructify.build.problems import Problems
from instructify.pictures.tables import PROBLEM_SCHEMA
from instructify.rejects import Reject

ODD = ['a "b"', "back\\slash", "tab\tand\nline", "\x01\x1f\x7f", "caf\u00e9 \u2028 \U0001f600", ""]


def write(path: Path, places: list[tuple[str, int | None]], split: str = "train") -> Path:
    with LedgerWriter(path, "d", split) as ledger:
        for source, position in places:
            ledger.add([Reject(source, position, None, "cut-off", f"at {position}")])
    return path


@pytest.mark.parametrize("source", ["file.json", *ODD])
def test_columns_give_the_lines_of_rows(tmp_path: Path, source: str) -> None:
    ids = [f"d/train/{text}" for text in ODD]
    details = [f"{text}: {text}" for text in ODD]
    reasons = ["picture-missing"] * 5 + ["picture-empty"]
    with LedgerWriter(tmp_path / "rows", "d", "train") as rows:
        rejects = [
            Reject(source, 7 + at, "pictures", reason, detail)
            for at, (reason, detail) in enumerate(zip(reasons, details, strict=True))
        ]
        rows.add(rejects, ids)
    records = pa.table(
        {
            "record_id": ids,
            "source": pa.array([source] * 6).dictionary_encode(),
            "position": pa.array(range(7, 13), pa.int64()),
        }
    )
    with LedgerWriter(tmp_path / "columns", "d", "train") as columns:
        columns.add_records(records, "pictures", pa.array(reasons), pa.array(details))
        columns.add_records(records.slice(0, 0), "pictures", pa.array([]), pa.array([]))
    assert (tmp_path / "columns").read_bytes() == (tmp_path / "rows").read_bytes()
    assert columns.counts == rows.counts == {"picture-missing": 5, "picture-empty": 1}


@pytest.mark.parametrize("rows", [1, 8_192, 8_193])
@pytest.mark.parametrize("detail", ["the same", "number"])
def test_long_columns_give_the_lines_of_rows(tmp_path: Path, rows: int, detail: str) -> None:
    details = [detail if detail == "the same" else f"{at} caf\u00e9" for at in range(rows)]
    ids = [f"d/train/{at}" for at in range(rows)]
    with LedgerWriter(tmp_path / "rows", "d", "train") as plain:
        rejects = [
            Reject("f", at, "pictures", "picture-missing", text) for at, text in enumerate(details)
        ]
        plain.add(rejects, ids)
    table = pa.table(
        {"record_id": ["x", *ids], "source": ["f"] * (rows + 1), "position": range(-1, rows)}
    )
    with LedgerWriter(tmp_path / "columns", "d", "train") as columns:
        reasons = pa.array(["x", *["picture-missing"] * rows]).slice(1)
        columns.add_records(table.slice(1), "pictures", reasons, pa.array(["x", *details]).slice(1))
    assert (tmp_path / "columns").read_bytes() == (tmp_path / "rows").read_bytes()


@pytest.mark.parametrize("order_of", [sorted, reversed])
def test_problems_are_looked_up_in_any_order(
    order_of: Callable[[list[str]], Iterable[str]],
) -> None:
    keys = sorted((f"f/{number}" for number in range(50)), key=lambda key: hash_texts([key])[0])
    asked = list(order_of(keys[::2]))
    table = pa.table([pa.array(hash_texts(asked)), asked, ["picture-missing"] * 25, asked],
                     schema=PROBLEM_SCHEMA)  # fmt: skip
    pictures = pa.array([[], [keys[1]], [keys[3], keys[4], keys[2]], [keys[0]], ["f/none"]])
    rows, problems = Problems(table).rows_with_problems(pictures)
    assert rows.tolist() == [2, 3]
    assert problems["detail"].to_pylist() == [keys[4], keys[0]]
    assert not len(Problems(table.slice(0, 0)).rows_with_problems(pictures)[0])


def test_a_position_that_is_not_known_is_null(tmp_path: Path) -> None:
    records = pa.table({"record_id": ["x"], "source": ["f"], "position": pa.nulls(1, pa.int64())})
    with LedgerWriter(tmp_path / "l", "d", "s") as ledger:
        ledger.add_records(records, "pictures", pa.array(["picture-missing"]), pa.array(["y"]))
    assert b'"position": null,' in (tmp_path / "l").read_bytes()


@pytest.mark.parametrize("seed", range(4))
def test_a_ledger_is_in_order_when_it_is_closed(tmp_path: Path, seed: int) -> None:
    choices = random.Random(seed)
    places = [(choices.choice("ab"), choices.choice([None, 1, 5, 12, 12])) for _ in range(30)]
    lines = list(ledger_lines(write(tmp_path / "l", places)))
    assert len(lines) == 30
    assert lines == sorted(lines, key=order)


def test_columns_out_of_order_are_sorted(tmp_path: Path) -> None:
    records = pa.table({"record_id": list("xyz"), "source": ["b", "a", "a"], "position": [1, 9, 3]})
    with LedgerWriter(tmp_path / "l", "d", "s") as ledger:
        for part in (records, records.slice(1)):
            reasons = pa.array(["picture-missing"] * part.num_rows)
            ledger.add_records(part, "pictures", reasons, reasons)
    lines = list(ledger_lines(tmp_path / "l"))
    assert len(lines) == 5
    assert lines == sorted(lines, key=order)


@pytest.mark.parametrize("seed", range(6))
def test_merged_ledgers_are_all_lines_in_order(tmp_path: Path, seed: int) -> None:
    """Ledgers that follow each other, that overlap, that are empty, and what stands already."""
    choices = random.Random(seed)
    paths = [
        write(
            tmp_path / f"{number}",
            [("f", choices.randrange(40) if seed % 2 else 10 * number + at) for at in range(9)],
            choices.choice(["train", "val"]),
        )
        for number in range(6)
    ]
    paths += [write(tmp_path / "empty", []), tmp_path / "absent"]
    choices.shuffle(paths)
    stands = write(tmp_path / "stands", [("e", 1), ("f", 20)] if seed > 1 else [])
    told = b"".join(merged(ledger_lines(stands), paths))
    lines = [line for path in (stands, *paths) for line in ledger_lines(path)]
    lines.sort(key=order)
    assert told == b"".join(lines)


def test_a_long_last_line_is_found(tmp_path: Path) -> None:
    first = tmp_path / "first"
    with LedgerWriter(first, "d", "s") as ledger:
        ledger.add([Reject("f", at, None, "cut-off", "x" * 3_000_000) for at in (1, 2)])
    second = write(tmp_path / "second", [("f", 3)], "s")
    told = b"".join(merged(iter([]), [second, first]))
    assert told == first.read_bytes() + second.read_bytes()
