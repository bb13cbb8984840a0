"""Count what the records of a split have: labels, values from side files, empty answers.

An input may have no effect: the OCR file belongs to another split or writes its keys in another
way, or the authors did not publish the labels. Therefore the records of every split are counted by
what they have. `Coverage` is stored in the manifest, so that a run that reads nothing again gives
the same notes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from instructify._util.keyed import Hashes, hash_texts
from instructify.readers import OptionValue, RawFile, Remark

OCR_OPTION = "--ocr"  # the role of the user's own side file, besides those in the catalog

_NO_PICTURE = pa.scalar([""], pa.list_(pa.string()))


class SideUse(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The number of main pictures of a split for which records took values from a side file."""

    named: int
    pictures: int


class Coverage(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Counts over the records of a split; zero counts are not written to the manifest."""

    unlabelled: int = 0  # records with neither an answer nor a reference
    empty_answers: int = 0  # records with an empty answer among their references
    remarks: dict[str, int] = {}  # by kind, of `readers.REMARKS`
    sides: dict[str, SideUse] = {}  # by role in the catalog, or `--ocr`


class Side(NamedTuple):
    """The column and value that show that a record took something from a side file."""

    column: str
    source: str | None  # the value of the column; None: any value


def sides_of(
    files: Mapping[str, RawFile], options: Mapping[str, OptionValue], ocr: RawFile | None
) -> dict[str, Side]:
    """List the side files of a split that the reader uses with its options."""
    sides: dict[str, Side] = {}
    if "ocr" in files and options.get("ocr_tokens") != 0:
        sides["ocr"] = Side("ocr_source", files["ocr"].name)
    if "dense" in files and options.get("dense") != "off":
        sides["dense"] = Side("relevance", None)
    if ocr is not None and options.get("ocr_tokens") != 0:
        sides[OCR_OPTION] = Side("ocr_source", ocr.name)
    return sides


class CoverageCounter:
    """Counts the coverage of a split batch by batch; needs eight bytes a record with side files."""

    def __init__(self, sides: Mapping[str, Side]) -> None:
        self._sides = sides
        self._unlabelled = 0
        self._empty_answers = 0
        self._remarks: Counter[str] = Counter()
        self._pictures: list[Hashes] = []
        self._named: dict[str, list[Hashes]] = {role: [] for role in sides}

    def add(self, batch: pa.RecordBatch, remarks: Sequence[Remark]) -> None:
        """Count a batch of records and the remarks of its reader."""
        self._unlabelled += _num_unlabelled(batch)
        self._empty_answers += _num_with_empty(batch.column("references"))
        self._remarks.update(remark.kind for remark in remarks)
        if not self._sides or not batch.num_rows:
            return
        pictures = _main_pictures(batch)
        self._pictures.append(np.unique(pictures))
        for role, side in self._sides.items():
            self._named[role].append(np.unique(pictures[_has(batch, side)]))

    def coverage(self) -> Coverage:
        """Return the counts."""
        pictures = _num_distinct(self._pictures)
        return Coverage(
            unlabelled=self._unlabelled,
            empty_answers=self._empty_answers,
            remarks=dict(sorted(self._remarks.items())),
            sides={
                role: SideUse(_num_distinct(named), pictures)
                for role, named in sorted(self._named.items())
            },
        )


def vocabulary_use(answers: pa.Array, vocabulary: Sequence[str]) -> tuple[int, int]:
    """Count the answers of a column that are in a vocabulary, and all answers."""
    given = answers.drop_null()
    inside = pc.is_in(given, value_set=pa.array(vocabulary, pa.string()))
    return inside.true_count, len(given)


def _num_unlabelled(batch: pa.RecordBatch) -> int:
    no_answer = batch.column("answer").is_null()
    if not no_answer.true_count:
        return 0
    references = pc.fill_null(pc.list_value_length(batch.column("references")), 0)
    return int(pc.and_(no_answer, pc.equal(references, 0)).true_count)


def _num_with_empty(references: pa.ListArray) -> int:
    lengths = pc.binary_length(references.flatten()).to_numpy(zero_copy_only=False)
    empty = np.flatnonzero(lengths == 0)
    if not len(empty):
        return 0
    owners = references.value_parent_indices().to_numpy()
    return len(np.unique(owners[empty]))


def _main_pictures(batch: pa.RecordBatch) -> Hashes:
    pictures = batch.column("pictures")
    has_picture = pc.greater(pc.list_value_length(pictures), 0)
    return hash_texts(pc.list_element(pc.if_else(has_picture, pictures, _NO_PICTURE), 0))


def _has(batch: pa.RecordBatch, side: Side) -> np.ndarray:
    column = batch.column(side.column)
    if side.source is None:
        return np.asarray(column.is_valid())
    same = pc.equal(column.cast(pa.string()), side.source)
    return np.asarray(pc.fill_null(same, False))


def _num_distinct(parts: Sequence[Hashes]) -> int:
    return len(np.unique(np.concatenate([np.empty(0, np.uint64), *parts])))
