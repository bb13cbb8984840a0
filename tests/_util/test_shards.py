"""Arrow files: tables that come one after another give the bytes of one table."""

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructify._util.errors import UserError
from instructify._util.shards import read_arrow, stream_tables, write_arrow, write_blocks

LABELS = pa.array(["a", "b", "c"])
SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("texts", pa.list_(pa.string())),
        ("label", pa.dictionary(pa.int32(), pa.string())),
    ]
)


def table(num_rows: int, *, labels: pa.StringArray = LABELS) -> pa.Table:
    """Make a table; each third text is null."""
    texts = [None if row % 3 == 2 else f"text {row}" for row in range(num_rows)]
    lists = [[str(row)] * (row % 4) for row in range(num_rows)]
    codes = pa.array([row % len(labels) for row in range(num_rows)], pa.int32())
    label = pa.DictionaryArray.from_arrays(codes, labels)
    return pa.table([pa.array(texts, pa.string()), pa.array(lists), label], schema=SCHEMA)


@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(0, 23), max_size=6), st.integers(1, 9))
def test_tables_as_they_come_give_the_bytes_of_all_at_once(sizes: list[int], rows: int) -> None:
    tables = [table(size) for size in sizes]
    with tempfile.TemporaryDirectory() as folder:
        at_once = write_arrow(Path(folder) / "x.arrow", SCHEMA, tables, batch_rows=rows)
        path = Path(folder) / "y.arrow"
        streamed = stream_tables(path, SCHEMA, iter(tables), batch_rows=rows)
        assert streamed._replace(name="x.arrow") == at_once
        assert streamed.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert read_arrow(path).num_rows == sum(sizes) == streamed.rows


def test_another_dictionary_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    tables = [table(4), table(4, labels=pa.array(["x", "y"]))]
    with pytest.raises(pa.ArrowInvalid, match="ictionary"):
        stream_tables(tmp_path / "x.arrow", SCHEMA, tables, batch_rows=4)
    assert not list(tmp_path.iterdir())


def test_an_error_of_whoever_makes_the_tables_passes_through(tmp_path: Path) -> None:
    def tables() -> Iterator[pa.Table]:
        yield table(4)
        raise KeyError("made")

    with pytest.raises(KeyError, match="made"):
        stream_tables(tmp_path / "x.arrow", SCHEMA, tables(), batch_rows=4)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("sizes", [[], [0], [5, 0, 7], [1 << 20, 3, (3 << 20) + 1, 1]])
def test_blocks_are_written_and_hashed_in_order(tmp_path: Path, sizes: list[int]) -> None:
    blocks = [bytes([number + 1]) * size for number, size in enumerate(sizes)]
    facts = write_blocks(tmp_path / "x", iter(blocks))
    data = b"".join(blocks)
    assert (tmp_path / "x").read_bytes() == data
    assert facts == ("x", 0, len(data), hashlib.sha256(data).hexdigest())


def test_a_failing_source_of_blocks_leaves_no_file(tmp_path: Path) -> None:
    def blocks() -> Iterator[bytes]:
        yield b"x" * (2 << 20)
        raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match="No space left"):
        write_blocks(tmp_path / "x", blocks())
    assert not list(tmp_path.iterdir())
