"""VQAv2 and OK-VQA: questions, and ten answers each in a second file; also question generation.

The raw id is the question id. `answer` is VQAv2's `multiple_choice_answer`. OK-VQA has no such
field: its most common `raw_answer` is used, the first of equally common ones. `target=weighted`
draws one of the ten answers in proportion to the counts. The references are all ten answers as in
the file; an empty answer is never the target (see `annotators`). OK-VQA's `raw_answer` is not what
annotators typed, but that text normalised by the rules of VQA. Test files have no annotations, so
their records are for inference only. A question whose annotation names another image is rejected.
`answer_choice` is null if the release itself names the target.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Annotated, Generic, NamedTuple, Protocol, TypeVar

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from instructify.readers import vqa_release
from instructify.readers.annotators import choose_answer
from instructify.readers.arrow import (
    cleaned,
    empty_at,
    lists_of,
    numbered,
    singles,
    whole_numbers,
)
from instructify.readers.base import (
    Chunk,
    Option,
    Ranges,
    RawFile,
    ReadContext,
    Reader,
    record_batch,
)
from instructify.readers.join import Joined, Part, join_by_question_id
from instructify.readers.json_items import read_list
from instructify.readers.vqa_release import check_fields, check_header, check_ids, check_images
from instructify.rejects import Reject

Number = Annotated[int, msgspec.Meta(ge=0, lt=10**12)]

OKVQA_SUBSETS = {
    "one": "Vehicles and Transportation",
    "two": "Brands, Companies and Products",
    "three": "Objects, Material and Clothing",
    "four": "Sports and Recreation",
    "five": "Cooking and Food",
    "six": "Geography, History, Language and Culture",
    "seven": "People and Everyday life",
    "eight": "Plants and Animals",
    "nine": "Science and Technology",
    "ten": "Weather and Climate",
    "other": "Other",
}


class Question(msgspec.Struct, gc=False):
    question_id: Number
    image_id: Number
    question: str


class VqaAnswer(msgspec.Struct, gc=False):
    answer: str


class VqaAnnotation(msgspec.Struct, gc=False):
    question_id: Number
    multiple_choice_answer: str
    answers: list[VqaAnswer]
    image_id: Number | msgspec.UnsetType = msgspec.UNSET
    answer_type: str | None = None


class OkvqaAnswer(msgspec.Struct, gc=False):
    raw_answer: str


class OkvqaAnnotation(msgspec.Struct, gc=False):
    question_id: Number
    answers: list[OkvqaAnswer]
    image_id: Number | msgspec.UnsetType = msgspec.UNSET
    question_type: str | None = None


class Annotation(Protocol):
    """The fields that annotations of both releases have."""

    @property
    def question_id(self) -> int: ...

    @property
    def image_id(self) -> int | msgspec.UnsetType: ...

    @property
    def answers(self) -> Sequence[object]: ...


AnnotationT = TypeVar("AnnotationT", bound=Annotation)


class Release(NamedTuple, Generic[AnnotationT]):
    """The differences between the two releases in the form of annotations."""

    model: type[AnnotationT]
    texts: Callable[[Sequence[AnnotationT]], list[str]]  # all answers, one annotation after another
    targets: Callable[[Sequence[AnnotationT]], list[str]] | None
    subset: Callable[[Sequence[AnnotationT]], list[str | None]]


VQAV2 = Release(
    VqaAnnotation,
    lambda rows: [answer.answer for row in rows for answer in row.answers],
    lambda rows: [row.multiple_choice_answer for row in rows],
    lambda rows: [row.answer_type for row in rows],
)
OKVQA = Release(
    OkvqaAnnotation,
    lambda rows: [answer.raw_answer for row in rows for answer in row.answers],
    None,
    lambda rows: [OKVQA_SUBSETS.get(row.question_type or "", row.question_type) for row in rows],
)


def _read(release: Release[AnnotationT], form: str, context: ReadContext) -> Iterator[Chunk]:
    questions_file = context.files["questions"]
    name = _name(release)
    for file in (context.files[role] for role in sorted(context.files)):
        check_header(file, name, context)
    questions = _questions(questions_file, name)
    if "annotations" not in context.files:
        for part in questions:
            yield _chunk(context, form, part.batch, None, part.rejects)
        return
    annotations_file = context.files["annotations"]
    choose = partial(_choose, release, context)
    annotations = _annotations(release, annotations_file, choose)
    for joined in join_by_question_id(questions_file, questions, annotations_file, annotations):
        wanted, others = _of_same_image(questions_file, annotations_file, joined)
        if form == "question_generation" and context.options["yes_no"] == "drop":
            wanted = pc.and_(wanted, _neither_yes_nor_no(joined.annotations.column("answer")))
        kept, labels = joined.questions, joined.annotations
        if not pc.all(wanted).as_py():
            kept, labels = kept.filter(wanted), labels.filter(wanted)
        yield _chunk(context, form, kept, labels, [*joined.rejects, *others])


def _of_same_image(
    questions_file: RawFile, annotations_file: RawFile, joined: Joined
) -> tuple[pa.BooleanArray, list[Reject]]:
    """Return which rows are good, and reject rows whose two files name different images.

    Raises UserError if no row agrees: the files are from different releases.
    """
    asked = joined.questions.column("image_id")
    labelled = joined.annotations.column("image_id")
    good = joined.annotations.column("good")
    differ = pc.fill_null(pc.not_equal(asked, labelled), False)
    if not pc.any(differ, min_count=0).as_py():
        return good, []
    check_images(questions_file, annotations_file, asked.to_pylist(), labelled.to_pylist())
    rejects = [
        Reject(
            questions_file.name,
            joined.questions.column("position")[row].as_py(),
            "image_id",
            "bad-value",
            f"the question is about image {asked[row]} and its annotation about image "
            f"{labelled[row]}; the two files are of different releases",
        )
        for row in np.flatnonzero(pc.and_(differ, good).to_numpy(zero_copy_only=False)).tolist()
    ]
    return pc.and_(good, pc.invert(differ)), rejects


def _name(release: Release[AnnotationT]) -> str:
    return vqa_release.OKVQA if release.model is OkvqaAnnotation else vqa_release.VQAV2


def _questions(file: RawFile, release: str) -> Iterator[Part]:
    first = True
    for items in read_list(file, Question, key="questions"):
        rows = items.items
        if first:
            ids = [row.question_id for row in rows], [row.image_id for row in rows]
            check_ids(file, release, *ids)
            first = False
        texts = cleaned([row.question for row in rows])
        batch = pa.record_batch(
            {
                "question_id": pa.array([row.question_id for row in rows], pa.int64()),
                "image_id": pa.array([row.image_id for row in rows], pa.int64()),
                "question": texts,
                "position": whole_numbers(items.positions),
            }
        )
        empty = empty_at(texts)
        if not len(empty):
            yield Part(batch, list(items.rejects))
            continue
        rejects = [_empty(file, items.positions[row], "question") for row in empty]
        good = np.ones(len(rows), bool)
        good[empty] = False
        yield Part(batch.filter(pa.array(good)), [*items.rejects, *rejects])


class _Targets(NamedTuple):
    """The training targets of some annotations; `choices` are their indices among the answers."""

    texts: pa.StringArray
    choices: pa.Int32Array


def _annotations(
    release: Release[AnnotationT],
    file: RawFile,
    choose: Callable[[Sequence[AnnotationT], pa.ListArray], _Targets],
) -> Iterator[Part]:
    """Read annotations as columns; a bad one stays, not `good`, so that it is the only reject."""
    first = True
    for items in read_list(file, release.model, key="annotations"):
        rows = items.items
        if first:
            check_fields(file, _name(release), len(rows), items.rejects)
            first = False
        answers = lists_of(cleaned(release.texts(rows)), [len(row.answers) for row in rows])
        targets = choose(rows, answers)
        rejects = _label_rejects(file, items.positions, answers)
        good = np.ones(len(rows), bool)
        if rejects:
            bad = {reject.position for reject in rejects}
            good[[row for row, at in enumerate(items.positions) if at in bad]] = False
        batch = pa.record_batch(
            {
                "question_id": pa.array([row.question_id for row in rows], pa.int64()),
                "answer": targets.texts,
                "answer_choice": targets.choices,
                "references": answers,
                "subset": pa.array(release.subset(rows), pa.string()),
                "image_id": _image_ids(rows),
                "position": whole_numbers(items.positions),
                "good": pa.array(good),
            }
        )
        yield Part(batch, [*items.rejects, *rejects])


def _image_ids(rows: Sequence[Annotation]) -> pa.Int64Array:
    """Make a column of the images of annotations; null where one names none."""
    numbers = [row.image_id for row in rows]
    try:
        return pa.array(numbers, pa.int64())
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # UNSET is no number
        given = [None if number is msgspec.UNSET else number for number in numbers]
        return pa.array(given, pa.int64())


def _choose(
    release: Release[AnnotationT],
    context: ReadContext,
    rows: Sequence[AnnotationT],
    answers: pa.ListArray,
) -> _Targets:
    """Choose the target of each annotation; one without answers gets an empty text."""
    named: list[str] = [""] * len(rows)
    if release.targets and context.options.get("target") != "weighted":
        column = cleaned(release.targets(rows))
        if not len(empty_at(column)):
            return _Targets(column, pa.nulls(len(rows), pa.int32()))
        named = column.to_pylist()
    texts: list[str] = []
    choices: list[int | None] = []
    for row, text, given in zip(rows, named, answers.to_pylist(), strict=True):
        choice = None if text else choose_answer(context, str(row.question_id), given)
        choices.append(choice)
        texts.append(text if choice is None else given[choice])
    return _Targets(pa.array(texts, pa.string()), pa.array(choices, pa.int32()))


def _label_rejects(file: RawFile, positions: Sequence[int], answers: pa.ListArray) -> list[Reject]:
    """Make a reject for each annotation without answers, or with only empty ones."""
    lengths = np.diff(answers.offsets.to_numpy())
    empty_answers = empty_at(answers.values)
    if lengths.all() and not len(empty_answers):
        return []
    ends = np.cumsum(lengths)
    owners = np.searchsorted(ends, empty_answers, side="right")
    num_empty = np.bincount(owners, minlength=len(lengths))
    rejects: list[Reject] = []
    for row in np.flatnonzero(num_empty == lengths).tolist():
        detail = "all answers are empty" if lengths[row] else "the list of answers is empty"
        rejects.append(Reject(file.name, positions[row], "answers", "no-answer", detail))
    return rejects


def _empty(file: RawFile, position: int, field: str) -> Reject:
    return Reject(file.name, position, field, "empty-text", "the text is empty")


def _neither_yes_nor_no(answers: pa.StringArray) -> pa.BooleanArray:
    lower = pc.utf8_lower(answers)
    return pc.invert(pc.is_in(lower, value_set=pa.array(["yes", "no"])))


def _chunk(
    context: ReadContext,
    form: str,
    questions: pa.RecordBatch,
    labels: pa.RecordBatch | None,
    rejects: Iterable[Reject],
) -> Chunk:
    given = {}
    if labels is not None:
        names = ["answer", "answer_choice", "references"]
        if form == "question_generation":  # answers are no references for a generated question
            names = ["answer"]
        given = {name: labels.column(name) for name in names}
        given["subset"] = labels.column("subset").dictionary_encode()
    records = record_batch(
        questions.num_rows,
        record_id=numbered(f"{context.dataset}/{context.split}/", questions.column("question_id")),
        form=form,
        pictures=singles(numbered("coco/", questions.column("image_id"), 12)),
        question=questions.column("question"),
        source=context.files["questions"].name,
        position=questions.column("position"),
        **given,
    )
    return Chunk(records, tuple(rejects))


_TARGET = Option(
    kind="choice",
    help="which of the ten answers is trained on: the most common one, or one drawn by its count",
    choices=("most_common", "weighted"),
    needs="labels",
)
_YES_NO = Option(
    kind="choice",
    help="whether questions answered by yes or no are kept",
    choices=("keep", "drop"),
)

_RANGES = Ranges(
    places={"questions": "questions", "annotations": "annotations"}, joined_by="question_id"
)
VQAV2_READER = Reader(
    name="vqav2",
    version=3,
    read=partial(_read, VQAV2, "open"),
    options={"target": _TARGET},
    places=("questions",),
    ranges=_RANGES,
)
OKVQA_READER = Reader(
    name="okvqa",
    version=3,
    read=partial(_read, OKVQA, "open"),
    options={"target": _TARGET},
    places=("questions",),
    ranges=_RANGES,
)
VQAV2_QG_READER = Reader(
    name="vqav2_qg",
    version=3,
    read=partial(_read, VQAV2, "question_generation"),
    options={"yes_no": _YES_NO},
    places=("questions",),
    ranges=_RANGES,
)
OKVQA_QG_READER = Reader(
    name="okvqa_qg",
    version=3,
    read=partial(_read, OKVQA, "question_generation"),
    options={"yes_no": _YES_NO},
    places=("questions",),
    ranges=_RANGES,
)
