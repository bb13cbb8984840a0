"""Make notes on the fields of own data that the data, the entry or the templates lack."""

import json
from collections.abc import Collection, Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from instructify._util.shards import read_arrow
from instructify.build.request import ConvertRequest
from instructify.build.state import SplitState
from instructify.catalog import Dataset


def own_field_notes(request: ConvertRequest, state: SplitState) -> Iterator[str]:
    """List fields of a split without effect, and fields that its templates use but it lacks."""
    named = named_fields(request.catalog.dataset(state.dataset))
    templates = request.templates.for_task(state.entry.task, dataset=state.dataset)
    read = {name for template in templates for name in template.fields}
    if named and state.records:
        tables = (read_arrow(shard.path) for shard in state.record_shards)
        yield from absent_fields(request.catalog.dataset(state.dataset), fields_in(tables)).values()
    for name in sorted(named - read):
        yield (
            f"no template of {state.dataset} reads the field '{name}'; it is kept in records and "
            "exports alone"
        )
    for template in templates:
        lacking = [name for name in template.fields if name not in named]
        if lacking and not set(lacking) & set(template.requires):
            yield (
                f"the template {template.key} reads {', '.join(lacking)}, which the entry of "
                f"{state.dataset} does not name under 'fields'"
            )


def absent_fields(dataset: Dataset, present: Collection[str]) -> dict[str, str]:
    """List the fields that an entry names and no record has, each with a sentence."""
    return {
        name: f"no record has the field '{name}'; look at the column that 'fields' names for it"
        for name in sorted(named_fields(dataset) - set(present))
    }


def named_fields(dataset: Dataset) -> set[str]:
    """List the fields of own data that an entry names."""
    return set(json.loads(str(dataset.options.get("fields") or "{}")))


def fields_in(tables: Iterable[pa.Table | pa.RecordBatch]) -> set[str]:
    """List the fields of own data that records have."""
    present: set[str] = set()
    for table in tables:
        pairs = pc.list_flatten(table.column("fields"))
        present.update(pc.unique(pc.struct_field(pairs, "name")).to_pylist())
    return present
