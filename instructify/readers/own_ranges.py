"""Decide how the files of the user's own data may be split into ranges.

A JSON list, JSON lines and Parquet are split. Other tables and packed files are read as a whole,
each beside the others. The lists of COCO and VQA are joined over the whole file, and pictures that
are in the data are kept once for a split, so one reader reads those.
"""

from instructify._util.errors import UserError
from instructify.readers.base import (
    A_LIST,
    BY_ID,
    JSON_LINES,
    PARQUET_ROWS,
    WHOLE_FILE,
    Ranges,
    RawFile,
    ReadContext,
)
from instructify.readers.json_rows import is_lines
from instructify.readers.opening import is_packed
from instructify.readers.own_plan import Plan
from instructify.readers.own_rows import source_files
from instructify.readers.table_rows import table_suffix

_TEXT_TABLES = (".csv", ".tsv")
_TAKEN = (A_LIST, BY_ID, JSON_LINES, PARQUET_ROWS, WHOLE_FILE)


def own_ranges(context: ReadContext, plan: Plan) -> Ranges | None:
    """Return where the rows of each file are; None if one reader has to read all of them."""
    sources = source_files(context)
    if plan.kind in ("coco", "vqa") or len(sources) < len(context.files) or plan.key in _TAKEN:
        return None
    try:
        places = {role: _place(file, plan) for role, file in sorted(context.files.items())}
    except (UserError, OSError):  # one reader says what is wrong
        return None
    if plan.kind == "table" and all(table_suffix(file) in _TEXT_TABLES for file in sources):
        return None  # `pointed_columns` looks at all rows
    known = {role: place for role, place in places.items() if place is not None}
    return Ranges(places=known, numbered=True) if len(known) == len(places) else None


def _place(file: RawFile, plan: Plan) -> str | None:
    """Return where the rows of a file are; None if pictures are among them."""
    suffix = "" if file.path.is_dir() else table_suffix(file)
    if suffix in ("", ".tar"):
        return None
    if is_packed(file):
        return WHOLE_FILE
    if suffix == ".parquet":
        return PARQUET_ROWS
    if suffix not in (".json", ".jsonl"):
        return WHOLE_FILE
    key = plan.key if suffix == ".json" else None
    return key or (JSON_LINES if is_lines(file) else A_LIST)
