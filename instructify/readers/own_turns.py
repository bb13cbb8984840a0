"""Split conversations into records, one for each turn of the assistant.

Supported forms are LLaVA and ShareGPT (`from`, `value`), OpenAI's messages (`role`, `content` as
text or parts), pairs of `user` and `assistant`, and TRL's `prompt` and `completion`. A mark
`<image>` stands for the next picture of the item, and there must be as many marks as pictures. The
marks are removed, as in LLaVA, since a model gets its pictures before the text. Earlier turns
become the history, and a system message comes before the next question. A dialogue is read up to
the first turn that can't be used.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from instructify.catalog import TURNS
from instructify.readers.own_plan import Plan
from instructify.readers.table_cells import Fault, text_of

MARK = "<image>"
# The fields of a turn; each is also the name of its column.
PART_COLUMNS = {name: name for name in ("question", "answer", "history", "picture")}
TURN_KEYS = ("conversations", "messages", "conversation", "texts", "dialogue", "dialog")
PICTURE_KEYS = ("images", "image", "picture", "pictures", "image_path", "image_paths", "img")
_CLIP_KEYS = ("videos", "video")
_SYSTEM_KEYS = ("system", "system_prompt")
_ROLES = {
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "bot", "model", "bard", "bing"), "assistant"),
    **dict.fromkeys(("system", "developer"), "system"),
}
_ROLE_KEYS = ("from", "role", "speaker")
_TEXT_KEYS = ("value", "content", "text")
_TEXT_PARTS = ("text", "input_text", "output_text")
_IMAGE_PARTS = ("image", "image_url", "input_image")
_CLOSING = re.compile(r"[.,;:!?)\]]")


class Part(NamedTuple):
    """A record of an item: the end of its raw id, and its cells."""

    suffix: str
    cells: Mapping[str, object]


class Problem(NamedTuple):
    """The reason why an item is not read any further."""

    field: str
    fault: Fault


class _Turn(NamedTuple):
    role: str
    text: str
    marks: list[object]  # a picture in the turn itself; None: the next picture of the item
    is_trained: bool


class _BadTurn(Exception):
    """A turn can't be used, which ends the reading of its item."""

    def __init__(self, field: str, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.problem = Problem(field, Fault(reason, detail))


def parts_of(item: Mapping[str, object], plan: Plan) -> tuple[list[Part], Problem | None]:
    """Split a conversation; also returns the problem that ended its reading, if any."""
    try:
        column, turns = _turns(item, plan)
        turns = _with_pictures(item, plan, turns, column)
    except _BadTurn as error:
        return [], error.problem
    return _rounds(turns, column)


def turns_column(item: Mapping[str, object]) -> str | None:
    """Return the column with the turns of an item."""
    usual = next((key for key in TURN_KEYS if item.get(key) is not None), None)
    halves = (item.get("prompt"), item.get("completion"))
    return usual or ("prompt" if all(isinstance(half, list) for half in halves) else None)


def _turns(item: Mapping[str, object], plan: Plan) -> tuple[str, list[_Turn]]:
    column = plan.columns.get(TURNS) or turns_column(item)
    if not isinstance(column, str):
        names = ", ".join(TURN_KEYS[:2])
        raise _BadTurn(
            TURNS, "missing-field", f"no {names}; name the column: columns: {{{TURNS}: NAME}}"
        )
    raw = _listed(item.get(column))
    if column == "prompt" and isinstance(raw, list):
        raw = [*raw, *(_listed(item.get("completion")) or [])]
    if not isinstance(raw, list):
        reason = "missing-field" if column not in item else "wrong-type"
        raise _BadTurn(column, reason, f"'{column}' holds no list of turns")
    turns = [_Turn("system", text, [], False) for text in _system(item, plan)]
    for number, turn in enumerate(raw):
        turns += _read_turn(turn, f"{column}[{number}]")
    if not raw:
        raise _BadTurn(column, "no-answer", "the dialogue has no turns")
    return column, turns


def _listed(value: object) -> list[object] | None:
    """Read a list, which may be JSON text in a table."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, list) else None


def _system(item: Mapping[str, object], plan: Plan) -> list[str]:
    column = plan.columns.get("context")
    keys = (column,) if isinstance(column, str) else _SYSTEM_KEYS
    texts = [item[key] for key in keys if isinstance(item.get(key), str)]
    return [text for text in texts if isinstance(text, str) and text.strip()]


def _read_turn(turn: object, field: str) -> list[_Turn]:
    if isinstance(turn, list | tuple) and len(turn) == 2:
        turn = {"user": turn[0], "assistant": turn[1]}
    if not isinstance(turn, dict):
        raise _BadTurn(field, "wrong-type", "a turn is no object")
    if "user" in turn and "assistant" in turn:
        return [
            _turn_of(role, turn[role], f"{field}.{role}", True) for role in ("user", "assistant")
        ]
    role_key = next((key for key in _ROLE_KEYS if key in turn), None)
    text_key = next((key for key in _TEXT_KEYS if turn.get(key) is not None), None)
    if role_key is None:
        raise _BadTurn(field, "missing-field", "a turn has neither 'from' nor 'role'")
    role = _ROLES.get(str(turn[role_key]).lower())
    if role is None:
        detail = f"'{str(turn[role_key])[:40]}' is neither user, assistant nor system"
        raise _BadTurn(f"{field}.{role_key}", "bad-value", detail)
    value = "" if text_key is None else turn[text_key]
    is_trained = turn.get("weight") != 0 and turn.get("train") is not False
    return [_turn_of(role, value, f"{field}.{text_key or 'content'}", is_trained)]


def _turn_of(role: str, value: object, field: str, is_trained: bool) -> _Turn:
    texts: list[str] = []
    marks: list[object] = []
    for part in value if isinstance(value, list) else [value]:
        if isinstance(part, dict):
            picture = _part_of(part, texts, field)
            marks += picture
            continue
        text = text_of(part)
        if isinstance(text, Fault):
            raise _BadTurn(field, *text)
        if text is not None:
            texts.append(text)
            marks += [None] * text.count(MARK)
    return _Turn(role, _without_marks("\n".join(texts)), marks, is_trained)


def _part_of(part: Mapping[str, object], texts: list[str], field: str) -> list[object]:
    """Read a part of a message: add its text, or return its picture."""
    kind = part.get("type")
    if kind in _TEXT_PARTS or (kind is None and isinstance(part.get("text"), str)):
        text = text_of(part.get("text"))
        if isinstance(text, Fault):
            raise _BadTurn(field, *text)
        texts.append(text or "")
        return [None] * (text or "").count(MARK)
    if kind in _IMAGE_PARTS:
        return [_part_picture(part)]
    raise _BadTurn(field, "bad-value", f"a part of the type '{str(kind)[:40]}' is no text or image")


def _part_picture(part: Mapping[str, object]) -> object:
    """Return the picture of a part; None if it is in the list of the item."""
    for key in ("image_url", "image", "url", "path", "base64", "bytes", "source", "data"):
        value = part.get(key)
        if isinstance(value, dict) and "data" in value and value.get("type") == "base64":
            return f"data:image;base64,{value['data']}"
        if value is not None:
            return f"data:image;base64,{value}" if key == "base64" else value
    return None


def _with_pictures(
    item: Mapping[str, object], plan: Plan, turns: Sequence[_Turn], column: str
) -> list[_Turn]:
    """Assign a picture to each mark."""
    field, listed = _listed_pictures(item, plan)
    num_embedded = sum(mark is not None for turn in turns for mark in turn.marks)
    marks = sum(len(turn.marks) for turn in turns) - num_embedded
    if not marks and listed and not num_embedded:
        first = next((at for at, turn in enumerate(turns) if turn.role == "user"), 0)
        return [
            turn._replace(marks=list(listed)) if at == first else turn
            for at, turn in enumerate(turns)
        ]
    if marks != len(listed):
        several = "" if marks == 1 else "s"
        pictures = f"{len(listed)} picture" + ("" if len(listed) == 1 else "s")
        detail = f"{marks} mark{several} {MARK} in '{column}' and {pictures}"
        raise _BadTurn(field, "bad-value", detail)
    following = iter(listed)
    return [
        turn._replace(marks=[next(following) if mark is None else mark for mark in turn.marks])
        for turn in turns
    ]


def _listed_pictures(item: Mapping[str, object], plan: Plan) -> tuple[str, list[object]]:
    named = plan.columns.get("picture")
    keys = (named,) if isinstance(named, str) else PICTURE_KEYS
    for key in keys:
        value = item.get(key)
        if value is None or value == "" or value == []:
            continue
        if isinstance(value, str) and value.lstrip().startswith("["):
            value = _listed(value) or value
        return key, list(value) if isinstance(value, list | tuple) else [value]
    clips = [key for key in _CLIP_KEYS if item.get(key)]
    if clips and not isinstance(named, str):
        raise _BadTurn(clips[0], "bad-value", "conversations about clips are not read")
    return keys[0], []


def _rounds(turns: Sequence[_Turn], column: str) -> tuple[list[Part], Problem | None]:
    parts: list[Part] = []
    history: list[dict[str, str]] = []
    pictures: list[object] = []
    asked: list[str] = []
    has_asked = False
    for number, turn in enumerate(turns):
        pictures += turn.marks
        if turn.role != "assistant":
            asked += [turn.text] if turn.text else []
            has_asked = has_asked or turn.role == "user"
            continue
        field = f"{column}[{number}]"
        if not has_asked:
            detail = "the assistant speaks where the user should"
            return parts, Problem(field, Fault("bad-value", detail))
        if not turn.text:
            return parts, Problem(field, Fault("empty-text", "the turn is empty"))
        question = "\n".join(asked)
        if turn.is_trained:
            cells = {
                "question": question or None,
                "answer": turn.text,
                "history": list(history),
                "picture": list(pictures),
            }
            parts.append(Part(f"-{len(history)}", cells))
        history.append({"question": question, "answer": turn.text})
        asked, has_asked = [], False
    if has_asked:
        detail = "nobody answers the last turn"
        return parts, Problem(f"{column}[{len(turns) - 1}]", Fault("no-answer", detail))
    if not history:
        return parts, Problem(column, Fault("no-answer", "nobody answers in the dialogue"))
    return parts, None


def _without_marks(text: str) -> str:
    """Remove the marks from a text, with the spaces or the line that they leave."""
    if MARK not in text:
        return text.strip()
    left = ""
    for number, right in enumerate(text.split(MARK)):
        if not number:
            left = right
            continue
        ends_line = not left.rstrip(" \t") or left.rstrip(" \t").endswith("\n")
        if ends_line:
            left = left.rstrip(" \t") + right.lstrip()
        elif right.startswith("\n") or not right or _CLOSING.match(right.lstrip(" \t")):
            left = left.rstrip(" \t") + right.lstrip(" \t")
        else:
            left = left.rstrip(" \t") + " " + right.lstrip(" \t")
    return left.strip()
