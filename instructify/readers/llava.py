"""LLaVA-Instruct: dialogues about a COCO picture; each turn of the assistant is a record.

Earlier rounds are in `history`. The mark `<image>` is removed before or after the first human turn;
at any other place it is ordinary text. The raw id is `<file stem>/<position>-<round>`, both counted
from 0, since the ids of the release are not unique. A dialogue is read up to the first turn that is
empty or out of order: that turn is rejected, and the rounds before it are kept.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

import msgspec

from instructify.readers.base import A_LIST, Chunk, Ranges, ReadContext, Reader, RecordRows
from instructify.readers.json_items import read_list
from instructify.readers.text import clean, safe_name

_MARK = "<image>"
_FILE_NUMBER = re.compile(r"(?:.*_)?([0-9]{12})\.jpg")


class Turn(msgspec.Struct, gc=False, rename={"speaker": "from"}):
    speaker: str
    value: str


class Dialogue(msgspec.Struct, gc=False):
    image: str
    conversations: list[Turn]


class Round(NamedTuple):
    """A question of the human and the answer of the assistant."""

    question: str
    answer: str


class Problem(NamedTuple):
    """The reason why a dialogue is not read any further."""

    field: str
    reason: str
    detail: str


def _read(context: ReadContext) -> Iterator[Chunk]:
    file = context.files["data"]
    stem = PurePosixPath(file.name).stem
    rows = RecordRows(context)
    for items in read_list(file, Dialogue):
        rows.extend_rejects(items.rejects)
        for position, dialogue in zip(items.positions, items.items, strict=True):
            problem = _picture_problem(dialogue.image)
            if problem is None:
                rounds, problem = _rounds(dialogue.conversations)
                key = _key(dialogue.image)
                for number, dialogue_round in enumerate(rounds):
                    rows.add(
                        f"{stem}/{position}-{number}",
                        form="conversation",
                        pictures=[key],
                        source=file,
                        position=position,
                        question=dialogue_round.question,
                        answer=dialogue_round.answer,
                        history=[earlier._asdict() for earlier in rounds[:number]],
                    )
            if problem:
                rows.reject(file, position, *problem)
            if rows.full:
                yield rows.take()
    yield rows.take()


def _picture_problem(image: str) -> Problem | None:
    if not safe_name(image):
        return Problem("image", "path-outside-root", "the name leads out of the picture folder")
    if not _FILE_NUMBER.fullmatch(PurePosixPath(image).name):
        detail = f"'{image[:80]}' is no COCO file: twelve digits and .jpg"
        return Problem("image", "bad-value", detail)
    return None


def _key(image: str) -> str:
    return f"coco/{PurePosixPath(image).stem[-12:]}"


def _rounds(turns: Sequence[Turn]) -> tuple[list[Round], Problem | None]:
    """Return the rounds up to the first bad turn, and the reason why it is bad."""
    rounds: list[Round] = []
    question = ""
    for index, turn in enumerate(turns):
        wanted = "human" if index % 2 == 0 else "gpt"
        if turn.speaker != wanted:
            detail = f"'{turn.speaker[:40]}' speaks where '{wanted}' should"
            return rounds, Problem(f"conversations[{index}].from", "bad-value", detail)
        text = clean(turn.value)
        if index == 0:
            text = clean(text.removeprefix(_MARK).removesuffix(_MARK))
        if not text:
            field = f"conversations[{index}].value"
            return rounds, Problem(field, "empty-text", "the turn is empty")
        if wanted == "human":
            question = text
        else:
            rounds.append(Round(question, text))
    if not turns:
        return rounds, Problem("conversations", "no-answer", "the dialogue has no turns")
    if len(turns) % 2:
        field = f"conversations[{len(turns) - 1}]"
        return rounds, Problem(field, "no-answer", "nobody answers the last turn")
    return rounds, None


READER = Reader(
    name="llava",
    version=1,
    read=_read,
    options={},
    places=(A_LIST,),
    ranges=Ranges(places={"data": A_LIST}, numbered=True),
)
