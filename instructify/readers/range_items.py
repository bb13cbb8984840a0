"""Count the items of a part of a raw file, without converting them."""

import msgspec
import pyarrow as pa

from instructify.readers.base import A_LIST, BY_ID, JSON_LINES, PARQUET_ROWS, RawFile
from instructify.readers.json_items import read_list, read_mapping
from instructify.readers.parquet_spans import open_parquet, rows_of_span
from instructify.readers.spans import InDoubt, Span
from instructify.readers.text_lines import count_lines


def count_items(file: RawFile, place: str) -> None:
    """Count the items of the span of a file, which gets their number.

    A file without a span is read by one reader, which counts by itself. Raises InDoubt if the span
    does not end between two items.
    """
    if file.span is None:
        return
    if place == JSON_LINES:
        file.span.num_items = count_lines(file, file.span)
    elif place == PARQUET_ROWS:
        file.span.num_items = _rows_of(file, file.span)
    elif place == BY_ID:
        for _ in read_mapping(file, msgspec.Raw):
            pass
    else:
        for _ in read_list(file, msgspec.Raw, key=None if place == A_LIST else place):
            pass


def _rows_of(file: RawFile, span: Span) -> int:
    try:
        with open_parquet(file.path) as table:
            return rows_of_span(table, file.path, span)
    except (OSError, pa.ArrowException) as error:
        raise InDoubt(f"{file.name} can't be read: {error}") from error
