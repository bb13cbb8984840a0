"""Runs a reader on files built in a test, and holds every chunk to what readers promise."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest

from instructify.readers.base import OptionValue, RawFile, ReadContext, Reader
from instructify.rejects import REASONS, Reject
from instructify.schema import RECORD_SCHEMA

Rows = list[dict[str, Any]]


class Outcome(NamedTuple):
    """All that a reader gave."""

    records: Rows
    rejects: list[Reject]

    def only(self) -> dict[str, Any]:
        """The one record, where there must be one and no reject."""
        assert len(self.records) == 1
        assert not self.rejects
        return self.records[0]

    def reasons(self) -> list[tuple[int | None, str | None, str]]:
        """The rejects as (position, field, reason)."""
        return [(reject.position, reject.field, reject.reason) for reject in self.rejects]


def write_json(path: Path, value: object) -> Path:
    """Write a value as a JSON file, its folders made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def run_reader(
    reader: Reader,
    files: Mapping[str, Path],
    *,
    dataset: str | None = None,
    split: str = "train",
    options: Mapping[str, OptionValue] | None = None,
    folders: tuple[Path, ...] = (),
    seed: int = 0,
) -> Outcome:
    """Read everything; `options` are those of the catalog, so each that the reader looks at."""
    context = ReadContext(
        dataset=dataset or reader.name,
        split=split,
        options=options or {},
        files={role: RawFile(path.name, path) for role, path in files.items()},
        folders=folders,
        seed=seed,
    )
    records: Rows = []
    rejects: list[Reject] = []
    for chunk in reader.read(context):
        assert chunk.records.schema.equals(RECORD_SCHEMA)
        chunk.records.validate(full=True)
        _check_required(chunk.records)
        records += chunk.records.to_pylist()
        rejects += chunk.rejects
    _check_records(records, f"{context.dataset}/{split}/")
    for reject in rejects:
        assert reject.reason in REASONS
        assert reject.detail
    return Outcome(records, rejects)


def real_data(*names: str) -> Path:
    """The path of a real slice below the raw root; skips the test where there is none."""
    root = os.environ.get("INSTRUCTIFY_REAL_DATA")
    if not root:
        pytest.skip("INSTRUCTIFY_REAL_DATA is not set: no real slices to read")
    return Path(root).resolve().joinpath("raw", *names)


def _check_required(batch: pa.RecordBatch) -> None:
    for field in RECORD_SCHEMA:
        assert field.nullable or not batch.column(field.name).null_count, field.name


def _check_records(records: Rows, prefix: str) -> None:
    for record in records:
        assert record["record_id"].startswith(prefix)
        for name in ("question", "answer", "caption", "context", "text"):
            text = record[name]
            assert text is None or (text and text == text.strip()), (name, record)
        if record["choice_index"] is not None:
            assert 0 <= record["choice_index"] < len(record["choices"])
        if record["answer_choice"] is not None:
            assert record["references"][record["answer_choice"]] == record["answer"]
