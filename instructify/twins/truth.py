"""The truth file beside a twin's pictures: the content of each picture with places, as JSON lines.

It has one line per picture, keyed by the project's picture key, in the order of writing. Tiny
vision towers are trained on it. No reader of a release uses it: a twin without it is a complete
release.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

from instructify.twins.world import Box, Scene, sign_box, thing_box

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"


def truth(scene: Scene) -> dict[str, Json]:
    """State all that is true of a picture; boxes are [left, top, width, height] from 0 to 1."""
    return {
        "background": scene.background,
        "held_out": scene.held_out,
        "novel": scene.novel,
        "things": [
            {
                "colour": thing.colour,
                "shape": thing.shape,
                "size": thing.size,
                "row": thing.row,
                "column": thing.column,
                "box": _numbers(thing_box(thing)),
            }
            for thing in scene.things
        ],
        "words": [
            {
                "text": sign.text,
                "colour": sign.colour,
                "row": sign.row,
                "box": _numbers(sign_box(sign)),
            }
            for sign in scene.signs
        ],
    }


class TruthWriter:
    """Write `<twin root>/truth/<release>.jsonl`; use it as a context manager."""

    def __init__(self, root: Path, release: str) -> None:
        path = root / "truth" / f"{release}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", encoding="utf-8", newline="\n")

    def add(self, picture: str, facts: Mapping[str, Json]) -> None:
        """Write the line of one picture or clip; `picture` is its picture key."""
        line = json.dumps({"picture": picture, **facts}, separators=(",", ":"), ensure_ascii=False)
        self._file.write(line + "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


def _numbers(box: Box) -> list[float]:
    return [round(part, 4) for part in box]
