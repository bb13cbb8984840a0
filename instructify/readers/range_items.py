"""Count the items of a part of a raw file, without converting them."""

import msgspec
import pyarrow.parquet as pq

from instructify._util.shards import map_file
from instructify.readers.arrow_rows import row_groups_in
from instructify.readers.base import A_LIST, BY_ID, JSON_LINES, ROW_GROUPS, RawFile
from instructify.readers.json_items import read_list, read_mapping
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
    elif place == ROW_GROUPS:
        with pq.ParquetFile(map_file(file.path)) as table:
            groups = row_groups_in(table, file.span)
            file.span.num_items = sum(table.metadata.row_group(at).num_rows for at in groups)
    elif place == BY_ID:
        for _ in read_mapping(file, msgspec.Raw):
            pass
    else:
        for _ in read_list(file, msgspec.Raw, key=None if place == A_LIST else place):
            pass
