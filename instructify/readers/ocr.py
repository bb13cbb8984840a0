"""OCR tokens by picture key, from a side file: JSON lines of our own kind, or the Rosetta format.

    {"picture": "ocr_vqa/761183272", "tokens": ["Mom's", "Family"]}              one a line
    {"data": [{"image_id": "011e7e629fb9ae7b", "ocr_tokens": ["LISTERINE"]}]}    TextVQA's files

Tokens are stored as Arrow columns, so a table of a million pictures stays small. If a picture is in
the file twice, the first counts, and another with other tokens is a reject. Blank tokens are
dropped.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from instructify.readers.arrow import lists_of
from instructify.readers.base import RawFile
from instructify.readers.json_items import read_lines, read_list
from instructify.readers.json_source import NOT_JSON
from instructify.readers.opening import opened, plain_suffix
from instructify.rejects import Reject
from instructify.schema import RECORD_SCHEMA


class Line(msgspec.Struct, gc=False):
    picture: str
    tokens: list[str]


class RosettaRow(msgspec.Struct, gc=False):
    image_id: str
    ocr_tokens: list[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class OcrTable:
    """The tokens of many pictures; `source` is the origin that records state."""

    source: str
    rejects: Sequence[Reject]
    _rows: dict[str, int]
    _lists: pa.ListArray

    def __len__(self) -> int:
        return len(self._rows)

    def tokens(self, key: str) -> list[str] | None:
        """Return the tokens of a picture in reading order; None if the file lacks it."""
        row = self._rows.get(key)
        return None if row is None else self._lists[row].as_py()

    def column(self, keys: Sequence[str], max_tokens: int) -> pa.ListArray:
        """Return the first tokens of each picture, null if the file lacks it."""
        rows = pa.array([self._rows.get(key) for key in keys], pa.int64())
        return _heads(self._lists.take(rows), max_tokens)


def load_ocr(file: RawFile) -> OcrTable:
    """Read an OCR file; raises UserError if it is of neither kind."""
    rows: dict[str, int] = {}
    lists = [_token_lists([])]
    hashes: list[int] = []  # of the tokens of each row, which take less room than the tokens
    rejects: list[Reject] = []
    for part in _read(file):
        rejects += part.rejects
        fresh: list[list[str]] = []
        for picture, all_tokens, position in zip(
            part.pictures, part.tokens, part.positions, strict=True
        ):
            tokens = [token for token in map(str.strip, all_tokens) if token]
            row = rows.setdefault(picture, len(rows))
            if row == len(hashes):
                hashes.append(hash(tuple(tokens)))
                fresh.append(tokens)
            elif hashes[row] != hash(tuple(tokens)):
                rejects.append(_named_twice(file, position, picture))
        lists.append(_token_lists(fresh))
    return OcrTable(
        source=file.name, rejects=tuple(rejects), _rows=rows, _lists=pa.concat_arrays(lists)
    )


def _named_twice(file: RawFile, position: int, picture: str) -> Reject:
    detail = f"{picture[:80]} has other tokens above; write all tokens of a picture at once"
    return Reject(file.name, position, None, "duplicate-id", detail)


def example_key(file: RawFile) -> str | None:
    """Read a key of an OCR file, to show how it names its pictures; None if it has none."""
    return next((part.pictures[0] for part in _read(file) if part.pictures), None)


def apply_ocr(batch: pa.RecordBatch, table: OcrTable, max_tokens: int) -> pa.RecordBatch:
    """Fill `ocr_tokens` and `ocr_source` by the main picture in records without tokens."""
    pictures = batch.column("pictures")
    has_picture = pc.greater(pc.list_value_length(pictures), 0)
    first = pc.list_element(pc.if_else(has_picture, pictures, _NO_PICTURE), 0)
    given = batch.column("ocr_tokens")
    new = table.column(first.to_pylist(), max_tokens)
    filled = pc.and_(given.is_null(), new.is_valid())
    source = batch.column("ocr_source")
    sources = pc.if_else(filled, table.source, source.cast(pa.string()))
    columns = {name: batch.column(name) for name in batch.schema.names}
    columns["ocr_tokens"] = pc.if_else(filled, new, given)
    columns["ocr_source"] = sources.dictionary_encode()
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=RECORD_SCHEMA)


_NO_PICTURE = pa.scalar([""], pa.list_(pa.string()))


class _Part(NamedTuple):
    pictures: Sequence[str]
    tokens: Sequence[list[str]]
    positions: Sequence[int]
    rejects: Sequence[Reject]


def _read(file: RawFile) -> Iterator[_Part]:
    if _holds_lines(file):
        for lines in read_lines(file, Line):
            pictures = [line.picture for line in lines.items]
            tokens = [line.tokens for line in lines.items]
            yield _Part(pictures, tokens, lines.positions, lines.rejects)
        return
    for rows in read_list(file, RosettaRow, key="data"):
        pictures = [f"openimages/{row.image_id}" for row in rows.items]
        tokens = [row.ocr_tokens for row in rows.items]
        yield _Part(pictures, tokens, rows.positions, rows.rejects)


def _holds_lines(file: RawFile) -> bool:
    """Whether a file has JSON lines, by its name or its first line."""
    if plain_suffix(file.path) in (".jsonl", ".ndjson"):
        return True
    with opened(file) as raw:
        line = raw.handle.readline(1 << 20)
    try:
        msgspec.json.decode(line, type=Line)
    except NOT_JSON:
        return False
    return True


def _token_lists(lists: Sequence[Sequence[str]]) -> pa.ListArray:
    tokens = pa.array(
        [token for tokens_of_picture in lists for token in tokens_of_picture], pa.string()
    )
    return lists_of(tokens, (len(tokens_of_picture) for tokens_of_picture in lists))


def _heads(lists: pa.ListArray, size: int) -> pa.ListArray:
    """Return the first `size` elements of each list; null stays null."""
    if not len(lists) or size <= 0:
        return pc.if_else(lists.is_valid(), pa.scalar([], lists.type), lists)
    return pc.list_slice(lists, 0, size)
