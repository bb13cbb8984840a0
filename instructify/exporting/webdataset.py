"""WebDataset tars, which the webdataset library and Megatron-Energon read.

Each dataset is a folder of shards such as `train-000000.tar`. A sample is its pictures and one JSON
file under one key without dots: `vqav2-train-000000042.jpg`, `.json`; several pictures are
`.0.jpg`, `.1.jpg`. The format needs a copy of the picture in each sample.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from instructify._util.errors import UserError
from instructify.exporting.contents import Content, Contents, write_all
from instructify.exporting.energon import (
    ANSWER,
    DATABASE,
    META,
    EnergonIndex,
    offsets_file,
    write_blend,
)
from instructify.exporting.energon_rows import ROWS, IndexDatabase, IndexRows, Rows
from instructify.exporting.layout import LaidOut, lay_out
from instructify.exporting.names import tar_name
from instructify.exporting.receipt import PicturesReceipt
from instructify.exporting.selection import Chosen
from instructify.exporting.sink import (
    NO_PICTURES,
    WHOLE,
    EmbeddedTally,
    Piece,
    SplitTally,
    Start,
    link_file,
    named_texts,
    values_of,
)
from instructify.exporting.tar import BLOCK, TarWriter, padded

BLEND = "held-in-train.yaml"
TRAIN = "train"
MAX_SHARD_SAMPLES = 100_000
_ZEROS = bytes(BLOCK)
_MAX_KEY = 80  # of the 100 characters that a tar header gives a name
_COLUMNS = (
    *("sample_id", "task", "form", "instruction", "qformer_instruction"),
    *("response", "references", "candidates", "candidate_set", "choice_index", "pictures"),
    *("template", "fields"),
)


class WebdatasetSink:
    """Writes tars, and the index files of Energon beside them."""

    def __init__(
        self,
        place: Path,
        contents: Contents | None,
        *,
        has_pictures: bool,
        shard_bytes: int,
        identity: str,
        finished: Callable[[Path], None],
        databases: Mapping[str, Path] | None = None,
        is_piece: bool = False,
    ) -> None:
        """Open the sink.

        Args:
            databases: Energon's SQLite index of each dataset, if the tars are written already.
            is_piece: write the rows of the index for such a database instead of the index.
        """
        self._has_pictures = has_pictures
        self._finished = finished
        self._place = place
        self._contents = contents
        self._shard_bytes = shard_bytes
        self._identity = identity
        self._databases = databases
        self._is_piece = is_piece
        self._chosen: Chosen | None = None
        self._index: EnergonIndex | None = None
        self._tar: TarWriter | None = None
        self._blend: list[str] = []  # the datasets of the metadataset
        self._trains = False  # whether the present dataset has a training split
        self._tally = EmbeddedTally(place, finished)
        self._first_file = 0
        self._rows = self._rows_in_shard = 0

    def begin(self, chosen: Chosen, start: Start = WHOLE) -> None:
        if len(f"{chosen.dataset}-{chosen.split}-") + 9 > _MAX_KEY:
            raise UserError(
                f"the names '{chosen.dataset}' and '{chosen.split}' are too long for the keys of "
                "a tar; give the dataset a shorter one in your catalog."
            )
        if self._chosen is not None and self._chosen.dataset != chosen.dataset:
            self._close_index()
            self._trains = False
        self._chosen = chosen
        self._tally.begin()
        self._first_file = start.file
        self._rows = start.row

    def write(self, batch: pa.RecordBatch) -> None:
        assert self._chosen is not None
        contents_of = contents_of_rows(batch, self._contents)
        texts = sample_texts(batch, self._chosen)
        prefix = f"{self._chosen.dataset}-{self._chosen.split}-"
        for sample in lay_out(prefix, self._rows, contents_of, texts):
            self._add(sample)

    def adopt(self, piece: Piece) -> None:
        assert self._chosen is not None
        index = self._open_index(self._chosen)
        receipt = piece.receipt
        self._tally.adopt(piece)
        for name in receipt.names:
            link_file(offsets_file(piece.folder / name), offsets_file(self._place / name))
        index.adopt(
            self._chosen.split,
            [Path(name).name for name in receipt.names],
            all_have_one=receipt.rows == receipt.with_pictures == receipt.pictures.written,
        )

    def end(self) -> SplitTally:
        self._close_tar()
        if self._tally.files and self._chosen is not None:
            self._trains = self._trains or self._chosen.split == TRAIN
        return self._tally.of_split()

    def close(self) -> PicturesReceipt:
        self._close_index()
        if self._blend:
            write_blend(self._place / BLEND, self._blend, TRAIN)
        if not self._has_pictures:
            return NO_PICTURES
        return self._tally.pictures()

    def _add(self, sample: LaidOut) -> None:
        """Write one sample, into a new shard if it does not fit into the current one."""
        assert self._chosen is not None
        tar, index = self._place_for(self._chosen, sample.size_bytes)
        start = tar.offset
        room = tar.reserve(sample.size_bytes)
        if room is not None:
            self._fill(room, sample)
        else:
            self._stream(tar, sample)
        members = [
            (member.part, start + member.offset, member.size_bytes) for member in sample.members
        ]
        index.add(sample.key, start, sample.size_bytes, members)
        self._rows += 1
        self._rows_in_shard += 1
        self._tally.with_pictures += len(members) > 1
        self._tally.written += len(members) - 1
        num_bytes = sum(member.size_bytes for member in sample.members)
        self._tally.size_bytes += num_bytes - len(sample.text)

    def _fill(self, room: memoryview, sample: LaidOut) -> None:
        for member in sample.members:
            end = member.offset + member.size_bytes
            room[member.offset - BLOCK : member.offset] = member.header
            if member.content is None or self._contents is None:
                room[member.offset : end] = sample.text
            else:
                self._contents.read_into(member.content, room[member.offset : end])
            room[end : padded(end)] = _ZEROS[: padded(end) - end]

    def _stream(self, tar: TarWriter, sample: LaidOut) -> None:
        """Write a sample that is larger than the buffer, one member after another."""
        for member in sample.members:
            if member.content is None or self._contents is None:
                copy = partial(write_all, data=sample.text)
            else:
                copy = partial(self._contents.copy_to, member.content)
            tar.stream(member.header, member.size_bytes, copy)

    def _place_for(self, chosen: Chosen, size_bytes: int) -> tuple[TarWriter, EnergonIndex]:
        """Return the shard to write to and the index of its dataset; a full shard is closed."""
        index = self._open_index(chosen)
        if self._tar is not None and (
            self._tar.offset + size_bytes > self._shard_bytes
            or self._rows_in_shard == MAX_SHARD_SAMPLES
        ):
            self._close_tar()
        if self._tar is None:
            number = self._first_file + len(self._tally.files)
            name = tar_name(chosen.dataset, chosen.split, number)
            self._tar = TarWriter(self._place / name)
            self._tally.files.append(name)
            index.begin_shard(chosen.split, Path(name).name)
            self._rows_in_shard = 0
        return self._tar, index

    def _open_index(self, chosen: Chosen) -> EnergonIndex:
        if self._index is None:
            folder = self._place / chosen.dataset
            rows: Rows | None = None
            if self._is_piece:
                rows = IndexRows(folder / ROWS)
            elif self._databases is None:
                rows = IndexDatabase(folder / META / DATABASE)
            else:
                link_file(self._databases[chosen.dataset], folder / META / DATABASE)
            self._index = EnergonIndex(folder, rows)
        return self._index

    def _close_tar(self) -> None:
        if self._tar is not None and self._index is not None:
            self._index.end_shard(self._tar.offset)
            self._tar.close()
            self._finished(self._place / self._tally.files[-1])
            self._tar = None

    def _close_index(self) -> None:
        if self._index is None or self._chosen is None:
            return
        index, self._index = self._index, None
        index.close_rows()
        if self._is_piece:
            return
        kind = index.write_meta(
            is_video=self._chosen.is_video, identity=f"{self._identity} {self._chosen.dataset}"
        )
        if kind == ANSWER and not self._chosen.is_held_out and self._trains:
            self._blend.append(self._chosen.dataset)


def contents_of_rows(batch: pa.RecordBatch, contents: Contents | None) -> list[list[Content]]:
    """Find the contents of each sample; none in an export without pictures."""
    if contents is None:
        return [[]] * batch.num_rows
    return contents.of_batch(batch.column("pictures"))


def sample_texts(batch: pa.RecordBatch, chosen: Chosen) -> list[bytes]:
    """Write each sample as JSON."""
    encoder = msgspec.json.Encoder()
    origin = {"dataset": chosen.dataset, "split": chosen.split}
    columns = [values_of(batch, name) for name in _COLUMNS]
    texts = []
    for values in zip(*columns, strict=True):
        row = origin | dict(zip(_COLUMNS, values, strict=True))
        row["answers"] = _answers(row)
        if fields := named_texts(row.pop("fields")):
            row["fields"] = fields
        texts.append(encoder.encode(row))
    return texts


def _answers(row: dict[str, Any]) -> list[str] | None:
    """Return the answers for Energon's VQASample: the response, else all accepted answers."""
    if row["response"] is not None:
        return [row["response"]]
    references: list[str] | None = row["references"]
    return references
