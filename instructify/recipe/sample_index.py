"""Find record k of a form in the sample shards of a dataset.

Shards have the samples of a record one after another: as many as it has draws, or fewer if a
rendering failed. A record without a sample, or without a target, does not count. Only the columns
that are needed are read, and a dataset with one row per record (one draw, one form) costs no
memory.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from instructify._util.errors import UserError
from instructify._util.shards import map_batches
from instructify.build import Build
from instructify.schema import SAMPLE_SCHEMA

Rows = NDArray[np.int64]


class Places(NamedTuple):
    """Samples, each by the number of its shard and its row in it."""

    shard: Rows
    row: Rows


class FormRows(NamedTuple):
    """The records of a form: first row and number of rows of each; None: row k is record k."""

    num_records: int
    num_rows: int
    first: Rows | None
    many: NDArray[np.uint16] | None


class SampleIndex:
    """The samples of some splits of a dataset, addressed by form, record and draw."""

    def __init__(
        self, shards: Sequence[Path], ends: Rows, forms: dict[str, FormRows], draws: int
    ) -> None:
        self.shards = tuple(shards)
        self.forms = forms
        self.draws = draws  # the most that a record has
        self._ends = ends

    @classmethod
    def open(cls, build: Build, dataset: str, splits: Sequence[str]) -> "SampleIndex":
        """Index the samples of these splits, one split after another."""
        entries = [build.split(dataset, split) for split in splits]
        draws = max(entry.draws for entry in entries)
        shards = [build.path(name) for entry in entries for name in entry.sample_shards]
        ends = np.cumsum([_num_rows(shard) for shard in shards], dtype=np.int64)
        rows = int(ends[-1]) if len(ends) else 0
        if rows != sum(entry.samples for entry in entries):
            raise UserError(
                f"the samples of {dataset} in {build.paths.root} are not those of its manifest; "
                f"see `instructify verify {build.paths.root}`."
            )
        kinds = {form for entry in entries for form in entry.forms}
        if draws == 1 and len(kinds) == 1 and rows and _all_have_targets(shards):
            forms = {kinds.pop(): FormRows(rows, rows, None, None)}
        else:
            forms = _forms(shards)
        return cls(shards, ends, forms, draws)

    def locate(self, form: str, records: Rows, draws: Rows) -> Places:
        """Find the samples of these records; draw d of a record that has n samples is d mod n."""
        of = self.forms[form]
        if len(records) and not 0 <= records.min() <= records.max() < of.num_records:
            raise IndexError(f"there are {of.num_records} records of form {form}")
        rows = records
        if of.first is not None and of.many is not None:
            rows = of.first[records] + draws % of.many[records]
        shard = np.searchsorted(self._ends, rows, side="right").astype(np.int64)
        starts = np.concatenate([np.zeros(1, np.int64), self._ends])
        return Places(shard, rows - starts[shard])


def batches_of(path: Path, schema: pa.Schema = SAMPLE_SCHEMA) -> Iterator[pa.RecordBatch]:
    """Map a shard and iterate over its batches; the caller validates a batch before use."""
    try:
        yield from map_batches(path, schema)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path) from error


def valid_batches(
    path: Path, columns: Sequence[str], schema: pa.Schema = SAMPLE_SCHEMA
) -> Iterator[pa.RecordBatch]:
    """Iterate over some columns of a shard, validated, since Arrow trusts offsets in a file."""
    for batch in batches_of(path, schema):
        yield valid_batch(batch.select(list(columns)), path)


def valid_batch(batch: pa.RecordBatch, path: Path) -> pa.RecordBatch:
    """Return a batch after its offsets and texts are checked."""
    try:
        batch.validate(full=True)
    except pa.ArrowException as error:
        raise _damaged(path) from error
    return batch


def _damaged(path: Path) -> UserError:
    return UserError(f"{path} is missing or damaged; `instructify verify` says what else is.")


def _num_rows(path: Path) -> int:
    return sum(batch.num_rows for batch in batches_of(path))


def _all_have_targets(shards: Sequence[Path]) -> bool:
    return all(
        batch.column("response").null_count == 0 for path in shards for batch in batches_of(path)
    )


class _Starts(NamedTuple):
    """For one batch: rows with a target, which of them begin a record, and their forms."""

    rows: Rows
    begins: NDArray[np.bool_]
    forms: NDArray[np.int32]


def _forms(shards: Sequence[Path]) -> dict[str, FormRows]:
    names: list[str] = []
    parts = list(_read(shards, names))
    if not parts:
        return {}
    rows, begins, forms = (
        np.concatenate([getattr(starts, part) for starts in parts]) for part in _Starts._fields
    )
    first = np.flatnonzero(begins)
    count = np.diff(np.append(first, len(rows)))
    of_record = forms[first]
    result = {}
    for code, name in enumerate(names):
        in_form = of_record == code
        if in_form.any():
            counts = count[in_form].astype(np.uint16)
            result[name] = FormRows(
                len(counts), int(count[in_form].sum()), rows[first[in_form]], counts
            )
    return result


def _read(shards: Sequence[Path], names: list[str]) -> Iterator[_Starts]:
    """Read the columns that separate records; forms are numbered in order of appearance."""
    row = 0
    previous = pa.array([None], pa.string())
    for path in shards:
        for batch in valid_batches(path, ("response", "record_id", "form")):
            kept = np.flatnonzero(batch.column("response").is_valid().to_numpy(False))
            ids = batch.column("record_id")
            codes = _codes(batch.column("form"), names)
            if len(kept) < batch.num_rows:
                ids, codes = ids.take(pa.array(kept)), codes[kept]
            before = pa.concat_arrays([previous, ids[:-1]]) if len(ids) else ids
            begins = pc.fill_null(pc.not_equal(ids, before), True).to_numpy(False)
            yield _Starts(kept.astype(np.int64) + row, begins, codes)
            row += batch.num_rows
            previous = ids[-1:] if len(ids) else previous


def _codes(column: pa.DictionaryArray, names: list[str]) -> NDArray[np.int32]:
    values = column.dictionary.to_pylist()
    names += [name for name in values if name not in names]
    numbers = np.array([names.index(name) for name in values], np.int32)
    codes: NDArray[np.int32] = numbers[column.indices.to_numpy(zero_copy_only=False)]
    return codes
