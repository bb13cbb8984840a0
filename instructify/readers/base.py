"""The interface of readers, which convert raw files of a release to record batches and rejects.

A reader handles one raw format. It opens the files that the catalog names, yields `Chunk`s of
bounded size in the order of the file, and makes a `Reject` of every item that it can't use. It does
not open pictures, and only names them by key. The same files and options always give the same
chunks.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import pyarrow as pa

from instructify._util.errors import UserError
from instructify.readers.capfilt_plan import Urls
from instructify.readers.remarks import Remark
from instructify.readers.spans import Span
from instructify.rejects import Reject
from instructify.schema import RECORD_SCHEMA

OptionValue = str | int | bool

CHUNK_ROWS = 16_384
CHUNK_BYTES = 64 << 20  # of embedded pictures
EMBEDDED_DIGITS = 20


class RawFile(NamedTuple):
    """A raw file: its name below the raw root, which provenance shows, and its path."""

    name: str
    path: Path
    span: Span | None = None  # the only part that is read; None: all of it


class Embedded(NamedTuple):
    """A picture embedded in the raw file: a name made from its content, and its bytes."""

    name: str  # the first 20 hex digits of the sha256
    data: bytes


class Chunk(NamedTuple):
    """A batch of `RECORD_SCHEMA`, with the rejected items, remarks, and embedded pictures.

    Embedded pictures of equal content come once in a split."""

    records: pa.RecordBatch
    rejects: Sequence[Reject]
    remarks: Sequence[Remark] = ()
    embedded: Sequence[Embedded] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """A dataset option that a reader supports; the catalog has its default.

    It has no effect on a split without what it `needs` ("labels", or a file by its role), or if
    another option has one of the values in `idle_with`.
    """

    kind: Literal["choice", "int", "bool", "text"]
    help: str
    choices: tuple[str, ...] = ()
    needs: str | None = None
    idle_with: Mapping[str, tuple[OptionValue, ...]] = field(default_factory=dict)


class Planned(NamedTuple):
    """The path of the decision about all items of a split, and the number of good items before."""

    folder: Path
    start: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadContext:
    """Everything that a reader may depend on."""

    dataset: str
    split: str
    options: Mapping[str, OptionValue]
    files: Mapping[str, RawFile]  # by role in the catalog, without optional ones that are absent
    folders: tuple[Path, ...]  # the release's folder and all of --images, for releases kept in tars
    seed: int
    limit: int | None = None  # a hint: at most as many records are used
    planned: Planned | None = None  # for one of several ranges: the decision from all of them


# What positions of records count, other than the items at a key ("annotations"):
A_LIST = "[]"  # the file is a JSON list
BY_ID = "{}"  # it is a JSON object keyed by id
JSON_LINES = "lines"
TEXT_LINES = "text"
# What of a file is read in ranges, other than items of JSON:
PARQUET_ROWS = "Parquet rows"
WHOLE_FILE = "whole file"  # never less than the file


class Shared(Protocol):
    """What all ranges of a split need."""

    def save(self, folder: Path) -> None:
        """Write it for the processes that read the ranges."""


class Survey(NamedTuple):
    """A pass before any item is read.

    `look` reads the items of a range; `decide` gets the results of all ranges in their order.
    Without `look`, `decide` reads what it needs from the files, and gets nothing.
    """

    look: Callable[[ReadContext], Iterator[Urls]] | None
    decide: Callable[[ReadContext, Iterable[Urls]], Shared]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranges:
    """How the files of a reader may be split into ranges that are read separately.

    A reader with ranges treats each item independently: the chunks of a file are those of its
    ranges, one after another. `places` says, by role, where the items are: at a key, `A_LIST`,
    `BY_ID`, `JSON_LINES` or `PARQUET_ROWS`, or that the file is not split (`WHOLE_FILE`). With
    `joined_by` the files have the same items in the same order, by this field, and are split at the
    same items. With `numbered` the ids of records contain positions. With a `survey` something is
    read before, which reading the ranges needs. `unfit` looks at the first items of
    files that are about to be split, and says whether they have to be read by one reader.
    """

    places: Mapping[str, str]
    joined_by: str | None = None
    numbered: bool = False
    survey: Survey | None = None
    unfit: Callable[[ReadContext], bool] | None = None

    @property
    def in_two_passes(self) -> bool:
        """Whether reading a range needs to know something of all ranges before it."""
        return self.numbered or (self.survey is not None and self.survey.look is not None)

    @property
    def takes_whole_files(self) -> bool:
        """Whether a file that is not split is read as by one reader, with its bad items."""
        return self.joined_by is None and self.survey is None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reader:
    """The reader of one raw format. A change of output for the same input must raise `version`.

    `places` say what positions of records count in a file that is neither a table nor a folder:
    the items at a key, or `A_LIST`, `BY_ID`, `JSON_LINES`, `TEXT_LINES`; the first that the file
    has is used. `explain` and the pages find raw items by them.
    """

    name: str
    version: int
    read: Callable[[ReadContext], Iterator[Chunk]]
    options: Mapping[str, Option]
    places: tuple[str, ...]
    ranges: Ranges | Callable[[ReadContext], Ranges | None] | None = None

    @property
    def key(self) -> str:
        return f"{self.name}@{self.version}"

    def ranges_of(self, context: ReadContext) -> Ranges | None:
        """Return how the files of a split may be split into ranges, if they may."""
        return self.ranges(context) if callable(self.ranges) else self.ranges


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
    """Make the error for a raw file that can't be read, with its reason."""
    return UserError(f"{file.name} can't be read: {error.strerror}; check {file.path}.")


class RecordRows:
    """Collects records row by row into chunks, for small or irregular data.

    `add` does not validate: callers do so before, and call `reject` for items that they skip.
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
        """Add a remark about the record that is added next."""
        self._remarks += [Remark(len(self._columns["record_id"]), kind)] * times

    def embed(self, data: bytes) -> str:
        """Add a picture that is embedded in the raw file, and return its name."""
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
        """Return the collected chunk and start a new one."""
        num_rows = len(self._columns["record_id"])
        batch = record_batch(num_rows, **self._columns)
        chunk = Chunk(batch, tuple(self._rejects), tuple(self._remarks), tuple(self._embedded))
        self._columns = {name: [] for name in RECORD_SCHEMA.names}
        self._rejects = []
        self._remarks = []
        self._embedded, self._embedded_bytes = [], 0
        return chunk
