"""Make notes on the fields of own data that the data, the entry or the templates lack."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow.compute as pc

from instructify._util.shards import read_arrow
from instructify.build.request import ConvertRequest
from instructify.build.state import SplitState


def own_field_notes(request: ConvertRequest, state: SplitState) -> Iterator[str]:
    """List fields of a split without effect, and fields that its templates use but it lacks."""
    options = request.catalog.dataset(state.dataset).options
    named: set[str] = set(json.loads(str(options.get("fields") or "{}")))
    templates = request.templates.for_task(state.entry.task, dataset=state.dataset)
    read = {name for template in templates for name in template.fields}
    if named and state.records:
        present = _present(shard.path for shard in state.record_shards)
        for name in sorted(named - present):
            yield f"no record has the field '{name}'; look at the column that 'fields' names for it"
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


def _present(shards: Iterable[Path]) -> set[str]:
    present: set[str] = set()
    for path in shards:
        for chunk in read_arrow(path).column("fields").chunks:
            names = pc.struct_field(chunk.flatten(), "name")
            present.update(pc.unique(names).to_pylist())
    return present
