"""Stream the rows of a split of own data: from tables, or from COCO's and VQA's pairs of lists.

A row is a mapping from column to cell for every kind of file, so all later steps are the same.
"""

import posixpath
from collections.abc import Iterator, Sequence
from typing import Any

from instructify._util.errors import UserError
from instructify.catalog import SPELLINGS
from instructify.readers.arrow_rows import table_schema
from instructify.readers.base import RawFile, ReadContext
from instructify.readers.json_items import read_list
from instructify.readers.own_fields import head_of
from instructify.readers.own_plan import Plan
from instructify.readers.own_turns import TOOLS, TURN_KEYS
from instructify.readers.rows import Cells, Rows
from instructify.readers.table_cells import text_of
from instructify.readers.table_rows import column_names, read_rows, table_suffix
from instructify.readers.turn_pictures import OTHER_MEDIA, PICTURE_KEYS
from instructify.rejects import Reject

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_NESTED = (".parquet", ".arrow")
_BESIDE_TURNS = ("system", "system_prompt", "prompt", "completion", TOOLS)


def files_in(place: RawFile) -> list[RawFile]:
    """List the files to read in a folder of own data: metadata files, or those of `datasets`.

    For a file, and for a folder with neither, the result is the path itself.
    """
    if not place.path.is_dir():
        return [place]
    names = [name for name in METADATA if (place.path / name).is_file()][:1]
    if not names and (place.path / "state.json").is_file():
        names = sorted(path.name for path in place.path.glob("*.arrow"))
    return [RawFile(f"{place.name}/{name}", place.path / name) for name in names] or [place]


def source_files(context: ReadContext) -> list[RawFile]:
    """List the files with the rows of a split, in the order of their roles."""
    return [
        file
        for role, file in sorted(context.files.items())
        if role.partition("-")[0] in ("file", "folder")
    ]


def source_rows(context: ReadContext, plan: Plan) -> Iterator[tuple[RawFile, Rows]]:
    """Stream the rows of a split in batches, each with its file."""
    is_checked = plan.kind == "table" and plan.split_by is None and plan.split not in SPELLINGS
    for file in source_files(context):
        if file.span is not None and file.span.is_empty:
            continue
        if plan.kind == "coco":
            batches = _coco_rows(file, sets=plan.form == "caption_set")
        elif plan.kind == "vqa":
            batches = _vqa_rows(file, context.files.get("annotations", file))
        elif plan.kind == "conversations":
            batches = read_rows(file, _turn_columns(file, plan), plan.key)
        else:
            batches = read_rows(file, _table_columns(file, plan), plan.key)
        for batch in batches:
            if is_checked:
                _check_split_name(file, plan, batch.rows)
            yield file, batch


def _table_columns(file: RawFile, plan: Plan) -> tuple[str, ...]:
    """List the columns to read, and a column that is named like the split, to be checked."""
    wanted = _wanted(file, plan)
    if table_suffix(file) in _NESTED and plan.split in table_schema(file).names:
        return tuple(dict.fromkeys([*wanted, plan.split]))
    return wanted


def _wanted(file: RawFile, plan: Plan) -> tuple[str, ...]:
    """List the columns to read; for a column with a dot, the one that the table has."""
    if not any("." in column for column in plan.wanted):
        return plan.wanted
    present = column_names(file)
    return tuple(dict.fromkeys(head_of(column, present) for column in plan.wanted))


def _check_split_name(file: RawFile, plan: Plan, rows: Sequence[tuple[int, Cells]]) -> None:
    """Refuse a split that is named like a column, which most likely holds the splits."""
    if any(plan.split in cells for _, cells in rows):
        raise UserError(
            f"{file.name} has a column '{plan.split}', and the entry names its split so; where the "
            f"column tells the splits apart, write split: {{column: {plan.split}}}, else rename "
            "the split."
        )


def _turn_columns(file: RawFile, plan: Plan) -> tuple[str, ...]:
    """Return the columns of conversations that are in the schema of a file."""
    if table_suffix(file) not in _NESTED:
        return _wanted(file, plan)
    usual = (*TURN_KEYS, *PICTURE_KEYS, *OTHER_MEDIA, *_BESIDE_TURNS)
    present = table_schema(file).names
    return tuple(
        dict.fromkeys([*_wanted(file, plan), *(name for name in usual if name in present)])
    )


def _coco_rows(file: RawFile, *, sets: bool) -> Iterator[Rows]:
    """Join the captions and pictures of COCO's JSON; with `sets` each picture is a row."""
    pictures: dict[object, tuple[int, dict[str, Any]]] = {}
    rejects: list[Reject] = []
    for items in read_list(file, dict[str, Any], key="images"):
        rejects += items.rejects
        for position, picture in zip(items.positions, items.items, strict=True):
            key = _id_of(picture.get("id"))
            if key is None:
                rejects.append(Reject(file.name, position, "id", "missing-field", "it has no id"))
            elif key in pictures:
                rejects.append(_taken(file, position, "id", key))
            else:
                pictures[key] = (position, picture)
    yield Rows((), rejects)
    captions: dict[object, list[object]] = {key: [] for key in pictures}
    for items in read_list(file, dict[str, Any], key="annotations"):
        rejects = list(items.rejects)
        rows: list[tuple[int, Cells]] = []
        for position, note in zip(items.positions, items.items, strict=True):
            key = _id_of(note.get("image_id"))
            if key not in pictures:
                detail = "no picture of the list 'images' has this id"
                rejects.append(Reject(file.name, position, "image_id", "bad-value", detail))
            elif sets:
                captions[key].append(note.get("caption"))
            else:
                rows.append((position, {**pictures[key][1], **note}))
        yield Rows(rows, rejects)
    if sets:
        yield Rows(
            [
                (position, {**picture, "caption": captions[key] or None})
                for key, (position, picture) in pictures.items()
            ],
            (),
        )


def _taken(file: RawFile, position: int, field: str, key: object) -> Reject:
    """Make the reject for a second item of one id, which the first keeps."""
    return Reject(file.name, position, field, "duplicate-id", f"the id {key} is taken")


def _vqa_rows(questions: RawFile, annotations: RawFile) -> Iterator[Rows]:
    """Join the questions of VQA's JSON to their annotations by question id."""
    notes: dict[object, dict[str, Any]] = {}
    rejects: list[Reject] = []
    for items in read_list(annotations, dict[str, Any], key="annotations"):
        rejects += items.rejects
        for position, note in zip(items.positions, items.items, strict=True):
            key = _id_of(note.get("question_id"))
            if key in notes:
                rejects.append(_taken(annotations, position, "question_id", key))
            notes.setdefault(key, note)
    used: set[object] = set()
    for items in read_list(questions, dict[str, Any], key="questions"):
        rejects += items.rejects
        rows: list[tuple[int, Cells]] = []
        for position, question in zip(items.positions, items.items, strict=True):
            key = _id_of(question.get("question_id"))
            if key not in notes:
                detail = "no annotation has this question's id"
                reject = Reject(questions.name, position, "question_id", "no-annotation", detail)
                rejects.append(reject)
                continue
            used.add(key)
            rows.append((position, {**notes[key], **question}))
        yield Rows(rows, rejects)
        rejects = []
    yield Rows((), [_lonely(annotations, key) for key in notes if key not in used])


def _lonely(file: RawFile, key: object) -> Reject:
    detail = f"no question has the id {str(key)[:40]} of this annotation"
    return Reject(file.name, None, "question_id", "bad-value", detail)


def _id_of(value: object) -> object:
    """Normalise an id, so that a number equals its text."""
    text = text_of(value)
    return text if isinstance(text, str) else None


def folder_of(file: RawFile, release: str) -> str:
    """Return the folder of a metadata file below that of the dataset; its pictures are there."""
    if posixpath.basename(file.name) not in METADATA:
        return ""
    folder = posixpath.dirname(file.name)
    return folder.removeprefix(release).lstrip("/")
