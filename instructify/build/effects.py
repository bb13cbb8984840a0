"""Find inputs that have no effect or are missing, in the same way for `convert` and `check`.

A finding is a cause with a sentence. If most of a split is affected, it ends the conversion, since
a build would look complete without being so; `--max-rejects`, or the option that the sentence
names, allows it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from instructify._util.errors import UserError
from instructify._util.wording import counted
from instructify.build.coverage import OCR_OPTION, Coverage, SideUse, sides_of
from instructify.build.raw import RawSplit, option_values, reader_of
from instructify.readers import REMARKS, RawFile, example_key

_WHAT = {"ocr": "OCR tokens", OCR_OPTION: "OCR tokens", "dense": "dense annotations"}
_TO_LEAVE_OUT = {"ocr": "ocr_tokens=0", "dense": "dense=off"}
_COVERS_ALL = ("ocr", OCR_OPTION)  # the dense annotations of train cover only a sample
_FEW_ANSWERS = 10  # a small slice of train lacks many answers; another release lacks nearly all


class Effect(NamedTuple):
    """A finding about one split: its cause, its file, and a sentence.

    `stops` means that a conversion should not continue, and `remedy` says what to do then.
    """

    cause: str
    number: int
    item: str
    detail: str
    stops: bool = False
    remedy: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Covered:
    """A split that was read: its files, its number of records, and their coverage."""

    raw: RawSplit
    ocr: RawFile | None
    records: int
    coverage: Coverage
    vocabulary: tuple[int, int, int] | None = None  # answers in it, all answers, size

    @property
    def name(self) -> str:
        return f"{self.raw.dataset.name}/{self.raw.split.name}"

    @property
    def keeps_ocr(self) -> bool:
        """Whether tokens of the user's OCR file become part of its records."""
        options = option_values(self.raw.dataset)
        return OCR_OPTION in sides_of(self.raw.files, options, self.ocr)

    def file(self, role: str) -> RawFile:
        """Return a side file by its role."""
        if role == OCR_OPTION and self.ocr is not None:
            return self.ocr
        return self.raw.files[role]


def effects_of(split: Covered) -> Iterator[Effect]:
    """List the findings about a split."""
    yield from _labels(split)
    for role, use in split.coverage.sides.items():
        yield from _side(split, role, use)
    if split.vocabulary is not None:
        yield from _vocabulary(*split.vocabulary)
    if split.coverage.empty_answers:
        detail = (
            f"{_of(split.coverage.empty_answers, split.records)} have an empty answer among "
            "their references, which is never trained on"
        )
        yield Effect("empty-answer", split.coverage.empty_answers, "", detail)
    for kind, count in split.coverage.remarks.items():
        yield Effect(kind, count, "", counted(count, *REMARKS[kind]))


def idle_settings(
    settings: Sequence[str], splits: Sequence[RawSplit], *, ocr: bool
) -> Iterator[tuple[str, str]]:
    """List the `--set` texts without effect on the given splits, each with the reason."""
    for text in settings:
        name, _, assignment = text.partition(".")
        option = assignment.partition("=")[0]
        splits_of_dataset = [split for split in splits if split.dataset.name == name]
        reasons = {_idle(split, option, ocr=ocr) for split in splits_of_dataset}
        if splits_of_dataset and None not in reasons:
            yield text, " and ".join(sorted(reason for reason in reasons if reason))


def unnamed_ocr(ocr: RawFile, splits: Sequence[Covered], example: str | None) -> str | None:
    """Return a sentence if the user's OCR file names no picture of any split, else None.

    `example` is the key of a picture that it could have named. The result is also None for a build
    of an earlier version, which has no counts.
    """
    keeping = [split for split in splits if split.keeps_ocr]
    uses = [use for split in keeping if (use := split.coverage.sides.get(OCR_OPTION)) is not None]
    if not keeping:
        return (
            f"{OCR_OPTION} {ocr.name} has no effect: no dataset here keeps OCR tokens "
            "(ocr_tokens=0); leave it out, or the option."
        )
    pictures = sum(use.pictures for use in uses)
    if len(uses) < len(keeping) or not pictures or any(use.named for use in uses):
        return None
    if any(_has_tokens(split) for split in keeping):
        return None  # the note of that split gives the reason
    names = ", ".join(split.name for split in keeping)
    wanted = f" '{example}'" if example is not None else ""
    return (
        f"{OCR_OPTION} {ocr.name} has no effect: 0 of {counted(pictures, 'picture')} of {names} "
        f"are named by it ({_such_as(ocr)}); name them by their keys, as in{wanted}, or leave it "
        "out."
    )


def _has_tokens(split: Covered) -> bool:
    use = split.coverage.sides.get("ocr")
    return use is not None and use.named > 0


def _labels(split: Covered) -> Iterator[Effect]:
    unlabelled = split.coverage.unlabelled
    if not (split.raw.split.labelled and unlabelled):
        return
    detail = (
        f"{_of(unlabelled, split.records)} have no answer or caption, though this split of the "
        "release has them"
    )
    remedy = "get the annotations, or take the records for inference only with --max-rejects 100"
    item = ", ".join(sorted({file.name for file in split.raw.files.values()}))
    yield Effect("label-missing", unlabelled, item, detail, 2 * unlabelled > split.records, remedy)


def _side(split: Covered, role: str, use: SideUse) -> Iterator[Effect]:
    file = split.file(role)
    few = role in _COVERS_ALL and 2 * use.named < use.pictures
    if not use.pictures or (use.named and not few):
        return
    if role == OCR_OPTION and _has_tokens(split):
        detail = f"{file.name} adds nothing: the release's own OCR file names these pictures"
        yield Effect("file-without-effect", 1, file.name, detail)
        return
    if role == OCR_OPTION and not use.named and "ocr_tokens" not in split.raw.dataset.options:
        return  # meant for other datasets of the same run
    detail = (
        f"{use.named:,} of {counted(use.pictures, 'picture')} are named by {file.name}, which has "
        f"{_WHAT[role]}"
    )
    if use.named:
        yield Effect("file-of-little-effect", 1, file.name, detail)
        return
    option = _TO_LEAVE_OUT.get(role)
    remedy = f"get the file of this split, or leave it out with --set {split.raw.dataset.name}."
    yield Effect(
        "file-without-effect",
        1,
        file.name,
        f"{detail} ({_such_as(file)})" if role in _COVERS_ALL else detail,
        stops=option is not None,
        remedy=f"{remedy}{option}" if option else "",
    )


def _vocabulary(inside: int, answers: int, size: int) -> Iterator[Effect]:
    if answers and _FEW_ANSWERS * inside < answers:
        detail = (
            f"{inside:,} of {counted(answers, 'answer')} are among the {size:,} candidates that "
            "train gives; see whether its file is of the same release"
        )
        yield Effect("vocabulary-apart", 1, "", detail)


def _idle(split: RawSplit, option: str, *, ocr: bool) -> str | None:
    """Return why an option has no effect on a split; None if it may have one."""
    declared = reader_of(split.dataset).options[option]
    for other, values in declared.idle_with.items():
        value = split.dataset.options.get(other)
        if value in values:
            return f"{other} is {value}"
    if declared.needs == "labels" and not split.split.labelled:
        return f"{split.split.name} has no answers"
    if declared.needs not in (None, "labels") and declared.needs not in split.files:
        if declared.needs == "ocr" and ocr:
            return None
        return f"{split.split.name} has no file with {_WHAT[str(declared.needs)]}"
    return None


def _such_as(file: RawFile) -> str:
    try:
        key = example_key(file)
    except UserError as error:
        return str(error)
    return "it names none" if key is None else f"it names pictures such as '{key[:80]}'"


def _of(count: int, total: int) -> str:
    return f"{count:,} of {counted(total, 'record')}"
