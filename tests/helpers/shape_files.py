"""What the makers of shapes share: their list, pictures, files of text, and the usual rows."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

Said = tuple[str | None, ...]
Maker = Callable[[Path], list[Said]]
MAKERS: dict[str, Maker] = {}

COLOURS = ((200, 30, 30), (30, 160, 60), (40, 60, 200), (220, 200, 40))
ANSWERS = ("red", "green", "blue", "yellow")
QUESTION = "Which colour is it?"


def shape(maker: Maker) -> Maker:
    """Enter a maker under its own name."""
    MAKERS[maker.__name__] = maker
    return maker


def picture(number: int, kind: str = "JPEG") -> bytes:
    """Draw a small picture, another for every number."""
    buffer = io.BytesIO()
    image = Image.new("RGB", (24, 20), COLOURS[number % 4])
    image.putpixel((0, 0), (number, number, number))
    image.save(buffer, kind)
    return buffer.getvalue()


def photos(folder: Path, names: Sequence[str] = ("0.jpg", "1.jpg", "2.jpg", "3.jpg")) -> None:
    """Write one picture for each name."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(number))


def dump(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def dump_lines(path: Path, rows: Sequence[object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def dump_csv(path: Path, rows: Sequence[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def said(question: str | None = QUESTION) -> list[Said]:
    return [(question, answer) for answer in ANSWERS]


def rows_of(**more: Sequence[object]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for number, answer in enumerate(ANSWERS):
        row: dict[str, object] = {"img": f"{number}.jpg", "q": QUESTION, "a": answer}
        rows.append(row | {name: values[number] for name, values in more.items()})
    return rows


def numbered_rows() -> list[tuple[int, dict[str, object]]]:
    return list(enumerate(rows_of()))


def numbered() -> list[tuple[int, str]]:
    return list(enumerate(ANSWERS))
