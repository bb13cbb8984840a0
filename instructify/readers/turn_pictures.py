"""The pictures of the turns of a conversation: which marks there are, and the picture of each.

A mark `<image>` stands for the next picture of the item; the marks and the pictures must be as
many. `<img>NAME</img>`, as Qwen-VL has it, and a part of a message may name their picture, and a
part may say by its index which picture of the item it is. The marks go, as in LLaVA, since a model
gets its pictures before the text.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from instructify.readers.own_pictures import listed_pictures
from instructify.readers.own_plan import Plan
from instructify.readers.table_cells import Fault
from instructify.readers.tar_rows import PICTURES

MARK = "<image>"
PICTURE_KEYS = (
    PICTURES,
    *("images", "image", "picture", "pictures", "image_path", "image_paths", "img"),
)
OTHER_MEDIA = ("videos", "video", "audios", "audio")
_SOURCES = ("image_url", "image", "url", "path", "base64", "bytes", "source", "data")
_NAMED = re.compile(r"<img>([^<>\n]+)</img>")
_ANY_MARK = re.compile(rf"{MARK}|{_NAMED.pattern}")
_CLOSING = re.compile(r"[.,;:!?)\]]")


class Numbered(NamedTuple):
    """A mark for the picture of the item that has this index."""

    at: int


class Turn(NamedTuple):
    role: str
    text: str
    marks: list[object]  # a picture that the turn holds, None for the item's next, or its index
    is_trained: bool


class Problem(NamedTuple):
    """Why an item is not read any further."""

    field: str
    fault: Fault


class BadTurn(Exception):
    """Ends the reading of an item; caught where the item is taken apart."""

    def __init__(self, field: str, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.problem = Problem(field, Fault(reason, detail))


def marks_in(text: str) -> list[object]:
    """List the marks of a text: the picture that a mark names, or None for the item's next."""
    if "<im" not in text:
        return []
    return [match[1].strip() if match[1] else None for match in _ANY_MARK.finditer(text)]


def without_marks(text: str) -> str:
    """Take the marks out of a text, and the blanks or the line that they leave."""
    if "<im" not in text:
        return text.strip()
    left = ""
    for number, right in enumerate(_NAMED.sub(MARK, text).split(MARK)):
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


def part_picture(part: Mapping[str, object]) -> object:
    """Return the picture that a part holds; None or an index: it stands in the item's list."""
    for key in _SOURCES:
        value = part.get(key)
        if isinstance(value, dict) and "data" in value and value.get("type") == "base64":
            return f"data:image;base64,{value['data']}"
        if value is not None:
            return f"data:image;base64,{value}" if key == "base64" else value
    index = part.get("index")
    if isinstance(index, bool) or not isinstance(index, int | float) or index != int(index):
        return None
    return Numbered(int(index))


def with_pictures(
    item: Mapping[str, object], plan: Plan, turns: Sequence[Turn], column: str
) -> list[Turn]:
    """Give each mark its picture.

    Raises:
        BadTurn: the marks are not as many as the pictures, or the item has clips.
    """
    field, listed = _pictures_of(item, plan)
    every = [mark for turn in turns for mark in turn.marks]
    numbers = [mark.at for mark in every if isinstance(mark, Numbered)]
    following = sum(mark is None for mark in every)
    if not every and listed:
        first = next((at for at, turn in enumerate(turns) if turn.role == "user"), 0)
        return [
            turn._replace(marks=list(listed)) if at == first else turn
            for at, turn in enumerate(turns)
        ]
    if numbers and not following:
        _check_numbers(field, numbers, len(listed))
    elif following + len(numbers) != len(listed) or numbers:
        raise BadTurn(field, "bad-value", _miscounted(following, len(listed), column, numbers))
    rest = iter(listed)
    return [
        turn._replace(marks=[_picture_of(mark, listed, rest) for mark in turn.marks])
        for turn in turns
    ]


def _picture_of(mark: object, listed: Sequence[object], rest: Iterator[object]) -> object:
    if isinstance(mark, Numbered):
        return listed[mark.at]
    return next(rest) if mark is None else mark


def _check_numbers(field: str, numbers: Sequence[int], count: int) -> None:
    """Check that parts with an index name every picture of the item, and no other."""
    if set(numbers) != set(range(count)):
        shown = ", ".join(map(str, numbers[:8]))
        detail = f"the parts have the indices {shown}, and the item has {_counted(count)}"
        raise BadTurn(field, "bad-value", detail)


def _miscounted(following: int, pictures: int, column: str, numbers: Sequence[int]) -> str:
    if numbers:
        return f"some pictures of '{column}' have an index and others have none"
    several = "" if following == 1 else "s"
    return f"{following} mark{several} {MARK} in '{column}' and {_counted(pictures)}"


def _counted(pictures: int) -> str:
    return f"{pictures} picture" + ("" if pictures == 1 else "s")


def _pictures_of(item: Mapping[str, object], plan: Plan) -> tuple[str, list[object]]:
    """List the pictures of an item, and name the column that holds them."""
    named = plan.columns.get("picture")
    other = () if isinstance(named, str) else [key for key in OTHER_MEDIA if item.get(key)]
    if other:
        what = "clips" if other[0].startswith("video") else "sounds"
        raise BadTurn(other[0], "bad-value", f"conversations about {what} are not read")
    keys = (named,) if isinstance(named, str) else PICTURE_KEYS
    for key in keys:
        value = item.get(key)
        if value is None or value == "" or value == []:
            continue
        return key, listed_pictures(value, plan.separator)
    return "images" if PICTURES in keys else keys[0], []
