"""Split conversations into records, one for each turn of the assistant.

Supported forms are LLaVA and ShareGPT (`from`, `value`), OpenAI's messages (`role`, `content` as
text or parts), pairs of `user` and `assistant`, and TRL's `prompt` and `completion`.
`turn_pictures` assigns the pictures to turns. Earlier turns become the history, and a system
message comes before the next question. A dialogue is read up to the first turn that can't be used.
"""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from instructify.catalog import TURNS
from instructify.readers.own_plan import Plan
from instructify.readers.printed import read_printed
from instructify.readers.table_cells import Fault, text_of
from instructify.readers.turn_pictures import (
    BadTurn,
    Problem,
    Turn,
    marks_in,
    part_picture,
    with_pictures,
    without_marks,
)

# The fields of a turn; each is also the name of its column.
PART_COLUMNS = {name: name for name in ("question", "answer", "history", "picture")}
TURN_KEYS = ("conversations", "messages", "conversation", "texts", "dialogue", "dialog")
_MEMBER = "json"  # of a tar, where it is the list of turns itself
_SYSTEM_KEYS = ("system", "system_prompt")
TOOLS = "tools"  # what the assistant may call; its calls are not read
_ROLES = {
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "bot", "model", "bard", "bing"), "assistant"),
    **dict.fromkeys(("system", "developer"), "system"),
}
_ROLE_KEYS = ("from", "role", "speaker")
_TEXT_KEYS = ("value", "content", "text")
_TEXT_PARTS = ("text", "input_text", "output_text")
_IMAGE_PARTS = ("image", "image_url", "input_image")


class Part(NamedTuple):
    """A record of an item: the end of its raw id, and its cells."""

    suffix: str
    cells: Mapping[str, object]


def parts_of(item: Mapping[str, object], plan: Plan) -> tuple[list[Part], Problem | None]:
    """Split a conversation; also returns the problem that ended its reading, if any."""
    try:
        column, turns = _turns(item, plan)
        turns = with_pictures(item, plan, turns, column)
    except BadTurn as error:
        return [], error.problem
    return _rounds(turns, column)


def turns_column(item: Mapping[str, object]) -> str | None:
    """Return the column with the turns of an item."""
    usual = next((key for key in TURN_KEYS if item.get(key) is not None), None)
    whole = item.get(_MEMBER)
    if usual is None and isinstance(whole, list) and all(isinstance(turn, dict) for turn in whole):
        usual = _MEMBER
    halves = (item.get("prompt"), item.get("completion"))
    return usual or ("prompt" if all(isinstance(half, list) for half in halves) else None)


def _turns(item: Mapping[str, object], plan: Plan) -> tuple[str, list[Turn]]:
    column = plan.columns.get(TURNS) or turns_column(item)
    if not isinstance(column, str):
        names = ", ".join(TURN_KEYS[:2])
        raise BadTurn(
            TURNS, "missing-field", f"no {names}; name the column: columns: {{{TURNS}: NAME}}"
        )
    raw = _listed(item.get(column))
    if column == "prompt" and isinstance(raw, list):
        raw = [*raw, *(_listed(item.get("completion")) or [])]
    if not isinstance(raw, list):
        reason = "missing-field" if column not in item else "wrong-type"
        raise BadTurn(column, reason, f"'{column}' holds no list of turns")
    turns = [Turn("system", text, [], False) for text in _system(item, plan)]
    for number, turn in enumerate(raw):
        turns += _read_turn(turn, f"{column}[{number}]")
    if not raw:
        raise BadTurn(column, "no-answer", "the dialogue has no turns")
    return column, turns


def _listed(value: object) -> list[object] | None:
    """Read a list, which a table may hold as JSON or as Python prints it."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            return _listed(json.loads(value))
        except (ValueError, RecursionError):
            value = _printed(value)
    return value if isinstance(value, list) else None


def _printed(text: str) -> object:
    try:
        return read_printed(text)
    except ValueError:
        return None


def _system(item: Mapping[str, object], plan: Plan) -> list[str]:
    column = plan.columns.get("context")
    keys = (column,) if isinstance(column, str) else _SYSTEM_KEYS
    texts = [item[key] for key in keys if isinstance(item.get(key), str)]
    return [text for text in texts if isinstance(text, str) and text.strip()]


def _read_turn(turn: object, field: str) -> list[Turn]:
    if isinstance(turn, list | tuple) and len(turn) == 2:
        turn = {"user": turn[0], "assistant": turn[1]}
    if not isinstance(turn, dict):
        raise BadTurn(field, "wrong-type", "a turn is no object")
    if "user" in turn and "assistant" in turn:
        return [
            _turn_of(role, turn[role], f"{field}.{role}", True) for role in ("user", "assistant")
        ]
    role_key = next((key for key in _ROLE_KEYS if key in turn), None)
    text_key = next((key for key in _TEXT_KEYS if turn.get(key) is not None), None)
    if role_key is None:
        raise BadTurn(field, "missing-field", "a turn has neither 'from' nor 'role'")
    role = _ROLES.get(str(turn[role_key]).lower())
    if role is None:
        detail = f"'{str(turn[role_key])[:40]}' is neither user, assistant nor system"
        raise BadTurn(f"{field}.{role_key}", "bad-value", detail)
    value = "" if text_key is None else turn[text_key]
    is_trained = turn.get("weight") != 0 and turn.get("train") is not False
    return [_turn_of(role, value, f"{field}.{text_key or 'content'}", is_trained)]


def _turn_of(role: str, value: object, field: str, is_trained: bool) -> Turn:
    texts: list[str] = []
    marks: list[object] = []
    for part in value if isinstance(value, list) else [value]:
        if isinstance(part, dict):
            picture = _part_of(part, texts, field)
            marks += picture
            continue
        text = text_of(part)
        if isinstance(text, Fault):
            raise BadTurn(field, *text)
        if text is not None:
            texts.append(text)
            marks += marks_in(text)
    return Turn(role, without_marks("\n".join(texts)), marks, is_trained)


def _part_of(part: Mapping[str, object], texts: list[str], field: str) -> list[object]:
    """Read a part of a message: add its text, or return its picture."""
    kind = part.get("type")
    if kind in _TEXT_PARTS or (kind is None and isinstance(part.get("text"), str)):
        text = text_of(part.get("text"))
        if isinstance(text, Fault):
            raise BadTurn(field, *text)
        texts.append(text or "")
        return marks_in(text or "")
    if kind in _IMAGE_PARTS:
        return [part_picture(part)]
    raise BadTurn(field, "bad-value", f"a part of the type '{str(kind)[:40]}' is no text or image")


def _rounds(turns: Sequence[Turn], column: str) -> tuple[list[Part], Problem | None]:
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
