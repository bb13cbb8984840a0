"""Find the column of own data that names its pictures, and the folder of the pictures."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from instructify._util.errors import UserError
from instructify.catalog import SUFFIXES
from instructify.importing.places import Place, picture_folders
from instructify.readers import PICTURE_KEYS, TAR_PICTURES, PictureArchive, RawFile, texts_of

Row = Mapping[str, Any]

_USUAL = (
    *(key for key in PICTURE_KEYS if key != TAR_PICTURES),
    *("file_name", "filename", "file", "image_file", "image_name", "photo", "imgs", "path"),
    *("url", "image_url", "jpg", "jpeg", "png", "webp", "image_id", "img_id"),
)
_NAME = re.compile(r".*\.(?:jpe?g|png|gif|webp|bmp)", re.IGNORECASE | re.DOTALL)
_WEB = re.compile(r"https?://", re.IGNORECASE)
_COUNTED = re.compile(r"[_ -]?[0-9]+$|(?<![a-z])(?:left|right)(?![a-z])", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]+")
_DIGITS = re.compile(r"([0-9]+)(\.[A-Za-z]+)$")
_BASE64 = ("data:image", "/9j/", "iVBORw0KGgo", "R0lGOD", "UklGR")
USUAL = "|"
_SEPARATORS = (USUAL, ";", ",")
_TRIED = 5
_MOST_LISTED = 1_000


class PictureEntry(NamedTuple):
    """The column of the pictures, several, or a pattern, and the keys of `data` that go with it."""

    column: str | list[str]
    data: dict[str, object]


def picture_entry(place: Place, rows: Sequence[Row], names: Sequence[str]) -> PictureEntry:
    """Find the column and the folder of the pictures.

    Raises:
        UserError: no column holds pictures, or their files are not found.
    """
    columns = _columns(rows, names)
    failed: UserError | None = None
    for column in columns:
        for separator in _SEPARATORS:
            texts = [text for row in rows[:_TRIED] for text in _texts(row.get(column), separator)]
            try:
                entry = _entry(place, column, texts)
            except UserError as error:
                failed = failed or error
                continue
            data = entry.data if separator == USUAL else {**entry.data, "separator": separator}
            beside = _beside(column, rows, names) if entry.column == column else []
            by_split = None if beside else column_by_split(place, data, entry.column)
            if by_split is not None:
                return PictureEntry(by_split, {k: v for k, v in data.items() if k != "pictures"})
            return PictureEntry(beside or entry.column, data)
    if failed is not None:
        raise failed
    shown = ", ".join(names[:20])
    raise UserError(
        f"{place.first} has the columns {shown}; none seems to hold pictures. Write the entry "
        "yourself, with columns: {picture: COLUMN, ...} (docs/own-data.md)."
    )


def _beside(column: str, rows: Sequence[Row], names: Sequence[str]) -> list[str]:
    """List the columns of further pictures, by name: image_1 and image_2, left and right."""
    stem = _COUNTED.sub("", column)
    if stem == column:
        return []
    alike = [name for name in names if _COUNTED.sub("", name) == stem]
    held = [name for name in alike if any(_is_picture(row.get(name)) for row in rows)]
    return alike if len(held) > 1 else []


def picture_folder(place: Place, values: Sequence[object]) -> dict[str, object]:
    """Find the folder of the pictures of conversations or of COCO files."""
    texts = [text for value in values[:_TRIED] for text in _texts(value, USUAL)]
    return _entry(place, "image", texts, patterns=False).data


def column_by_split(
    place: Place, data: Mapping[str, object], column: str | Sequence[str]
) -> str | None:
    """Put the folder of the pictures into the column where each split has its own folder.

    `train2017` and `val2017` become `{split}2017/{file_name}`.
    """
    folder, splits = data.get("pictures"), list(place.sources)
    if len(splits) < 2 or not isinstance(folder, str) or not isinstance(column, str):
        return None
    for split in splits:
        pattern = re.sub(rf"(?<![A-Za-z]){split}(?![A-Za-z])", "{split}", folder)
        folders = [place.folder / pattern.replace("{split}", name) for name in splits]
        if pattern != folder and all(path.is_dir() for path in folders):
            return f"{pattern}/{column if '{' in column else f'{{{column}}}'}"
    return None


def _entry(
    place: Place, column: str, texts: Sequence[str], *, patterns: bool = True
) -> PictureEntry:
    if not texts or place.has_metadata:
        return PictureEntry(column, {})
    if any(_WEB.match(text) for text in texts):
        return PictureEntry(column, {"cache": _cache(place, column)})
    if all(text.startswith("/") for text in texts):
        return PictureEntry(column, {})
    archives = [name for name in picture_folders(place.folder) if _is_archive(name)]
    for folder in picture_folders(place.folder):
        if folder in archives and len(archives) > 1:
            continue
        if _all_there(place.folder, folder, texts):
            return PictureEntry(column, {"pictures": folder} if folder else {})
    archives = _holding(place.folder, archives, texts)
    if archives:
        return PictureEntry(column, {"pictures": archives[0] if len(archives) == 1 else archives})
    pattern = _pattern(place.folder, column, texts) if patterns else None
    if pattern is not None:
        return pattern
    raise UserError(
        f"{place.first} names pictures such as '{texts[0][:80]}' in its column '{column}', and no "
        f"such file is below {place.folder}; put them there, or give the path of the folder that "
        "holds table and pictures."
    )


def _columns(rows: Sequence[Row], names: Sequence[str]) -> list[str]:
    """List the columns that may hold pictures, the most likely first."""
    lowered = {name.lower(): name for name in reversed(names)}
    usual = [lowered[name] for name in _USUAL if name in lowered]
    present = [name for name in usual if any(row.get(name) is not None for row in rows)]
    by_value = [name for name in names if any(_is_picture(row.get(name)) for row in rows)]
    both = [name for name in present if name in by_value]
    columns = list(dict.fromkeys([*both, *by_value, *present]))
    if TAR_PICTURES in columns and any(row.get(columns[0]) is None for row in rows):
        return [TAR_PICTURES]  # members of several suffixes
    return columns


def _is_picture(value: object) -> bool:
    if isinstance(value, list) and value:
        return _is_picture(value[0])
    if isinstance(value, bytes):
        return True
    if isinstance(value, dict):
        return "bytes" in value and "path" in value
    if not isinstance(value, str):
        return False
    return value.lstrip().startswith(_BASE64) or (len(value) < 500 and bool(_NAME.fullmatch(value)))


def _texts(value: object, separator: str) -> list[str]:
    """List the names in a cell; bytes and base64 have none."""
    if isinstance(value, list):
        return [text for item in value for text in _texts(item, separator)]
    if isinstance(value, dict):
        return _texts(value.get("path"), separator) if value.get("bytes") is None else []
    if isinstance(value, int) and not isinstance(value, bool):
        return [str(value)]
    if not isinstance(value, str) or value.lstrip().startswith(_BASE64) or len(value) > 500:
        return []
    names = [value] if _WEB.match(value) else texts_of(value, separator)
    return [name.strip() for name in names or ()] if isinstance(names, list | tuple) else [value]


def _all_there(root: Path, folder: str, texts: Sequence[str]) -> bool:
    path = root / folder
    if folder and path.is_file():
        archive = PictureArchive(RawFile(folder, path))
        try:
            return all(hasattr(archive.find(text), "data") for text in texts)
        finally:
            archive.close()
    return all((path / text).is_file() for text in texts if "\0" not in text)


def _holding(root: Path, names: Sequence[str], texts: Sequence[str]) -> list[str]:
    """Choose the archives that hold all of these pictures together; shards become one glob."""
    opened = {name: PictureArchive(RawFile(name, root / name)) for name in names}
    try:
        having = [name for name, archive in opened.items() if any(map(archive.has, texts))]
        if not all(any(opened[name].has(text) for name in having) for text in texts):
            return []
    finally:
        for archive in opened.values():
            archive.close()
    shapes = {name: _NUMBER.sub("*", name) for name in names}
    used = {shapes[name] for name in having}
    if len(used) == 1 and list(shapes.values()).count(next(iter(used))) > 1:
        return list(used)
    return having if len(having) < 2 else list(names)


def _is_archive(name: str) -> bool:
    """Whether a file is an archive of pictures, not a packed table."""
    lower = name.lower()
    is_table = any(lower.endswith(f"{suffix}.zip") for suffix in SUFFIXES)
    return lower.endswith((".zip", ".tar")) and not is_table


def _pattern(root: Path, column: str, texts: Sequence[str]) -> PictureEntry | None:
    """Look for files whose names are built from a number or name in the column."""
    for folder in picture_folders(root):
        path = root / folder
        if not path.is_dir():
            continue
        files = [file.name for _, file in zip(range(_MOST_LISTED), path.iterdir(), strict=False)]
        for name in files:
            match = _DIGITS.search(name)
            if match is None:
                continue
            before, width = name[: match.start()], len(match[1])
            if all(text.isdigit() for text in texts) and all(
                (path / f"{before}{int(text):0{width}}{match[2]}").is_file() for text in texts
            ):
                column = f"{before}{{{column}:0{width}}}{match[2]}"
                return PictureEntry(column, {"pictures": folder} if folder else {})
        suffixes = {Path(name).suffix for name in files}
        for suffix in sorted(suffixes - {""}):
            if all((path / f"{text}{suffix}").is_file() for text in texts):
                column = f"{{{column}}}{suffix}"
                return PictureEntry(column, {"pictures": folder} if folder else {})
    return None


def _cache(place: Place, column: str) -> str:
    for folder in picture_folders(place.folder):
        path = place.folder / folder
        if folder and path.is_dir() and any(tar.stem.isdigit() for tar in path.glob("*.tar")):
            return folder
    raise UserError(
        f"the column '{column}' of {place.first} holds addresses, and nothing is fetched; fetch "
        f"the pictures with img2dataset into {place.folder}/fetched and import again."
    )
