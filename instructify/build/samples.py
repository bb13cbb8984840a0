"""One unit of work: a range of a record shard into a sample shard.

Each record gets one of the templates that fit it per draw, keyed by its id; a record whose picture
is unusable, or whose template fails, becomes a reject. Only text is written here: a change of
templates touches neither pictures nor raw files.
"""

import dataclasses
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from instructify.build.ledger import LedgerWriter
from instructify.build.manifest import FileEntry, content_key, file_entry
from instructify.build.problems import Problems
from instructify.build.records import RECEIPT, REJECTS
from instructify.columns import render_table
from instructify.keyed import Hashes, hash_texts, mix, permuted_index
from instructify.rejects import Reject
from instructify.schema import SAMPLE_FORMAT, SAMPLE_SCHEMA
from instructify.shards import Syncer, read_arrow, write_arrow, write_bytes
from instructify.templates import Template, fitting

SAMPLE_SHARD_ROWS = 131_072
SLICE_ROWS = 16_384
SAMPLES = "samples.arrow"


@dataclass(frozen=True, kw_only=True, slots=True)
class SamplesSpec:
    """What the samples of a split depend on, beside its records."""

    dataset: str
    split: str
    task: str
    task_name: str
    dataset_name: str
    templates: tuple[Template, ...]
    draws: int
    seed: int
    candidate_set: str | None
    own_candidates: bool  # the choices of a record are its candidates
    reader: str
    source_hashes: Mapping[str, str]
    records_key: str
    problems_sha256: str | None

    @property
    def key(self) -> str:
        """Hash everything above; templates by their content."""
        values: dict[str, object] = {name: getattr(self, name) for name in self.__slots__}
        values["templates"] = [(template.key, template.sha256) for template in self.templates]
        values["source_hashes"] = dict(self.source_hashes)
        return content_key(f"samples {SAMPLE_FORMAT}", values)


@dataclass(frozen=True, kw_only=True, slots=True)
class SamplesUnit:
    """Rows `start` to `stop` of one record shard."""

    spec: SamplesSpec
    shard: Path
    shard_sha256: str
    start: int
    stop: int
    problems: Path | None
    folder: Path

    @property
    def key(self) -> str:
        return content_key("unit", [self.spec.key, self.shard_sha256, self.start, self.stop])

    def in_folder(self, folder: Path) -> "SamplesUnit":
        return dataclasses.replace(self, folder=folder)


class SamplesReceipt(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    samples: int
    records: int  # that have at least one sample
    rejects: dict[str, int]
    shard: FileEntry


class _Draws(NamedTuple):
    """Rows of a slice, `draws` times each, record after record."""

    rows: NDArray[np.int64]
    draws: NDArray[np.int64]


def draws_for(records: int, split: str, pool_sizes: Sequence[int], wanted: int | None) -> int:
    """How often each record is rendered: as often as keeps a split under a million samples.

    At most once per fitting template; once for evaluation splits (val, dev, test), whose prompt is
    fixed by a protocol; `wanted` overrides the rule but not the number of templates.
    """
    most = max(1, min(pool_sizes, default=1))
    if wanted is not None:
        return min(wanted, most)
    if split.startswith(("val", "dev", "test")):
        return 1
    return max(1, min(most, 1_000_000 // max(1, records)))


def run_samples(unit: SamplesUnit) -> SamplesReceipt:
    """Render a unit into its folder, or find that this was done already."""
    try:
        done = msgspec.json.decode((unit.folder / RECEIPT).read_bytes(), type=SamplesReceipt)
        if done.key == unit.key:
            return done
    except (FileNotFoundError, msgspec.DecodeError):
        pass
    shutil.rmtree(unit.folder, ignore_errors=True)
    unit.folder.mkdir(parents=True)
    problems = None if unit.problems is None else Problems.read(unit.problems)
    records = read_arrow(unit.shard).slice(unit.start, unit.stop - unit.start)
    spec = unit.spec
    kept = 0
    tables: list[pa.Table] = []
    with (
        Syncer() as syncer,
        LedgerWriter(unit.folder / REJECTS, spec.dataset, spec.split) as ledger,
    ):
        for start in range(0, records.num_rows, SLICE_ROWS):
            piece = records.slice(start, SLICE_ROWS).combine_chunks()
            if problems is not None:
                piece = _with_pictures(piece, problems, ledger)
            table = _rendered(piece, spec, ledger)
            tables.append(table)
            kept += len(pc.unique(table.column("record_id")))
        facts = write_arrow(unit.folder / SAMPLES, SAMPLE_SCHEMA, tables, syncer=syncer)
        syncer.wait()
    receipt = SamplesReceipt(
        key=unit.key,
        samples=facts.rows,
        records=kept,
        rejects=dict(sorted(ledger.counts.items())),
        shard=file_entry(facts),
    )
    write_bytes(unit.folder / RECEIPT, msgspec.json.encode(receipt))
    return receipt


def _with_pictures(records: pa.Table, problems: Problems, ledger: LedgerWriter) -> pa.Table:
    """Drop the records that name an unusable picture."""
    pictures = records.column("pictures").combine_chunks()
    found = problems.first_problem_rows(pictures)
    if not found:
        return records
    keep = np.ones(records.num_rows, np.bool_)
    keep[list(found)] = False
    dropped = records.select(["record_id", "source", "position"]).filter(pa.array(~keep))
    rejects = [
        Reject(row["source"], row["position"], "pictures", one.reason, f"{one.key}: {one.detail}")
        for row, (_, one) in zip(dropped.to_pylist(), sorted(found.items()), strict=True)
    ]
    ledger.add(rejects, dropped.column("record_id").to_pylist())
    return records.filter(pa.array(keep))


def _rendered(records: pa.Table, spec: SamplesSpec, ledger: LedgerWriter) -> pa.Table:
    """Render a slice; samples come in the order of its records, their draws one after another."""
    order = _Draws(
        np.repeat(np.arange(records.num_rows), spec.draws),
        np.tile(np.arange(spec.draws), records.num_rows),
    )
    hashes = hash_texts(records.column("record_id"))
    parts: list[pa.Table] = []
    places: list[NDArray[np.int64]] = []
    for form, templates, rows in _groups(records, spec.templates):
        at = np.flatnonzero(np.isin(order.rows, rows)) if len(rows) < records.num_rows else None
        picked = order if at is None else _Draws(order.rows[at], order.draws[at])
        if not templates:
            _reject_unfitting(records, rows, form, ledger)
            continue
        part, good = _render_group(records, picked, hashes, form, templates, spec, ledger)
        parts.append(part)
        places.append((np.arange(len(order.rows)) if at is None else at)[good])
    if not parts:
        return SAMPLE_SCHEMA.empty_table()
    table = pa.concat_tables(parts)
    if len(parts) == 1:
        return table
    return table.unify_dictionaries().combine_chunks().take(np.argsort(np.concatenate(places)))


def _groups(
    records: pa.Table, templates: Sequence[Template]
) -> Iterator[tuple[str, tuple[Template, ...], NDArray[np.int64]]]:
    """Rows that have the same templates to choose from: by form, and by the fields they lack."""
    forms = records.column("form").combine_chunks()
    for form in sorted(pc.unique(forms.cast(pa.string())).to_pylist()):
        rows = np.flatnonzero(pc.equal(forms.cast(pa.string()), form).to_numpy(False))
        pool = fitting(templates, form)
        if not any(template.requires or template.excludes for template in pool):
            yield form, pool, rows
            continue
        present = {
            name: _present(records.column(name)).to_numpy(False)[rows]
            for template in pool
            for name in (*template.requires, *template.excludes)
        }
        fits = np.ones((len(rows), len(pool)), np.bool_)
        for number, template in enumerate(pool):
            for name in template.requires:
                fits[:, number] &= present[name]
            for name in template.excludes:
                fits[:, number] &= ~present[name]
        patterns, which = np.unique(fits, axis=0, return_inverse=True)
        for number, pattern in enumerate(patterns):
            chosen = tuple(t for t, fit in zip(pool, pattern, strict=True) if fit)
            yield form, chosen, rows[which.reshape(-1) == number]


def _present(column: pa.ChunkedArray) -> pa.Array:
    """Whether each row has the field: not null and not empty."""
    array = column.combine_chunks()
    if pa.types.is_list(array.type):
        length = pc.list_value_length(array)
    elif pa.types.is_string(array.type):
        length = pc.utf8_length(array)
    else:
        return pc.is_valid(array)
    return pc.fill_null(pc.greater(length, 0), False)


def _reject_unfitting(
    records: pa.Table, rows: NDArray[np.int64], form: str, ledger: LedgerWriter
) -> None:
    lost = records.select(["record_id", "source", "position"]).take(rows)
    detail = f"no template fits a record of form '{form}' with its fields"
    ledger.add(
        [
            Reject(row["source"], row["position"], None, "render-failed", detail)
            for row in lost.to_pylist()
        ],
        lost.column("record_id").to_pylist(),
    )


def _render_group(
    records: pa.Table,
    order: _Draws,
    hashes: Hashes,
    form: str,
    templates: Sequence[Template],
    spec: SamplesSpec,
    ledger: LedgerWriter,
) -> tuple[pa.Table, NDArray[np.int64]]:
    """Render rows of one pool; returns the samples and the places in `order` that succeeded."""
    keyed = mix(hashes, "template", spec.seed)[order.rows]
    which = np.zeros(len(order.rows), np.int64)
    for draw in range(spec.draws):
        mask = order.draws == draw
        which[mask] = permuted_index(keyed[mask], draw % len(templates), len(templates))
    whole = len(order.rows) == records.num_rows and spec.draws == 1
    table = records if whole else records.take(order.rows)
    constants = {
        "dataset": spec.dataset,
        "split": spec.split,
        "task": spec.task,
        "form": form,
        "task_name": spec.task_name,
        "dataset_name": spec.dataset_name,
    }
    rendered = render_table(table.drop_columns(["form"]), templates, which, constants)
    texts = {
        "instruction": rendered.instruction,
        "qformer_instruction": rendered.qformer_instruction,
        "response": rendered.response,
    }
    good = np.arange(len(order.rows))
    if rendered.failed:
        lost = table.take([one.row for one in rendered.failed])
        ledger.add(
            [
                Reject(row["source"], row["position"], None, one.reason, one.detail)
                for row, one in zip(lost.to_pylist(), rendered.failed, strict=True)
            ],
            lost.column("record_id").to_pylist(),
        )
        good = np.delete(good, [one.row for one in rendered.failed])
        table = table.take(good)
        texts = {name: text if text is None else text.take(good) for name, text in texts.items()}
    return _assembled(table, texts, order.draws[good], which[good], form, templates, spec), good


def _assembled(
    records: pa.Table,
    texts: Mapping[str, pa.Array | None],
    draws: NDArray[np.int64],
    which: NDArray[np.int64],
    form: str,
    templates: Sequence[Template],
    spec: SamplesSpec,
) -> pa.Table:
    num_rows = records.num_rows
    numbers = pa.array(draws, pa.int32())
    ids = records.column("record_id").combine_chunks()
    columns: dict[str, object] = {
        "sample_id": pc.binary_join_element_wise(ids, numbers.cast(pa.string()), "#"),
        "dataset": _constant(spec.dataset, num_rows),
        "split": _constant(spec.split, num_rows),
        "task": _constant(spec.task, num_rows),
        "form": _constant(form, num_rows),
        "draw": numbers,
        **texts,
        "candidates": records.column("choices") if spec.own_candidates else None,
        "candidate_set": (
            None if spec.candidate_set is None else _constant(spec.candidate_set, num_rows)
        ),
        "template": _coded(which, [template.key for template in templates]),
        "template_sha256": _coded(which, [template.sha256 for template in templates]),
        "option_order": None,
        "reader": _constant(spec.reader, num_rows),
        "source_sha256": _source_hashes(records.column("source"), spec.source_hashes),
    }
    arrays = []
    for field in SAMPLE_SCHEMA:
        value = columns[field.name] if field.name in columns else records.column(field.name)
        if isinstance(value, pa.ChunkedArray):
            value = value.combine_chunks()
        arrays.append(pa.nulls(num_rows, field.type) if value is None else value)
    return pa.Table.from_arrays(arrays, schema=SAMPLE_SCHEMA)


def _constant(text: str, num_rows: int) -> pa.DictionaryArray:
    return _coded(np.zeros(num_rows, np.int32), [text])


def _coded(codes: NDArray[np.integer], texts: Sequence[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(texts, pa.string()))


def _source_hashes(column: pa.ChunkedArray, hashes: Mapping[str, str]) -> pa.DictionaryArray:
    sources = column.combine_chunks()
    if isinstance(sources, pa.ChunkedArray):
        sources = sources.cast(pa.string()).combine_chunks().dictionary_encode()
    values = pa.array([hashes.get(name, "") for name in sources.dictionary.to_pylist()])
    return pa.DictionaryArray.from_arrays(sources.indices, values)
