"""What samples hold that a shape has no place for, counted by column.

Parquet and the Hub keep every column. Where a sample comes from (its source, reader and template)
counts as nothing that a trainer or a reader of the export would miss: ids lead back to the build.
"""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from instructify.exporting.options import Shape

_SCORING = ("subset", "difficult", "relevance")
_EVALUATION = ("references", "candidates", "candidate_set", "choice_index", *_SCORING)
NOT_CARRIED: Mapping[Shape, tuple[str, ...]] = {
    "llava": ("qformer_instruction", *_EVALUATION),
    "chat": ("qformer_instruction", *_EVALUATION),
    "webdataset": _SCORING,
    "parquet": (),
    "hub": (),
}


def count_losses(batch: pa.RecordBatch, shape: Shape) -> dict[str, int]:
    """Count the samples that have a value in each column that the shape does not carry.

    A single reference that is the response itself is carried by that.
    """
    found = {}
    for name in NOT_CARRIED[shape]:
        column = batch.column(name)
        has = column.is_valid()
        if name == "references":
            several = pc.greater(pc.list_value_length(column), 1)
            first = pc.list_element(_padded(column), 0)
            other = pc.not_equal(first, batch.column("response"))
            has = pc.or_kleene(pc.fill_null(several, False), pc.fill_null(other, False))
        elif name == "difficult":
            has = pc.fill_null(column, False)
        number = pc.sum(has).as_py() or 0
        if number:
            found[name] = number
    return found


def _padded(column: pa.Array) -> pa.Array:
    """Make empty lists null, so that all others have a first element."""
    return pc.if_else(pc.greater(pc.list_value_length(column), 0), column, None)
