"""What units measure for the plan of an export: sizes of samples and row groups, and row groups."""

import pyarrow as pa

from instructify.build import Build
from instructify.exporting.contents import Contents
from instructify.exporting.piece_units import PieceUnit
from instructify.exporting.row_groups import GroupCutter
from instructify.exporting.rows import Counts, read_rows
from instructify.exporting.selection import Chosen
from instructify.exporting.sinks import SinkParts, make_sink
from instructify.exporting.tar import BLOCK, padded
from instructify.exporting.webdataset import contents_of_rows, sample_texts


def measure(unit: PieceUnit, build: Build, chosen: Chosen, parts: SinkParts) -> list[int]:
    """Measure the rows of a unit.

    Returns:
        The first row of each row group of a Parquet file, if the unit asks for `groups`. Otherwise
        the size of each sample in a tar, or of each row group in a Parquet file.
    """
    numbers: list[int] = []
    batches = read_rows(build, chosen, unit.work.options, Counts(), unit.span)
    if unit.what == "groups":
        cutter, row = GroupCutter(), 0
        for batch in batches:
            numbers += [row + cut.start for cut in cutter.cut(_sizes(batch, parts)) if cut.is_new]
            row += batch.num_rows
    elif unit.work.options.shape == "webdataset":
        for batch in batches:
            numbers += _tar_sizes(batch, chosen, parts.contents)
    else:
        sink = make_sink(parts, measured=numbers)
        sink.begin(chosen)
        for batch in batches:
            sink.write(batch)
        sink.end()
    return numbers


def _sizes(batch: pa.RecordBatch, parts: SinkParts) -> list[int]:
    """Return the size of the pictures of each sample, from the index."""
    if parts.contents is None:
        return [0] * batch.num_rows
    return parts.contents.sizes_of(batch.column("pictures"))


def _tar_sizes(batch: pa.RecordBatch, chosen: Chosen, contents: Contents | None) -> list[int]:
    """Compute the sizes of the samples of a batch in a tar, headers included."""
    texts = sample_texts(batch, chosen)
    members = zip(texts, contents_of_rows(batch, contents), strict=True)
    return [
        sum(
            BLOCK + padded(size) for size in (len(text), *(content.size_bytes for content in shown))
        )
        for text, shown in members
    ]
