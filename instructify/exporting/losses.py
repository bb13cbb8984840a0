"""Counts of the values that a format can't hold, by column.

Parquet and the Hub keep every column. The source, reader and template of a sample are not counted:
its id leads back to the build.
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
    """Count the samples with a value in each column that the format does not hold.

    A single reference that equals the response is not counted, since the response is exported.
    """
    counts = {}
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
            counts[name] = number
    return counts


def _padded(column: pa.Array) -> pa.Array:
    """Make empty lists null, so that all others have a first element."""
    return pc.if_else(pc.greater(pc.list_value_length(column), 0), column, None)
