"""Parquet files with the pictures in them, typed for the `datasets` library of Hugging Face.

A dataset is a folder, and a split is some files in it. `image` is an Image column (`images` is a
list if a sample may have several, `video` is for clips); all other columns are those of a sample.
Row groups have a limited number of decoded bytes. If the same picture occurs in several rows, as
with several questions about a photograph, Parquet's dictionary stores it once per row group.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from instructify._util.errors import UserError
from instructify.build import Build
from instructify.exporting import row_groups
from instructify.exporting.contents import Content, Contents
from instructify.exporting.names import parquet_name
from instructify.exporting.receipt import PicturesReceipt
from instructify.exporting.row_groups import Counted, GroupCutter
from instructify.exporting.selection import Chosen
from instructify.exporting.sink import NO_PICTURES, WHOLE, EmbeddedTally, Piece, SplitTally, Start
from instructify.recipe import valid_batches
from instructify.schema import SAMPLE_SCHEMA

_MAX_CONTENT = (1 << 31) - 1  # the most bytes of a Parquet value that `datasets` reads
_PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_FEATURES = {"image": "Image", "images": "Image", "video": "Video", "videos": "Video"}


class ParquetSink:
    """Writes Parquet files below `prefix`."""

    def __init__(
        self,
        place: Path,
        contents: Contents | None,
        columns: Mapping[str, str],
        *,
        has_pictures: bool,
        shard_bytes: int,
        prefix: str = "",
        finished: Callable[[Path], None],
        measured: list[int] | None = None,
    ) -> None:
        """Open the sink.

        Args:
            contents: None without pictures, and where no rows but only pieces are written.
            columns: the picture column of each dataset, see `picture_columns`.
            measured: a list for the size of each row group, to measure them and write no file.
        """
        self._has_pictures = has_pictures
        self._measured = measured
        self._finished = finished
        self._place = place
        self._prefix = prefix
        self._contents = contents
        self._shard_bytes = shard_bytes
        self._columns = columns
        self._groups = GroupCutter()
        self._first_file = 0
        self._chosen: Chosen | None = None
        self._file: _ParquetFile | None = None
        self._tally = EmbeddedTally(place, finished)
        self._group: list[_Rows] = []
        self._group_bytes = 0

    def begin(self, chosen: Chosen, start: Start = WHOLE) -> None:
        self._chosen = chosen
        self._groups = GroupCutter()
        self._tally.begin()
        self._first_file = start.file

    def adopt(self, piece: Piece) -> None:
        self._tally.adopt(piece)

    def write(self, batch: pa.RecordBatch) -> None:
        """Divide the rows into row groups of limited size."""
        contents_of: list[list[Content]] = [[]] * batch.num_rows
        if self._contents is not None:
            contents_of = self._contents.of_batch(batch.column("pictures"))
        sizes = [sum(content.size_bytes for content in contents) for contents in contents_of]
        self._tally.with_pictures += sum(map(bool, contents_of))
        for cut in self._groups.cut(sizes):
            if cut.is_new:
                self._flush()
            rows = batch.slice(cut.start, cut.stop - cut.start)
            self._group.append(_Rows(rows, contents_of[cut.start : cut.stop]))
            self._group_bytes += sum(sizes[cut.start : cut.stop])

    def end(self) -> SplitTally:
        self._flush()
        self._close_file()
        return self._tally.of_split()

    def close(self) -> PicturesReceipt:
        if not self._has_pictures:
            return NO_PICTURES
        return self._tally.pictures()

    def _flush(self) -> None:
        """Write the collected rows as one row group."""
        if not self._group:
            return
        assert self._chosen is not None
        column = self._columns.get(self._chosen.dataset)
        schema = _schema(column)
        arrays = [_plain(self._group, name) for name in SAMPLE_SCHEMA.names]
        if column is not None and self._contents is not None:
            contents_of = [contents for piece in self._group for contents in piece.contents]
            arrays.append(_picture_array(self._contents, contents_of, is_list=column.endswith("s")))
            self._tally.written += sum(map(len, contents_of))
            self._tally.size_bytes += self._group_bytes
        file = self._file_with_room(schema)
        before = file.size_bytes
        file.write(pa.Table.from_arrays(arrays, schema=schema))
        if self._measured is not None:
            self._measured.append(file.size_bytes - before)
        self._group = []
        self._group_bytes = 0

    def _file_with_room(self, schema: pa.Schema) -> "_ParquetFile":
        assert self._chosen is not None
        if self._file is not None and self._file.size_bytes >= self._shard_bytes:
            self._close_file()
        if self._file is None and self._measured is not None:
            self._file = _ParquetFile(cast(BinaryIO, Counted()), schema)
        elif self._file is None:
            number = self._first_file + len(self._tally.files)
            name = parquet_name(self._chosen.dataset, self._chosen.split, number, self._prefix)
            (self._place / name).parent.mkdir(parents=True, exist_ok=True)
            self._file = _ParquetFile((self._place / name).open("wb"), schema)
            self._tally.files.append(name)
        return self._file

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            if self._measured is None:
                self._finished(self._place / self._tally.files[-1])


class _Rows(NamedTuple):
    """Rows of a batch with the contents of each."""

    rows: pa.RecordBatch
    contents: list[list[Content]]


class _ParquetFile:
    """One file: texts are compressed, pictures are not, and both use dictionaries."""

    def __init__(self, handle: BinaryIO, schema: pa.Schema) -> None:
        self._handle = handle
        leaves = list(_leaves(schema))
        self._writer = pq.ParquetWriter(
            self._handle,
            schema,
            compression={leaf: "NONE" if leaf.endswith(".bytes") else "ZSTD" for leaf in leaves},
            dictionary_pagesize_limit=2 * row_groups.GROUP_BYTES,
            write_statistics=[leaf for leaf in leaves if not leaf.endswith(".bytes")],
        )

    @property
    def size_bytes(self) -> int:
        return self._handle.tell()

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(table, row_group_size=table.num_rows)

    def close(self) -> None:
        self._writer.close()
        self._handle.close()


def picture_columns(build: Build, chosen: Sequence[Chosen]) -> dict[str, str]:
    """Return the picture column of each dataset: a plural if a sample has more than one picture."""
    most: dict[str, int] = {}
    for split in chosen:
        for shard in split.of.sample_shards:
            for batch in valid_batches(build.path(shard), ("pictures",)):
                longest = pc.max(pc.list_value_length(batch.column("pictures"))).as_py() or 0
                most[split.dataset] = max(most.get(split.dataset, 0), longest)
    media = {split.dataset: "video" if split.is_video else "image" for split in chosen}
    return {name: media[name] + ("s" if longest > 1 else "") for name, longest in most.items()}


def _schema(column: str | None) -> pa.Schema:
    fields = [pa.field(field.name, _plain_type(field.type)) for field in SAMPLE_SCHEMA]
    features: dict[str, Any] = {field.name: _feature(field.type) for field in fields}
    if column is not None:
        is_list = column.endswith("s")
        fields.append(pa.field(column, pa.list_(_PICTURE) if is_list else _PICTURE))
        feature = {"_type": _FEATURES[column]}
        features[column] = {"feature": feature, "_type": "List"} if is_list else feature
    # The metadata that the `datasets` library writes and reads.
    metadata = json.dumps({"info": {"features": features}})
    return pa.schema(fields, metadata={"huggingface": metadata})


def _plain_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _feature(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "List"}
    if pa.types.is_struct(kind):
        return {part.name: _feature(part.type) for part in kind}
    return {"dtype": {"float": "float32"}.get(str(kind), str(kind)), "_type": "Value"}


def _leaves(schema: pa.Schema) -> list[str]:
    """Return the column names of Parquet: those of a list are below `list.element`."""
    names: list[str] = []

    def walk(name: str, kind: pa.DataType) -> None:
        if pa.types.is_list(kind):
            walk(f"{name}.list.element", kind.value_type)
        elif pa.types.is_struct(kind):
            for field in kind:
                walk(f"{name}.{field.name}", field.type)
        else:
            names.append(name)

    for field in schema:
        walk(field.name, field.type)
    return names


def _plain(group: Sequence[_Rows], name: str) -> pa.ChunkedArray:
    kind = _plain_type(SAMPLE_SCHEMA.field(name).type)
    return pa.chunked_array([piece.rows.column(name).cast(kind) for piece in group], kind)


def _picture_array(
    contents: Contents, rows: Sequence[Sequence[Content]], *, is_list: bool
) -> pa.Array:
    """Read the bytes of a row group into one buffer, and return a column over this buffer."""
    flat = [content for row in rows for content in row]
    offsets = np.zeros(len(flat) + 1, np.int64)
    np.cumsum([content.size_bytes for content in flat], out=offsets[1:])
    if offsets[-1] > _MAX_CONTENT:
        largest = max(flat, key=lambda content: content.size_bytes)
        raise UserError(
            f"the clip {largest.sha256[:12]} has {largest.size_bytes:,} bytes and a Parquet value "
            f"holds {_MAX_CONTENT:,}; export it as webdataset, llava or chat."
        )
    data = pa.allocate_buffer(int(offsets[-1]))
    view = memoryview(data).cast("B")
    for content, start, stop in zip(flat, offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        contents.read_into(content, view[start:stop])
    ends = pa.py_buffer(offsets.astype(np.int32))
    values = pa.Array.from_buffers(pa.binary(), len(flat), [None, ends, data])
    paths = pa.array([content.file_name for content in flat], pa.string())
    pictures = pa.StructArray.from_arrays([values, paths], fields=list(_PICTURE))
    lengths = np.array([len(row) for row in rows], np.int32)
    if is_list:
        starts = np.concatenate([np.zeros(1, np.int32), np.cumsum(lengths, dtype=np.int32)])
        return pa.ListArray.from_arrays(pa.array(starts), pictures)
    if len(flat) == len(rows):
        return pictures
    places = np.where(lengths > 0, np.cumsum(lengths) - 1, -1)
    return pictures.take(pa.array(places, mask=places < 0))
