"""Read the user's own data: tables, conversations, lists of COCO and VQA, or class folders.

`own_rows` converts every shape to rows, and this module converts rows to records. The raw id of a
record is its `id` column, else its 0-based row, after the name of the file if a split has several
files. `-<n>` is added for turn n of a conversation or caption n of a row. In class folders the raw
id is `<class>/<file>`. The key of a picture is `<dataset>/<name>` with the name in the data; for a
picture embedded in the data the name is made from its content. An underscore in the name of a class
folder stands for a space. The columns that templates read by a name are in `fields`, sorted by
name.
"""

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice

from instructify._util.errors import UserError
from instructify.catalog import FIELDS, TURNS
from instructify.readers.base import (
    A_LIST,
    JSON_LINES,
    Chunk,
    Option,
    Ranges,
    RawFile,
    ReadContext,
    Reader,
    RecordRows,
)
from instructify.readers.class_folders import class_files, class_names, printable
from instructify.readers.own_fields import own_fields_of
from instructify.readers.own_pictures import pictures_in
from instructify.readers.own_plan import Plan, make_plan, raw_name
from instructify.readers.own_ranges import own_ranges
from instructify.readers.own_records import BadCell, Row, fields_of
from instructify.readers.own_rows import folder_of, source_files, source_rows
from instructify.readers.own_turns import PART_COLUMNS, TOOLS, Part, parts_of
from instructify.readers.picture_archive import PictureArchives, RowPicture
from instructify.readers.rows import Cells
from instructify.readers.table_cells import Fault
from instructify.readers.whole_numbers import pointed_columns, without_point

_FIRST_ROWS = 16
_NO_TOOLS: tuple[object, ...] = (None, "", "[]", [])
# What positions of records may count, including the lists of COCO and VQA.
_PLACES = (A_LIST, "questions", "annotations", "images", "data", JSON_LINES)


def read(context: ReadContext) -> Iterator[Chunk]:
    """Read one split of the user's own data."""
    plan = make_plan(context)
    folder = context.files.get("folder")
    if folder is not None and not plan.columns:
        return _read_folders(context, folder, plan)
    return _read_rows(context, plan)


def _read_rows(context: ReadContext, plan: Plan) -> Iterator[Chunk]:
    records = _Records(context, plan)
    for file, batch in source_rows(context, plan):
        if plan.is_first_split:
            records.rows.extend_rejects(batch.rejects)
        for position, cells in batch.rows:
            records.add(file, position, cells)
            if records.rows.full:
                yield records.rows.take()
    records.close()
    yield records.rows.take()


class _Records:
    """Converts rows to records or rejects, one after another."""

    def __init__(self, context: ReadContext, plan: Plan) -> None:
        self.rows = RecordRows(context)
        self._plan = plan
        self._several_columns = type(plan.columns.get("picture")) is tuple
        files = source_files(context)
        self._several = len(files) > 1
        self._pointed = pointed_columns(files, plan)
        self._base = str(context.options["raw"]) or context.dataset
        archives = [
            file for role, file in sorted(context.files.items()) if role.startswith("pictures")
        ]
        self._archive = PictureArchives(archives) if archives else None
        self._prefixes: dict[str, tuple[str, str]] = {}

    def close(self) -> None:
        """Close the archives of the pictures, if there are any."""
        if self._archive is not None:
            self._archive.close()

    def add(self, file: RawFile, position: int, cells: Cells) -> None:
        """Add the records of a row."""
        plan = self._plan
        if self._pointed:
            cells = without_point(cells, self._pointed)
        if plan.split_by is not None and plan.split_by.column is not None:
            split = plan.split_of(cells)
            if isinstance(split, Fault):
                if plan.is_first_split:
                    self.rows.reject(file, position, plan.split_by.column, *split)
                return
            if split != plan.split:
                return
        if plan.kind != "conversations":
            self._add_part(file, position, Part("", cells), plan.columns, cells)
            return
        parts, problem = parts_of(cells, plan)
        for part in parts:
            if not self._add_part(file, position, part, PART_COLUMNS, cells):
                return
        if problem is not None and (plan.split_by is None or plan.is_first_split):
            self.rows.reject(file, position, problem.field, *problem.fault)

    def _add_part(
        self,
        file: RawFile,
        position: int,
        part: Part,
        columns: Mapping[str, object],
        cells: Cells,
    ) -> bool:
        """Add the records of one part of a row; returns False if it is rejected."""
        plan = self._plan
        row = Row(plan, part.cells, columns)
        try:
            whole = row if part.cells is cells else Row(plan, cells, plan.columns)
            raw_id = whole.text("id") or f"{self._prefix(file)[0]}{position}"
            pictures = self._pictures(file, row)
            if plan.split_by is not None and plan.split_by.shares:
                content = "\n".join(picture.content for picture in pictures) or raw_id
                if plan.shared_split(content) != plan.split:
                    return True
            fields = fields_of(plan, row)
            own_fields = own_fields_of(plan, whole) if plan.fields else None
        except BadCell as error:
            if plan.split_by is None or plan.split_by.column or plan.is_first_split:
                self.rows.reject(file, position, error.column, *error.fault)
            return False
        keys = [self._key(picture) for picture in pictures]
        if row.empty_choices:
            self.rows.remark("empty-choice", row.empty_choices)
        if plan.kind == "conversations" and cells.get(TOOLS) not in _NO_TOOLS:
            self.rows.remark("tools")
        if self._pointed and any(cells.get(name) is not None for name in self._pointed):
            self.rows.remark("whole-number")
        for number, record_fields in enumerate(fields):
            suffix = f"-{number}" if len(fields) > 1 else ""
            self.rows.add(
                f"{raw_id}{part.suffix}{suffix}",
                form=plan.form,
                pictures=keys,
                source=file,
                position=position,
                fields=own_fields,
                **record_fields,
            )
        return True

    def _prefix(self, file: RawFile) -> tuple[str, str]:
        """Return the prefixes of row numbers in raw ids and of names of pictures."""
        known = self._prefixes.get(file.name)
        if known is None:
            name = file.name.removeprefix(self._base).lstrip("/")
            known = raw_name(name, self._several), folder_of(file, self._base)
            self._prefixes[file.name] = known
        return known

    def _pictures(self, file: RawFile, row: Row) -> list[RowPicture]:
        cell = row.pictures() if self._several_columns else row.cell("picture")
        pictures = pictures_in(cell, self._plan, self._archive)
        if isinstance(pictures, Fault):
            raise row.bad("picture", pictures)
        if not pictures and not self._plan.text_only:
            raise row.lacking("picture")
        folder = self._prefix(file)[1]
        if not folder:
            return pictures
        return [
            picture
            if picture.data is not None or picture.name.startswith("/")
            else picture._replace(name=below)
            for picture in pictures
            for below in (posixpath.normpath(f"{folder}/{picture.name}"),)
        ]

    def _key(self, picture: RowPicture) -> str:
        name = picture.name if picture.data is None else self.rows.embed(picture.data)
        return f"{self._plan.dataset}/{name}"


def _read_folders(context: ReadContext, folder: RawFile, plan: Plan) -> Iterator[Chunk]:
    records = RecordRows(context)
    base = str(context.options["raw"]) or plan.dataset
    below = posixpath.normpath(folder.name)
    if not f"{below}/".startswith(f"{base}/"):  # the folder is a link out of the raw root
        below = posixpath.normpath(f"{base}/{below}")
    below = posixpath.normpath(f"{plan.dataset}/{below.removeprefix(base).lstrip('/')}")
    classes = plan.classes or class_names(folder)
    choices = classes if plan.form == "multiple_choice" else None
    for position, (name, label, fault) in enumerate(class_files(folder, classes)):
        if fault is not None:
            detail = f"{printable(name)}: {fault.detail}"
            records.reject(folder, position, None, fault.reason, detail)
            continue
        records.add(
            name,
            form=plan.form,
            pictures=[f"{below}/{name}"],
            source=folder,
            position=position,
            question=plan.question,
            answer=label,
            references=(label,),
            choices=choices,
            choice_index=None if choices is None else choices.index(label),
        )
        if records.full:
            yield records.take()
    yield records.take()


def _options() -> dict[str, Option]:
    fixed = {
        "form": "the form of the records",
        "kind": "what the files hold",
        "pictures": "the folder or archive of the pictures",
        "cache": "the folder that img2dataset filled",
        "question": "the question, where no column holds it",
        "classes": "the classes, as a JSON list",
        "separator": "what stands between the items of a list",
        "split_by": "how rows are told apart by split, as JSON",
        "key": "where the rows stand in a JSON object",
        "raw": "the folder of the raw root, where it is not named like the dataset",
        "fields": "the columns that templates read by a name, as JSON",
    }
    texts = {name: Option(kind="text", help=help_text) for name, help_text in fixed.items()}
    columns = {
        f"column_{field}": Option(kind="text", help=f"the column of {field}")
        for field in (*FIELDS, TURNS)
    }
    return {
        **texts,
        "choice_base": Option(kind="int", help="the number of the first choice, 0 or 1"),
        "text_only": Option(kind="bool", help="whether a row may have no picture"),
        **columns,
    }


def _ranges(context: ReadContext) -> Ranges | None:
    ranges = own_ranges(context, make_plan(context))
    return None if ranges is None else replace(ranges, unfit=_holds_pictures)


def _holds_pictures(context: ReadContext) -> bool:
    """Whether the first rows hold pictures, which are kept once for the whole split."""
    plan = make_plan(context)
    records = _Records(context, plan)
    try:
        for file, batch in islice(source_rows(context, plan), 1):
            for position, cells in batch.rows[:_FIRST_ROWS]:
                records.add(file, position, cells)
    except UserError:  # one reader says what is wrong
        return True
    return bool(records.rows.take().embedded)


READER = Reader(
    name="table", version=5, read=read, options=_options(), places=_PLACES, ranges=_ranges
)
