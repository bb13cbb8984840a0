"""The tables of Visual Dialog: questions and answers, which dialogues name by number.

All dialogues need both tables, wherever they are in the file. If several processes read a file,
one of them reads the tables and writes them for the others.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from instructify._util.shards import map_file
from instructify.readers.arrow import cleaned, empty_at
from instructify.readers.base import RawFile
from instructify.readers.json_items import read_list
from instructify.rejects import Reject

Numbers = NDArray[np.int64]
Mask = NDArray[np.bool_]
_REJECTS = "rejects.json"


class Table(NamedTuple):
    """Texts by number; a bad entry is null."""

    texts: pa.Array
    present: Mask
    empty: Mask

    def lacks(self, numbers: Numbers) -> Mask:
        """Return which numbers have no text."""
        return ~self._at(self.present, numbers)

    def is_empty(self, numbers: Numbers) -> Mask:
        """Return which numbers have an empty text."""
        return self._at(self.empty, numbers)

    def take(self, numbers: Numbers) -> pa.Array:
        """Look up texts; a number out of range gives null."""
        outside = (numbers < 0) | (numbers >= len(self.present))
        return self.texts.take(pa.array(numbers, mask=outside))

    def _at(self, flags: Mask, numbers: Numbers) -> Mask:
        inside = (numbers >= 0) & (numbers < len(flags))
        inside[inside] = flags[numbers[inside]]
        return inside


class Tables(NamedTuple):
    """Both tables of a file, and their bad entries."""

    questions: Table
    answers: Table
    rejects: Sequence[Reject]

    def save(self, folder: Path) -> None:
        """Write the tables for other processes."""
        for name in ("questions", "answers"):
            batch = pa.record_batch([getattr(self, name).texts], names=["text"])
            with (
                pa.OSFile(str(folder / f"{name}.arrow"), "wb") as sink,
                pa.ipc.new_file(sink, batch.schema) as writer,
            ):
                writer.write_batch(batch)
        (folder / _REJECTS).write_text(json.dumps(self.rejects), encoding="ascii")

    @classmethod
    def load(cls, folder: Path) -> "Tables":
        """Map saved tables into memory, which processes of a machine share."""
        questions, answers = (
            table_of(pa.ipc.open_file(map_file(folder / f"{name}.arrow")).get_batch(0).column(0))
            for name in ("questions", "answers")
        )
        rejects = json.loads((folder / _REJECTS).read_bytes())
        return cls(questions, answers, [Reject(*row) for row in rejects])


def read_tables(file: RawFile) -> Tables:
    """Read both tables of a file."""
    questions, bad_questions = read_table(file, "data.questions")
    answers, bad_answers = read_table(file, "data.answers")
    return Tables(questions, answers, [*bad_questions, *bad_answers])


def read_table(file: RawFile, key: str) -> tuple[Table, list[Reject]]:
    """Read a table of texts; a bad entry stays in place, so that numbers do not change."""
    pieces = [pa.array([], pa.string())]
    rejects: list[Reject] = []
    for items in read_list(file, str, key=key):
        rejects.extend(reject._replace(field=key) for reject in items.rejects)
        texts = cleaned(items.items)
        if items.rejects:
            texts = _spread(texts, items.positions, items.rejects)
        pieces.append(texts)
    return table_of(pa.concat_arrays(pieces)), rejects


def table_of(texts: pa.Array) -> Table:
    """Make a table of its texts."""
    present = texts.is_valid().to_numpy(zero_copy_only=False)
    empty = np.zeros(len(texts), np.bool_)
    empty[empty_at(texts)] = True
    return Table(texts, present, empty & present)


def _spread(texts: pa.Array, positions: Sequence[int], rejects: Sequence[Reject]) -> pa.Array:
    """Insert nulls at the places of bad entries."""
    taken = sorted(
        [*positions, *(reject.position for reject in rejects if reject.position is not None)]
    )
    number_of = {position: number for number, position in enumerate(positions)}
    return texts.take(pa.array([number_of.get(position) for position in taken], pa.int64()))
