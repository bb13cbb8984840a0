"""A unit of work: render a range of a record shard to a sample shard.

In each draw a record gets one of the templates that fit it, chosen by a hash of its id. A record
with an unusable picture or a failing template becomes a reject. Only text is written here, so a
change of templates needs neither pictures nor raw files.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from instructify._util.keyed import hash_texts
from instructify._util.outside import NotReadableError, decode_json, read_regular
from instructify._util.shards import (
    Syncer,
    read_arrow,
    stream_tables,
    valid_arrow,
    write_bytes,
)
from instructify.build.ledger import LedgerWriter
from instructify.build.manifest import FileEntry, content_key, file_entry, is_whole
from instructify.build.paths import unit_folder
from instructify.build.problems import Problems, ShardProblems
from instructify.build.records_unit import RECEIPT, REJECTS
from instructify.build.unit_folder import private_folder, publish_folder
from instructify.columns import Failure, render_table
from instructify.rejects import Reject
from instructify.schema import RECORD_SCHEMA, SAMPLE_FORMAT, SAMPLE_SCHEMA
from instructify.templating import NO_TEMPLATE, Template, choose_templates

SAMPLE_SHARD_ROWS = 131_072
SLICE_ROWS = 16_384
SAMPLES = "samples.arrow"
_PROBLEM = ("key", "reason", "detail")


@dataclass(frozen=True, kw_only=True, slots=True)
class SamplesSpec:
    """Everything other than records that the samples of a split depend on."""

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
        """Hash all fields; templates by their content."""
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
    problems: ShardProblems | None
    staging: Path

    @property
    def name(self) -> str:
        spec = self.spec
        return f"{spec.dataset}/{spec.split} {self.shard.name} rows {self.start} to {self.stop}"

    @property
    def key(self) -> str:
        return content_key("unit", [self.spec.key, self.shard_sha256, self.start, self.stop])

    @property
    def folder(self) -> Path:
        """The folder of the result of the unit."""
        return unit_folder(self.staging, self.key)


class SamplesReceipt(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    samples: int
    records: int  # with at least one sample
    rejects: dict[str, int]
    shard: FileEntry


def draws_for(records: int, split: str, pool_sizes: Mapping[str, int], wanted: int | None) -> int:
    """Return the number of draws of each record, which keeps a split below a million samples.

    It is at most the number of templates in the smallest pool (`pool_sizes`: by form); a record
    that fits fewer templates has fewer samples. It is 1 for evaluation splits (val, dev, test,
    minival) and forms (caption_set), whose prompt comes from a protocol.
    `wanted` overrides the rule, but not the number of templates.
    """
    most = max(1, min(pool_sizes.values(), default=1))
    if wanted is not None:
        return min(wanted, most)
    evaluated = split.removeprefix("mini").startswith(("val", "dev", "test"))
    if evaluated or set(pool_sizes) == {"caption_set"}:
        return 1
    return max(1, min(most, 1_000_000 // max(1, records)))


def find_samples(unit: SamplesUnit) -> SamplesReceipt | None:
    """Return the receipt of a unit that was finished before."""
    folder = unit.folder
    try:
        done = decode_json(read_regular(folder / RECEIPT), SamplesReceipt)
    except (FileNotFoundError, NotReadableError):
        return None
    return done if done.key == unit.key and is_whole(folder / SAMPLES, done.shard) else None


def run_samples(unit: SamplesUnit) -> SamplesReceipt:
    """Render a unit into its folder, unless this was done already."""
    done = find_samples(unit)
    if done is not None:
        return done
    with private_folder(unit.staging) as folder:
        receipt = _write(unit, folder)
        return publish_folder(folder, unit.folder, receipt, lambda: find_samples(unit))


def _write(unit: SamplesUnit, folder: Path) -> SamplesReceipt:
    problems = None if unit.problems is None else Problems.read(unit.problems)
    records = valid_arrow(
        read_arrow(unit.shard).slice(unit.start, unit.stop - unit.start), RECORD_SCHEMA, unit.shard
    )
    spec = unit.spec
    kept = [0]

    def tables() -> Iterator[pa.Table]:
        for start in range(0, records.num_rows, SLICE_ROWS):
            piece = records.slice(start, SLICE_ROWS).combine_chunks()
            if problems is not None:
                piece = _with_pictures(piece, problems, ledger)
            table = _rendered(piece, spec, ledger)
            kept[0] += len(pc.unique(table.column("record_id")))
            yield table

    with (
        Syncer() as syncer,
        LedgerWriter(folder / REJECTS, spec.dataset, spec.split) as ledger,
    ):
        facts = stream_tables(folder / SAMPLES, SAMPLE_SCHEMA, tables(), syncer=syncer)
        syncer.wait()
    receipt = SamplesReceipt(
        key=unit.key,
        samples=facts.rows,
        records=kept[0],
        rejects=dict(sorted(ledger.counts.items())),
        shard=file_entry(facts),
    )
    write_bytes(folder / RECEIPT, msgspec.json.encode(receipt))
    return receipt


def _with_pictures(records: pa.Table, problems: Problems, ledger: LedgerWriter) -> pa.Table:
    """Drop the records that name an unusable picture."""
    pictures = records.column("pictures").combine_chunks()
    rows, reasons = problems.rows_with_problems(pictures)
    if not len(rows):
        return records
    keep = np.ones(records.num_rows, np.bool_)
    keep[rows] = False
    dropped = records.select(["record_id", "source", "position"]).filter(pa.array(~keep))
    key, reason, detail = (reasons.column(name).combine_chunks() for name in _PROBLEM)
    ledger.add_records(dropped, "pictures", reason, pc.binary_join_element_wise(key, detail, ": "))
    return records.filter(pa.array(keep))


def _rendered(records: pa.Table, spec: SamplesSpec, ledger: LedgerWriter) -> pa.Table:
    """Render a slice; samples are in the order of records, with the draws of each in order."""
    hashes = hash_texts(records.column("record_id"))
    which = choose_templates(
        records, spec.templates, hashes, draws=spec.draws, seed=spec.seed
    ).reshape(-1)
    rows = np.repeat(np.arange(records.num_rows), spec.draws)
    draws = np.tile(np.arange(spec.draws), records.num_rows)
    lost = np.flatnonzero(which == NO_TEMPLATE)
    if len(lost):
        _reject_unfitting(records.take(np.unique(rows[lost])), ledger)
    if which.min(initial=0) < 0:
        kept = which >= 0
        rows, draws, which = rows[kept], draws[kept], which[kept]
    table = records if len(rows) == records.num_rows else records.take(rows)
    constants = {
        "dataset": spec.dataset,
        "split": spec.split,
        "task": spec.task,
        "task_name": spec.task_name,
        "dataset_name": spec.dataset_name,
    }
    rendered = render_table(_with_plain_form(table), spec.templates, which, constants)
    texts = {
        "instruction": rendered.instruction,
        "qformer_instruction": rendered.qformer_instruction,
        "response": rendered.response,
    }
    if rendered.failed:
        failed = [failure.row for failure in rendered.failed]
        _reject_failed(table.take(failed), rendered.failed, ledger)
        good = np.delete(np.arange(len(rows)), failed)
        table, draws, which = table.take(good), draws[good], which[good]
        texts = {name: text if text is None else text.take(good) for name, text in texts.items()}
    return _assembled(table, texts, draws, which, spec)


def _with_plain_form(records: pa.Table) -> pa.Table:
    """Decode the form to text for templates, which can't use a dictionary column."""
    place = records.schema.get_field_index("form")
    return records.set_column(place, "form", records.column("form").cast(pa.string()))


def _reject_unfitting(lost: pa.Table, ledger: LedgerWriter) -> None:
    rows = lost.select(["record_id", "source", "position", "form"]).to_pylist()
    rejects = []
    for row in rows:
        detail = f"no template fits a record of form '{row['form']}' with its fields"
        rejects.append(Reject(row["source"], row["position"], None, "render-failed", detail))
    ledger.add(rejects, [row["record_id"] for row in rows])


def _reject_failed(lost: pa.Table, failures: Sequence[Failure], ledger: LedgerWriter) -> None:
    rows = lost.select(["record_id", "source", "position"]).to_pylist()
    rejects = [
        Reject(row["source"], row["position"], None, failure.reason, failure.detail)
        for row, failure in zip(rows, failures, strict=True)
    ]
    ledger.add(rejects, [row["record_id"] for row in rows])


def _assembled(
    records: pa.Table,
    texts: Mapping[str, pa.Array | None],
    draws: NDArray[np.int64],
    which: NDArray[np.int64],
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
        "draw": numbers,
        **texts,
        "candidates": records.column("choices") if spec.own_candidates else None,
        "candidate_set": (
            None if spec.candidate_set is None else _constant(spec.candidate_set, num_rows)
        ),
        "template": _coded(which, [template.key for template in spec.templates]),
        "template_sha256": _coded(which, [template.sha256 for template in spec.templates]),
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
