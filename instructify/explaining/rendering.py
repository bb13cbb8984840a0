"""Render one record again with the code of `convert` and the settings of the manifest.

With the templates of the conversion the choice of the template is made again too; with other
templates only the text of one template is rendered.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from instructify._util.shards import read_arrow, valid_arrow
from instructify.build import (
    SAMPLES,
    Build,
    DatasetEntry,
    SamplesSpec,
    SamplesUnit,
    SplitEntry,
    run_samples,
)
from instructify.catalog import Catalog
from instructify.columns import render_table
from instructify.schema import RECORD_SCHEMA
from instructify.templating import PARTS, Template


class RecordPlace(NamedTuple):
    """The place of a record in the build, and the record."""

    shard: str
    row: int
    record: Mapping[str, Any]


def split_spec(
    catalog: Catalog,
    sample: Mapping[str, Any],
    entry: DatasetEntry,
    split: SplitEntry,
    pool: tuple[Template, ...],
) -> SamplesSpec:
    """Return the settings with which the samples of the split were made."""
    return SamplesSpec(
        dataset=sample["dataset"],
        split=sample["split"],
        task=entry.task,
        **constants_of(catalog, entry),
        templates=pool,
        draws=split.draws,
        seed=split.seed,
        candidate_set=split.candidate_set,
        own_candidates=entry.own_candidates,
        reader=split.reader,
        source_hashes={source.name: source.sha256 for source in split.raw},
        records_key=split.records_key,
        problems_sha256=split.problems_sha256,
    )


def constants_of(catalog: Catalog, entry: DatasetEntry) -> dict[str, str]:
    """Return the texts for templates that are the same for all records of a dataset."""
    titles = {task.name: task.title for task in catalog.tasks.values()}
    return {
        "task_name": titles.get(entry.task, entry.task),
        "dataset_name": entry.title if entry.role == "held-in" else "",
    }


def render_row(
    build: Build, spec: SamplesSpec, place: RecordPlace, sample_id: str
) -> Mapping[str, Any] | None:
    """Run the unit of the conversion on one row of the shard."""
    with tempfile.TemporaryDirectory() as scratch:
        unit = SamplesUnit(
            spec=spec,
            shard=build.path(place.shard),
            shard_sha256=build.manifest.files[place.shard].sha256,
            start=place.row,
            stop=place.row + 1,
            problems=None,
            staging=Path(scratch),
        )
        run_samples(unit)
        rows = read_arrow(unit.folder / SAMPLES).to_pylist()
    return next((row for row in rows if row["sample_id"] == sample_id), None)


def render_text(
    build: Build,
    catalog: Catalog,
    sample: Mapping[str, Any],
    entry: DatasetEntry,
    place: RecordPlace,
    template: Template,
) -> Mapping[str, Any]:
    """Render the texts with one given template."""
    shard = build.path(place.shard)
    table = valid_arrow(read_arrow(shard).slice(place.row, 1), RECORD_SCHEMA, shard)
    form = table.schema.get_field_index("form")
    table = table.set_column(form, "form", table.column("form").cast("string"))
    constants = {
        "dataset": sample["dataset"],
        "split": sample["split"],
        "task": entry.task,
        **constants_of(catalog, entry),
    }
    rendered = render_table(table.combine_chunks(), [template], np.zeros(1, np.int64), constants)
    columns = {part: getattr(rendered, part) for part in PARTS}
    return {part: None if column is None else column[0].as_py() for part, column in columns.items()}
