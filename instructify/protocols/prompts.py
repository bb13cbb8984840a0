"""Render the prompts of a protocol for records, as columns."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from instructify._util.errors import UserError
from instructify.columns import Failure, render_table
from instructify.protocols.model import Fields, Protocol
from instructify.protocols.read import unworded
from instructify.templating import MULTITASK, Template, TemplateFolders, fitting

_DROPPED = ("context", "caption", "text")


class Prompts(NamedTuple):
    """The texts of records in their order; None where rendering failed."""

    instruction: list[str | None]
    qformer_instruction: list[str | None]
    failed: list[Failure]


def prompt_template(protocol: Protocol, task: str, templates: TemplateFolders) -> Template:
    """Return the prompt of a protocol as a template, or the template of a multitask baseline."""
    if protocol.prompt == "instruction":
        if protocol.instruction is None:
            raise unworded(protocol)
        return Template(
            task=task,
            id=f"protocol-{protocol.name}",
            version=protocol.version,
            forms=(protocol.form,),
            instruction=protocol.instruction,
            qformer_instruction=protocol.qformer_instruction,
            fields=protocol.own_fields,
        )
    baselines = templates.load().for_task(task, protocol.prompt)
    templates_of_form = fitting(baselines, protocol.form)
    if not templates_of_form:
        raise UserError(
            f"{MULTITASK}.yaml has no {protocol.prompt} template for {task} of form "
            f"'{protocol.form}'; add one, or use `--set prompt=instruction`"
        )
    return templates_of_form[0]


def render_prompts(
    records: pa.Table, protocol: Protocol, template: Template, constants: dict[str, str]
) -> Prompts:
    """Render the prompts of records with the fields that the protocol allows."""
    shown = _shown(records, protocol.fields)
    which = np.zeros(shown.num_rows, np.int64)
    rendered = render_table(shown, (template,), which, constants)
    qformer = rendered.qformer_instruction
    return Prompts(
        instruction=rendered.instruction.to_pylist(),
        qformer_instruction=([None] * shown.num_rows if qformer is None else qformer.to_pylist()),
        failed=rendered.failed,
    )


def _shown(records: pa.Table, fields: Fields) -> pa.Table:
    """Remove the fields that the prompt may not use."""
    place = records.schema.get_field_index("form")
    table = records.set_column(place, "form", records.column("form").cast(pa.string()))
    for name in _DROPPED:
        if not getattr(fields, name):
            table = _with(table, name, pa.nulls(table.num_rows, table.schema.field(name).type))
    if fields.ocr_tokens is not None:
        table = _with(table, "ocr_tokens", _first(table.column("ocr_tokens"), fields.ocr_tokens))
    if fields.history is not None:
        table = _with(table, "history", _last(table.column("history"), fields.history))
    return table


def _with(table: pa.Table, name: str, column: pa.Array | pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, column)


def _first(tokens: pa.ChunkedArray, count: int) -> pa.Array | pa.ChunkedArray:
    if count == 0:
        return pa.nulls(len(tokens), tokens.type)
    return pc.list_slice(tokens, 0, count, return_fixed_size_list=False)


def _last(history: pa.ChunkedArray, count: int) -> pa.Array:
    if count == 0:
        return pa.nulls(len(history), history.type)
    rounds = [
        None if rounds_of is None else rounds_of[-count:] for rounds_of in history.to_pylist()
    ]
    return pa.array(rounds, history.type)
