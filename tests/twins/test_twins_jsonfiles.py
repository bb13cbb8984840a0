"""JSON written piece by piece is the JSON that one dump would give, and appears only when whole."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructify.twins.jsonfiles import (
    JsonObject,
    write_json,
    write_lines,
    write_list,
    write_text,
)
from instructify.twins.truth import Json

VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(), st.tuples(st.booleans(), st.lists(VALUES, max_size=3))))
def test_object_holds_its_members_in_order(
    tmp_path_factory: pytest.TempPathFactory, members: dict[str, tuple[bool, list[Json]]]
) -> None:
    path = tmp_path_factory.mktemp("json") / "deep" / "object.json"
    with JsonObject(path) as file:
        for name, (streamed, rows) in members.items():
            if streamed:
                file.rows(name, rows)
            else:
                file.put(name, rows)
    expected = {name: rows for name, (_, rows) in members.items()}
    assert path.read_text() == json.dumps(expected)


@given(st.lists(VALUES, max_size=4))
def test_lists_and_lines_round_trip(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Json]
) -> None:
    folder = tmp_path_factory.mktemp("json")
    write_list(folder / "list.json", rows)
    write_json(folder / "value.json", rows)
    write_lines(folder / "lines.jsonl", rows)
    assert (folder / "list.json").read_text() == (folder / "value.json").read_text()
    assert json.loads((folder / "list.json").read_text()) == rows
    assert [json.loads(line) for line in (folder / "lines.jsonl").open()] == rows


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    write_text(path, ["old\n"])

    def rows() -> Iterator[Json]:
        yield 1
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError):
        write_list(path, rows())
    assert path.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [path]
