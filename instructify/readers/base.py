"""What a reader is: raw files of one release in, record batches and rejects out.

A reader knows one raw format and nothing else: it opens the files that the catalog named, yields
`Chunk`s of bounded size in the order of the file, and turns every item that it cannot use into a
`Reject`. It never looks at pictures: it only names them by key. Readers are pure: the same files
and options give the same chunks.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import pyarrow as pa

from instructify._util.errors import UserError
from instructify.readers.capfilt_plan import Plan, Urls
from instructify.readers.remarks import Remark
from instructify.readers.spans import Span
from instructify.rejects import Reject
from instructify.schema import RECORD_SCHEMA

OptionValue = str | int | bool

CHUNK_ROWS = 16_384
CHUNK_BYTES = 64 << 20  # of embedded pictures
EMBEDDED_DIGITS = 20


class RawFile(NamedTuple):
    """A raw file: its name below the raw root (what provenance shows) and where it lies."""

    name: str
    path: Path
    span: Span | None = None  # the only part that is read; None: all of it


class Embedded(NamedTuple):
    """A picture that stands in the raw file itself: a name made of its content, and its bytes."""

    name: str  # the first 20 hex digits of the sha256
    data: bytes


class Chunk(NamedTuple):
    """A batch of `RECORD_SCHEMA`, the items that were skipped on the way to it, remarks, and the
    pictures that stand in the raw file itself, each content once in a split."""

    records: pa.RecordBatch
    rejects: Sequence[Reject]
    remarks: Sequence[Remark] = ()
    embedded: Sequence[Embedded] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """A dataset option that a reader understands; its default stands in the catalog.

    It has no effect on a split that lacks what it `needs` ("labels", or a file by its role), nor
    where another option has one of the values of `idle_with`.
    """

    kind: Literal["choice", "int", "bool", "text"]
    help: str
    choices: tuple[str, ...] = ()
    needs: str | None = None
    idle_with: Mapping[str, tuple[OptionValue, ...]] = field(default_factory=dict)


class Planned(NamedTuple):
    """Where the decision about all items of a split lies, and how many good ones come before."""

    folder: Path
    start: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadContext:
    """Everything a reader may depend on."""

    dataset: str
    split: str
    options: Mapping[str, OptionValue]
    files: Mapping[str, RawFile]  # by role in the catalog, without optional ones that are absent
    folders: tuple[Path, ...]  # the release's and every --images one, for releases kept in tars
    seed: int
    limit: int | None = None  # a hint: no more than this many records will be used
    planned: Planned | None = None  # what was decided from all ranges, where this is one of them


# Where the positions of a reader's records count, beside a key of the file ("annotations"):
A_LIST = "[]"  # the file is a JSON list
BY_ID = "{}"  # it is a JSON object keyed by id
JSON_LINES = "lines"
TEXT_LINES = "text"


class Survey(NamedTuple):
    """What a reader has to know of all items before it reads any: `look` at those of a range, then
    `decide` from what was seen of all ranges in their order."""

    look: Callable[[ReadContext], Iterator[Urls]]
    decide: Callable[[ReadContext, Iterable[Urls]], Plan]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranges:
    """How the files of a reader may be cut, so that each range is read alone.

    A reader that has this judges each item by itself: what it gives for a file is what it gives for
    the ranges of the file, one after another. `places` says, by role, where the items stand: a key,
    `A_LIST` or `BY_ID`. With `joined_by` the files have the same items in the same order, by this
    field, and are cut at the same items. With `numbered` the ids of records hold positions. With a
    `survey` all ranges are looked at first, and something is decided that each reading needs.
    """

    places: Mapping[str, str]
    joined_by: str | None = None
    numbered: bool = False
    survey: Survey | None = None

    @property
    def in_two_passes(self) -> bool:
        """Whether a range can't be read before something is known of all ranges before it."""
        return self.numbered or self.survey is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reader:
    """One raw format. A change of output for the same input must raise `version`.

    `places` say what the positions of its records count in a file that is neither a table nor a
    folder: a key, or `A_LIST`, `BY_ID`, `JSON_LINES`, `TEXT_LINES`; the first that a file has
    holds. `explain` and the pages show raw items by them.
    """

    name: str
    version: int
    read: Callable[[ReadContext], Iterator[Chunk]]
    options: Mapping[str, Option]
    places: tuple[str, ...]
    ranges: Ranges | None = None

    @property
    def key(self) -> str:
        return f"{self.name}@{self.version}"


def record_batch(num_rows: int, **columns: object) -> pa.RecordBatch:
    """Assemble a batch of `RECORD_SCHEMA` from some columns; the others become null.

    A column is a sequence, an Arrow array, or a plain str (a constant for all rows).
    """
    unknown = columns.keys() - set(RECORD_SCHEMA.names)
    if unknown:
        raise TypeError(f"not record columns: {sorted(unknown)}")
    arrays = [_column(num_rows, field, columns.get(field.name)) for field in RECORD_SCHEMA]
    return pa.RecordBatch.from_arrays(arrays, schema=RECORD_SCHEMA)


def _column(num_rows: int, field: pa.Field, value: object) -> pa.Array:
    if value is None:
        return pa.nulls(num_rows, field.type)
    if isinstance(value, str):
        if not pa.types.is_dictionary(field.type):
            return pa.repeat(pa.scalar(value, field.type), num_rows)
        indices = pa.array([0], pa.int32()).take(pa.repeat(pa.scalar(0, pa.int32()), num_rows))
        return pa.DictionaryArray.from_arrays(indices, pa.array([value]))
    if isinstance(value, pa.ChunkedArray):
        value = value.combine_chunks()
    if isinstance(value, pa.Array):
        return value if value.type == field.type else value.cast(field.type)
    if pa.types.is_dictionary(field.type):
        return pa.array(value, pa.string()).dictionary_encode()
    return pa.array(value, field.type)


def unreadable(file: RawFile, error: OSError) -> UserError:
    """Say that a raw file can't be read, and why."""
    return UserError(f"{file.name} can't be read: {error.strerror}; check {file.path}.")


class RecordRows:
    """Collects records row by row into chunks, for readers whose data is small or ragged.

    `add` refuses nothing: callers validate first and call `reject` for what they skip.
    """

    def __init__(self, context: ReadContext, *, chunk_rows: int = CHUNK_ROWS) -> None:
        self._prefix = f"{context.dataset}/{context.split}/"
        self._chunk_rows = chunk_rows
        self._columns: dict[str, list[object]] = {name: [] for name in RECORD_SCHEMA.names}
        self._rejects: list[Reject] = []
        self._remarks: list[Remark] = []
        self._embedded: list[Embedded] = []
        self._embedded_bytes = 0
        self._embedded_names: set[int] = set()  # of the whole split

    def add(
        self,
        raw_id: str,
        *,
        form: str,
        pictures: Sequence[str],
        source: RawFile,
        position: int,
        **fields: object,
    ) -> None:
        """Append one record; `fields` are further columns of `RECORD_SCHEMA`."""
        given: dict[str, object] = {
            "record_id": self._prefix + raw_id,
            "form": form,
            "pictures": pictures,
            "source": source.name,
            "position": position,
            **fields,
        }
        for name, column in self._columns.items():
            column.append(given.pop(name, None))
        if given:
            raise TypeError(f"not record columns: {sorted(given)}")

    def reject(
        self, source: RawFile, position: int | None, field: str | None, reason: str, detail: str
    ) -> None:
        self._rejects.append(Reject(source.name, position, field, reason, detail))

    def remark(self, kind: str, times: int = 1) -> None:
        """Note something about the record that is added next."""
        self._remarks += [Remark(len(self._columns["record_id"]), kind)] * times

    def embed(self, data: bytes) -> str:
        """Take over a picture that stands in the raw file, and return its name."""
        name = hashlib.sha256(data).hexdigest()[:EMBEDDED_DIGITS]
        number = int(name, 16)
        if number not in self._embedded_names:
            self._embedded_names.add(number)
            self._embedded.append(Embedded(name, data))
            self._embedded_bytes += len(data)
        return name

    def extend_rejects(self, rejects: Sequence[Reject]) -> None:
        self._rejects.extend(rejects)

    @property
    def full(self) -> bool:
        """Whether it is time to `take` a chunk."""
        return (
            len(self._columns["record_id"]) >= self._chunk_rows
            or self._embedded_bytes >= CHUNK_BYTES
        )

    def take(self) -> Chunk:
        """Hand out what was collected and start anew."""
        num_rows = len(self._columns["record_id"])
        batch = record_batch(num_rows, **self._columns)
        chunk = Chunk(batch, tuple(self._rejects), tuple(self._remarks), tuple(self._embedded))
        self._columns = {name: [] for name in RECORD_SCHEMA.names}
        self._rejects = []
        self._remarks = []
        self._embedded, self._embedded_bytes = [], 0
        return chunk
