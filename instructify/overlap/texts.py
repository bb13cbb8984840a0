"""Find questions and answers of held-out sets that also occur in training data.

Texts are compared in normalised form: lower case, punctuation and symbols replaced by spaces, runs
of spaces by one space. Short texts and stock questions occur in all data of this kind, so they are
counted apart: a text is *common* if it has at most three words or if at least ten training records
contain it.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from instructify._util.keyed import Hashes, hash_texts
from instructify.build import Build
from instructify.overlap.masks import Counts, distinct, is_among
from instructify.overlap.parts import Part, part_batches
from instructify.overlap.pictures import PictureRows, Rows

SHORT_WORDS = 3
COMMON_RECORDS = 10
_NO_WORD = r"[\pP\pS\pZ\pC]+"
_EXAMPLES = 3
_ODD = np.uint64(0x9E3779B97F4A7C15)
_QUESTION = ("question",)
_ACCEPTED = ("answer", "references")


class SharedTexts(NamedTuple):
    """Records of an evaluated part whose text also occurs in a training part."""

    records: int
    common: int  # of these, by a common text only
    examples: list[str]  # of the others


class TextOverlap(NamedTuple):
    """The texts that a training part and an evaluated part share; both by their numbers."""

    trained: int
    evaluated: int
    questions: SharedTexts
    same_picture: int  # records whose question is asked of the same picture (by key or bytes)
    answers: SharedTexts  # any accepted answer or caption; trained on: the answer


class _Texts(NamedTuple):
    """Texts of a part: for each its hash, whether it is short, and its record."""

    hashes: Hashes
    short: NDArray[np.bool_]
    record: Counts


class _Known(NamedTuple):
    """Distinct texts, sorted, and the number of training records of each."""

    hashes: Hashes
    records: Counts


class _Trained(NamedTuple):
    questions: _Known
    answers: _Known


class _Evaluated(NamedTuple):
    questions: _Texts
    answers: _Texts


class _Found(NamedTuple):
    """Like `SharedTexts`, with the hashes of the examples."""

    records: int
    common: int
    examples: list[int]

    def with_texts(self, texts: Mapping[int, str]) -> SharedTexts:
        return SharedTexts(self.records, self.common, [texts[example] for example in self.examples])


def find_shared_texts(pictures: PictureRows) -> list[TextOverlap]:
    """Compare each evaluated part with each training part; pairs that share nothing are left out.

    Two builds are compared across, one build within itself.
    """
    parts, builds = pictures.parts, pictures.builds
    same = pictures.same()
    evaluated = {
        number: _Evaluated(*(_read(builds, part, columns) for columns in (_QUESTION, _ACCEPTED)))
        for number, part in enumerate(parts)
        if part.is_evaluated
    }
    places = {n: _with_pictures(pictures, same, n, of.questions) for n, of in evaluated.items()}
    trained: dict[int, _Trained] = {}
    records: dict[tuple[int, int], int] = {}
    for number, part in enumerate(parts):
        if not part.is_trained or not evaluated:
            continue
        questions = _read(builds, part, _QUESTION)
        training_questions = distinct(_with_pictures(pictures, same, number, questions))
        for other, of in evaluated.items():
            is_shared = is_among(places[other], training_questions) & (places[other] != 0)
            records[number, other] = len(np.unique(of.questions.record[is_shared]))
        answers = _read(builds, part, ("answer",))
        trained[number] = _Trained(_count(questions.hashes), _count(answers.hashes))
    everywhere = _Trained(
        _merged([texts.questions for texts in trained.values()]),
        _merged([texts.answers for texts in trained.values()]),
    )
    overlaps = []
    for other, of in evaluated.items():
        pairs = [n for n in trained if len(builds) == 1 or parts[n].build != parts[other].build]
        questions_of = {
            n: _shared(of.questions, trained[n].questions, everywhere.questions) for n in pairs
        }
        answers_of = {n: _shared(of.answers, trained[n].answers, everywhere.answers) for n in pairs}
        text_of = _look_up(builds, parts[other], [*questions_of.values(), *answers_of.values()])
        for n in pairs:
            same_questions = questions_of[n].with_texts(text_of)
            same_answers = answers_of[n].with_texts(text_of)
            if same_questions.records or same_answers.records:
                overlaps.append(
                    TextOverlap(n, other, same_questions, records[n, other], same_answers)
                )
    return sorted(overlaps)


def normalised(texts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Return texts in the form in which they are compared; nulls stay null."""
    lower = pc.utf8_lower(texts)
    return pc.utf8_trim(pc.replace_substring_regex(lower, _NO_WORD, " "), " ")


def _merged(many: Sequence[_Known]) -> _Known:
    """Add up the records of each text over all training parts."""
    hashes = np.concatenate([np.empty(0, np.uint64), *(known.hashes for known in many)])
    weights = np.concatenate([np.empty(0, np.int64), *(known.records for known in many)])
    texts, at = np.unique(hashes, return_inverse=True)
    return _Known(texts, np.bincount(at, weights=weights, minlength=len(texts)).astype(int))


def _count(hashes: Hashes) -> _Known:
    texts, counts = np.unique(hashes, return_counts=True)
    return _Known(texts, counts.astype(np.int64))


def _read(builds: Sequence[Build], part: Part, columns: Sequence[str]) -> _Texts:
    """Read the texts of some columns; a text that a record has twice counts once."""
    hashes: list[Hashes] = [np.empty(0, np.uint64)]
    short: list[NDArray[np.bool_]] = [np.empty(0, np.bool_)]
    record: list[Counts] = [np.empty(0, np.int64)]
    start = 0
    for batch in part_batches(builds[part.build], part, columns):
        for name in columns:
            rows, texts = _flat(batch.column(name))
            texts = normalised(texts)
            filled = pc.greater(pc.binary_length(texts), 0).to_numpy(False)
            rows, texts = rows[filled], texts.filter(pa.array(filled))
            words = pc.add(pc.count_substring(texts, " "), 1).to_numpy(False)
            hashes.append(hash_texts(texts))
            short.append(words <= SHORT_WORDS)
            record.append(rows + start)
        start += batch.num_rows
    joined = _Texts(np.concatenate(hashes), np.concatenate(short), np.concatenate(record))
    return joined if len(columns) == 1 else _once_a_record(joined)


def _once_a_record(texts: _Texts) -> _Texts:
    order = np.lexsort((texts.hashes, texts.record))
    hashes, record = texts.hashes[order], texts.record[order]
    fresh = np.r_[True, (hashes[1:] != hashes[:-1]) | (record[1:] != record[:-1])][: len(order)]
    return _Texts(hashes[fresh], texts.short[order][fresh], record[fresh])


def _flat(column: pa.Array) -> tuple[Counts, pa.Array]:
    """Return the texts of a column (of texts or of lists), without nulls, and their rows."""
    if pa.types.is_list(column.type):
        rows, texts = pc.list_parent_indices(column), column.flatten()
    else:
        rows, texts = pa.array(np.arange(len(column))), column
    valid = texts.is_valid()
    return rows.filter(valid).to_numpy(False).astype(np.int64), texts.filter(valid)


def _with_pictures(pictures: PictureRows, same: Rows, part: int, questions: _Texts) -> Hashes:
    """Combine each question with its record's first picture; 0 where it has none."""
    many = pictures.read[part].per_record
    rows = pictures.named[part]
    picture = np.full(len(many), -1, np.int64)
    filled = np.flatnonzero(many)
    picture[filled] = same[rows[(np.cumsum(many) - many)[filled]]]
    of = picture[questions.record]
    combined = (questions.hashes ^ (of.astype(np.uint64) * _ODD)) * _ODD
    return np.where(of >= 0, combined, np.uint64(0))


def _shared(texts: _Texts, known: _Known, everywhere: _Known) -> _Found:
    """Count the records of an evaluated part whose texts a training part contains."""
    is_known = is_among(texts.hashes, known.hashes)
    at = np.searchsorted(everywhere.hashes, texts.hashes[is_known])
    common = np.zeros(len(is_known), np.bool_)
    common[is_known] = texts.short[is_known] | (everywhere.records[at] >= COMMON_RECORDS)
    telling = is_known & ~common
    records, rare = (len(np.unique(texts.record[some])) for some in (is_known, telling))
    examples = distinct(texts.hashes[telling])[:_EXAMPLES]
    return _Found(records, records - rare, examples.tolist())


def _look_up(builds: Sequence[Build], part: Part, results: Sequence[_Found]) -> dict[int, str]:
    """Return the texts of the examples, as they were before they were normalised."""
    wanted = np.array(sorted({example for some in results for example in some.examples}), np.uint64)
    text_of: dict[int, str] = {}
    for batch in part_batches(builds[part.build], part, (*_QUESTION, *_ACCEPTED)):
        if len(text_of) == len(wanted):
            break
        for name in (*_QUESTION, *_ACCEPTED):
            _, texts = _flat(batch.column(name))
            hashes = hash_texts(normalised(texts))
            for row in np.flatnonzero(is_among(hashes, wanted)):
                text_of.setdefault(int(hashes[row]), str(texts[int(row)].as_py()))
    return text_of
