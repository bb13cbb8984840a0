"""Make caption records from rows, column by column, for all readers of captions.

Training splits have a record for each caption (form `caption`), evaluation splits a record for each
picture with all its captions (form `caption_set`, which has no answer).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa

from instructify.readers.arrow import singles
from instructify.readers.base import CHUNK_ROWS, Chunk, RawFile, ReadContext, record_batch
from instructify.rejects import Reject


class Caption(NamedTuple):
    """The row of a record: `captions` has one text for training, all texts for evaluation."""

    raw_id: str
    picture: str
    captions: list[str]
    position: int


def for_training(context: ReadContext) -> bool:
    """Whether a split is for training: `train`, `train2017`."""
    return context.split.startswith("train")


def caption_chunk(
    context: ReadContext,
    source: RawFile,
    rows: Sequence[Caption],
    rejects: Sequence[Reject],
    **columns: object,
) -> Chunk:
    """Make a chunk of caption records; `columns` are further columns of the record schema."""
    training = for_training(context)
    prefix = f"{context.dataset}/{context.split}/"
    records = record_batch(
        len(rows),
        record_id=[prefix + row.raw_id for row in rows],
        form="caption" if training else "caption_set",
        pictures=singles(pa.array([row.picture for row in rows], pa.string())),
        answer=[row.captions[0] for row in rows] if training else None,
        references=None if training else [row.captions or None for row in rows],
        source=source.name,
        position=[row.position for row in rows],
        **columns,
    )
    return Chunk(records, tuple(rejects))


def caption_chunks(
    context: ReadContext, source: RawFile, rows: Sequence[Caption], rejects: Sequence[Reject]
) -> Iterator[Chunk]:
    """Split many records into chunks; the rejects are in the first."""
    for start in range(0, max(1, len(rows)), CHUNK_ROWS):
        part = rows[start : start + CHUNK_ROWS]
        yield caption_chunk(context, source, part, rejects if start == 0 else ())
