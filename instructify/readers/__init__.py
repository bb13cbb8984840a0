"""Readers turn the raw files of a release into records and rejects; each release has a module.

`READERS` maps the names that catalog.yaml uses to readers. `json_items` and the modules that it
uses stream raw JSON in bounded memory.
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
from instructify.readers.choice_cells import ChoiceCells, choices_of, choices_of_columns
from instructify.readers.class_folders import class_files, class_names, split_word
from instructify.readers.json_items import read_lines, read_list, read_mapping
from instructify.readers.json_rows import list_keys
from instructify.readers.json_source import NOT_JSON
from instructify.readers.ocr import apply_ocr, example_key, load_ocr
from instructify.readers.opening import COMPRESSED_SUFFIXES, opened, plain_suffix
from instructify.readers.own_rows import METADATA, files_in
from instructify.readers.own_turns import turns_column
from instructify.readers.picture_archive import PictureArchive
from instructify.readers.range_items import count_items
from instructify.readers.range_plan import RANGE_BYTES, Cut, plan_ranges
from instructify.readers.registry import READERS
from instructify.readers.remarks import REMARKS, Remark
from instructify.readers.spans import InDoubt, Span
from instructify.readers.table_cells import text_of, texts_of
from instructify.readers.table_rows import column_names, read_rows, table_suffix
from instructify.readers.tar_rows import PICTURES as TAR_PICTURES
from instructify.readers.turn_pictures import PICTURE_KEYS

__all__ = [
    "A_LIST",
    "BY_ID",
    "COMPRESSED_SUFFIXES",
    "ChoiceCells",
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
    "TAR_PICTURES",
    "TEXT_LINES",
    "Urls",
    "apply_ocr",
    "choices_of",
    "choices_of_columns",
    "class_files",
    "class_names",
    "column_names",
    "count_items",
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
    "split_word",
    "table_suffix",
    "text_of",
    "texts_of",
    "turns_column",
    "zip_names",
]
