"""Records found by form and number, however draws failed and shards and batches were cut."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instructify._util.errors import UserError
from instructify.build.opened import Build
from instructify.recipe.sample_index import SampleIndex
from instructify.schema import SAMPLE_SCHEMA

FORMS = ("open", "multiple_choice")


def _filler(kind: pa.DataType) -> object:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_list(kind):
        return []
    return "" if pa.types.is_string(kind) else 0


# What the other columns of a sample hold here.
_REST = {field.name: None if field.nullable else _filler(field.type) for field in SAMPLE_SCHEMA}


class Record(NamedTuple):
    """A record as the build may leave it: its form, the draws that came out, a target or none."""

    form: str
    draws: tuple[int, ...]
    target: bool


records = st.builds(
    Record,
    form=st.sampled_from(FORMS),
    draws=st.sets(st.integers(0, 3)).map(lambda some: tuple(sorted(some))),
    target=st.booleans(),
)


def lay_out(folder: Path, shards: list[list[Record]], batch_rows: int, draws: int = 4) -> Build:
    """Write sample shards, and stand in for the build that has them."""
    names, total, number = [], 0, 0
    forms: dict[str, int] = {}
    for place, shard in enumerate(shards):
        rows: list[dict[str, Any]] = []
        for record in shard:
            for draw in record.draws:
                response = f"answer {number}" if record.target else None
                rows.append(
                    {
                        **_REST,
                        "record_id": f"d/train/{number}",
                        "form": record.form,
                        "draw": draw,
                        "response": response,
                    }
                )
            forms[record.form] = forms.get(record.form, 0) + 1
            number += 1
        names.append(f"{place}.arrow")
        table = pa.Table.from_pylist(rows, SAMPLE_SCHEMA)
        options = pa.ipc.IpcWriteOptions(unify_dictionaries=True)
        with pa.ipc.new_file(str(folder / names[-1]), SAMPLE_SCHEMA, options=options) as writer:
            for batch in table.to_batches(batch_rows):
                writer.write_batch(batch)
        total += len(rows)
    entry = SimpleNamespace(samples=total, draws=draws, forms=forms, sample_shards=names)
    paths = SimpleNamespace(root=folder)
    stand_in = SimpleNamespace(split=lambda name, split: entry, path=folder.joinpath, paths=paths)
    return cast(Build, stand_in)


def row_at(index: SampleIndex, shard: int, row: int) -> dict[str, Any]:
    table = pa.ipc.open_file(pa.memory_map(str(index.shards[shard]))).read_all()
    found: dict[str, Any] = table.slice(row, 1).to_pylist()[0]
    return found


@given(
    shards=st.lists(st.lists(records, max_size=12), min_size=1, max_size=3),
    batch_rows=st.integers(1, 7),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_draw_of_every_record_is_found(
    tmp_path: Path, shards: list[list[Record]], batch_rows: int
) -> None:
    index = SampleIndex.open(lay_out(tmp_path, shards, batch_rows), "d", ["train"])
    whole = [record for shard in shards for record in shard]
    for form in FORMS:
        own = [
            (number, record)
            for number, record in enumerate(whole)
            if record.form == form and record.draws and record.target
        ]
        if not own:
            assert form not in index.forms
            continue
        assert index.forms[form].num_records == len(own)
        assert index.forms[form].num_rows == sum(len(record.draws) for _, record in own)
        for place, (number, record) in enumerate(own):
            for draw in range(5):
                places = index.locate(form, np.array([place]), np.array([draw]))
                row = row_at(index, int(places.shard[0]), int(places.row[0]))
                assert row["record_id"] == f"d/train/{number}"
                assert row["draw"] == record.draws[draw % len(record.draws)]


def test_one_draw_and_one_form_cost_nothing(tmp_path: Path) -> None:
    shards = [[Record("open", (0,), True)] * 5, [Record("open", (0,), True)] * 3]
    index = SampleIndex.open(lay_out(tmp_path, shards, 2, draws=1), "d", ["train"])
    assert index.forms["open"].first is None
    places = index.locate("open", np.arange(8), np.arange(8))
    assert places.shard.tolist() == [0] * 5 + [1] * 3
    assert places.row.tolist() == [0, 1, 2, 3, 4, 0, 1, 2]
    with pytest.raises(IndexError, match="8 records"):
        index.locate("open", np.array([8]), np.array([0]))


def test_two_splits_follow_each_other(tmp_path: Path) -> None:
    build = lay_out(tmp_path, [[Record("open", (0, 1), True)] * 3], 2)
    index = SampleIndex.open(build, "d", ["train", "val"])
    assert index.forms["open"].num_records == 6
    assert index.locate("open", np.array([4]), np.array([1])).shard.tolist() == [1]


def test_shards_that_are_not_those_of_the_manifest(tmp_path: Path) -> None:
    build = lay_out(tmp_path, [[Record("open", (0,), True)]], 2)
    build.split("d", "train").samples = 7  # type: ignore[misc]
    with pytest.raises(UserError, match="verify"):
        SampleIndex.open(build, "d", ["train"])
    (tmp_path / "0.arrow").write_bytes(b"ARROW1")
    with pytest.raises(UserError, match="damaged"):
        SampleIndex.open(build, "d", ["train"])
