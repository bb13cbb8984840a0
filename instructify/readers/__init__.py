"""Readers: raw files of a release in, records and rejects out; one module for each release.

`READERS` has them by the names that catalog.yaml uses. Below them, `json_items` and the modules
that it is made of stream raw JSON in bounded memory.
"""

from instructify._util.file_kinds import zip_names
from instructify.readers.base import (
    A_LIST,
    BY_ID,
    JSON_LINES,
    TEXT_LINES,
    Chunk,
    Option,
    OptionValue,
    Planned,
    Ranges,
    RawFile,
    ReadContext,
    Reader,
)
from instructify.readers.capfilt_plan import Plan, Urls
from instructify.readers.class_folders import class_files, class_names
from instructify.readers.json_items import read_lines, read_list, read_mapping
from instructify.readers.json_rows import list_keys
from instructify.readers.json_source import NOT_JSON
from instructify.readers.ocr import apply_ocr, example_key, load_ocr
from instructify.readers.opening import COMPRESSED_SUFFIXES, opened, plain_suffix
from instructify.readers.own_rows import METADATA, files_in
from instructify.readers.own_turns import PICTURE_KEYS, turns_column
from instructify.readers.picture_archive import PictureArchive
from instructify.readers.range_plan import RANGE_BYTES, Cut, plan_ranges
from instructify.readers.registry import READERS
from instructify.readers.remarks import REMARKS, Remark
from instructify.readers.spans import InDoubt, Span
from instructify.readers.table_cells import texts_of
from instructify.readers.table_rows import column_names, read_rows, table_suffix

__all__ = [
    "A_LIST",
    "BY_ID",
    "COMPRESSED_SUFFIXES",
    "Chunk",
    "Cut",
    "InDoubt",
    "JSON_LINES",
    "METADATA",
    "NOT_JSON",
    "Option",
    "OptionValue",
    "PICTURE_KEYS",
    "PictureArchive",
    "Plan",
    "Planned",
    "RANGE_BYTES",
    "READERS",
    "REMARKS",
    "Ranges",
    "RawFile",
    "ReadContext",
    "Reader",
    "Remark",
    "Span",
    "TEXT_LINES",
    "Urls",
    "apply_ocr",
    "class_files",
    "class_names",
    "column_names",
    "example_key",
    "files_in",
    "list_keys",
    "load_ocr",
    "opened",
    "plain_suffix",
    "plan_ranges",
    "read_lines",
    "read_list",
    "read_mapping",
    "read_rows",
    "table_suffix",
    "texts_of",
    "turns_column",
    "zip_names",
]
