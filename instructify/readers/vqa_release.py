"""Recognise the release of a VQA file: VQA v1, VQAv2 and OK-VQA have the same form.

Two of them even use the same file names. A file names its release in a header. If the header is
missing, the fields of annotations, and the way question ids are made from image ids, decide.
"""

import re
from collections.abc import Sequence

from instructify._util.errors import UserError
from instructify.readers.base import RawFile, ReadContext
from instructify.readers.opening import opened
from instructify.readers.stated_split import check_subset
from instructify.rejects import Reject

VQAV2, OKVQA = "VQAv2", "OK-VQA"
_LOOKED_AT = 1 << 16
_FEWEST = 3  # number of items that must agree
_HEADER = re.compile(rb'"description"\s*:\s*"This is v([\d.]{1,8}) of the ((?:OK-)?VQA) dataset')
# A question id is the image id, followed by a number of so many digits.
_ID_STEP = {VQAV2: 1000, OKVQA: 10}
_OWN_FIELD = {VQAV2: "multiple_choice_answer", OKVQA: "raw_answer"}


def check_header(file: RawFile, release: str, context: ReadContext) -> None:
    """Refuse a file whose header names another release, or another split.

    `release` is VQAV2 or OKVQA.
    """
    with opened(file) as raw:
        ends = raw.handle.read(_LOOKED_AT)
        if raw.handle.seekable():  # OK-VQA writes its header last
            size = raw.handle.seek(0, 2)
            raw.handle.seek(max(0, size - _LOOKED_AT))
            ends += raw.handle.read(_LOOKED_AT)
    check_subset(file, ends, context)
    match = _HEADER.search(ends)
    if match is None:
        return
    version, name = match[1].decode(), match[2].decode()
    if (name, release) == ("OK-VQA", OKVQA) or (name, version[:1], release) == ("VQA", "2", VQAV2):
        return
    raise UserError(
        f"{file.name} is v{version} of the {name} dataset by its own header, not {release}"
        f"{_same_names(release)}; get the files of {release}."
    )


def check_ids(
    file: RawFile, release: str, question_ids: Sequence[int], image_ids: Sequence[int]
) -> None:
    """Refuse questions if all their ids have the form of the other release."""
    pairs = list(zip(question_ids, image_ids, strict=True))
    (other_step,) = (step for name, step in _ID_STEP.items() if name != release)
    has_other_ids = any(number // _ID_STEP[release] == image for number, image in pairs)
    other = all(number // other_step == image for number, image in pairs)
    if len(pairs) >= _FEWEST and other and not has_other_ids:
        there = "VQA v1 or OK-VQA" if release == VQAV2 else "VQAv2"
        raise UserError(
            f"{file.name} has the questions of {there}, not {release}, by their ids"
            f"{_same_names(release)}; get the files of {release}."
        )


def check_images(
    questions: RawFile,
    annotations: RawFile,
    asked: Sequence[int],
    labelled: Sequence[int | None],
) -> None:
    """Refuse two files if questions and annotations of equal ids all name different images."""
    if len(asked) >= _FEWEST and all(
        of is not None and of != image for image, of in zip(asked, labelled, strict=True)
    ):
        raise UserError(
            f"{annotations.name} names other images than {questions.name} for the same question "
            f"ids ({labelled[0]} and {asked[0]} for the first); the two files are of different "
            "releases, so get both from the same one."
        )


def check_fields(file: RawFile, release: str, num_good: int, rejects: Sequence[Reject]) -> None:
    """Refuse annotations if none has the field that only this release has."""
    wanted = _OWN_FIELD[release]
    lacking = all(
        reject.reason == "missing-field" and (reject.field or "").rpartition(".")[2] == wanted
        for reject in rejects
    )
    if not num_good and len(rejects) >= _FEWEST and lacking:
        there = "OK-VQA" if release == VQAV2 else "VQA v1 or VQAv2"
        raise UserError(
            f"{file.name} has annotations without '{wanted}', as {there} has them, not {release}"
            f"{_same_names(release)}; get the files of {release}."
        )


def _same_names(release: str) -> str:
    return ", whose files have the same names as those of VQA v1" if release == OKVQA else ""
