"""The interface of all formats of an export, and the parts that several formats share."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from instructify._util.errors import UserError
from instructify.exporting.contents import Content, Contents
from instructify.exporting.receipt import PicturesReceipt, PieceReceipt
from instructify.exporting.selection import Chosen
from instructify.exporting.slots import SlotWords

PICTURE_FOLDERS = ("images", "videos")
WANTED = "wanted.npy"
_HELD_BYTES = 1 << 20

Row = dict[str, Any]


class SplitTally(NamedTuple):
    """The counts of a split that a sink has written."""

    files: list[str]
    slot_words_broken: int
    with_pictures: int


class Start(NamedTuple):
    """The start of a piece of a split: the number of its first row, and of its first file."""

    row: int = 0
    file: int = 0


WHOLE = Start()


class Piece(NamedTuple):
    """A piece of a split that a unit wrote into its own folder."""

    folder: Path
    receipt: PieceReceipt


class EmbeddedTally:
    """The files of the current split, and counts of the pictures inside, for formats that embed.

    `finished` is called with each large file when it is complete.
    """

    def __init__(self, place: Path, finished: Callable[[Path], None]) -> None:
        self._place = place
        self._finished = finished
        self.files: list[str] = []
        self.with_pictures = self.written = self.size_bytes = 0

    def begin(self) -> None:
        """Start a split; the counts of pictures go on."""
        self.files = []
        self.with_pictures = 0

    def adopt(self, piece: Piece) -> None:
        """Add the files of a piece of the current split."""
        for name in piece.receipt.names:
            link_file(piece.folder / name, self._place / name)
            self._finished(self._place / name)
        self.files += piece.receipt.names
        self.with_pictures += piece.receipt.with_pictures
        self.written += piece.receipt.pictures.written
        self.size_bytes += piece.receipt.pictures.size_bytes

    def of_split(self) -> SplitTally:
        """Return the counts of the current split."""
        return SplitTally(self.files, 0, self.with_pictures)

    def pictures(self) -> PicturesReceipt:
        """Return the counts of the pictures of all splits."""
        return PicturesReceipt(mode="embedded", written=self.written, size_bytes=self.size_bytes)


class Sink(Protocol):
    """Writes the splits of an export one after another; files are complete after `close`."""

    def begin(self, chosen: Chosen, start: Start = WHOLE) -> None:
        """Start a split, or a piece of one."""

    def adopt(self, piece: Piece) -> None:
        """Add rows of the current split that another sink of the same format wrote."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Write rows of the current split."""

    def end(self) -> SplitTally:
        """Finish the split."""

    def close(self) -> PicturesReceipt:
        """Write the remaining files after the last split."""


def values_of(batch: pa.RecordBatch, name: str) -> list[Any]:
    """Return a column as Python values; dictionary and empty columns take a faster way."""
    column = batch.column(name)
    if column.null_count == len(column):
        return [None] * len(column)
    if pa.types.is_dictionary(column.type) and column.null_count == 0:
        labels = column.dictionary.to_pylist()
        return [labels[code] for code in column.indices.to_pylist()]
    values: list[Any] = column.to_pylist()
    return values


class LineFile:
    """A text file that grows row by row, as a JSON list or as JSON lines."""

    def __init__(self, path: Path, *, as_list: bool) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = path.open("wb", buffering=0)
        self._encoder = msgspec.json.Encoder()
        self._held = bytearray()
        self._as_list = as_list
        self._rows = 0

    def add(self, row: Row) -> None:
        if self._as_list:
            self._held += b",\n" if self._rows else b"[\n"
        self._held += self._encoder.encode(row)
        if not self._as_list:
            self._held += b"\n"
        self._rows += 1
        if len(self._held) >= _HELD_BYTES:
            self._flush()

    def append(self, path: Path, rows: int) -> None:
        """Add the rows of another such file."""
        if self._as_list:
            self._held += b",\n" if self._rows else b"[\n"
        self._flush()
        left = path.stat().st_size
        block = memoryview(bytearray(_HELD_BYTES))
        with path.open("rb", buffering=0) as source:
            if self._as_list:
                left -= source.seek(len(b"[\n")) + len(b"\n]\n")
            while left > 0:
                num_read = source.readinto(block[: min(left, _HELD_BYTES)])
                if not num_read:
                    raise UserError(f"{path} is shorter than before; run the same command again.")
                left -= num_read
                self._write(block[:num_read])
        self._rows += rows

    def close(self) -> None:
        if self._as_list:
            self._held += b"\n]\n" if self._rows else b"[]\n"
        self._flush()
        self._handle.close()

    def _flush(self) -> None:
        self._write(memoryview(bytes(self._held)))
        self._held.clear()

    def _write(self, rest: memoryview) -> None:
        while rest:
            rest = rest[self._handle.write(rest) :]


class PictureMarks(Protocol):
    """Finds the pictures of rows, for a format that has them as files beside the samples."""

    def of_batch(self, pictures: pa.ListArray) -> list[list[Content]]:
        """Find the contents of each sample, and mark them for writing."""


class PictureWriter(Protocol):
    """Writes the pictures of a format that has them as files beside the samples."""

    def write(self) -> PicturesReceipt:
        """Write every content that was marked."""


class PictureFiles:
    """Pictures as files, each content once, named by its hash: `images/3f/3f9a....jpg`.

    Rows only mark the pictures that they need; `write` reads the store in the order of the disk.
    """

    def __init__(self, place: Path, contents: Contents) -> None:
        self._place = place
        self._contents = contents
        self._wanted = np.zeros(contents.num_keys, np.bool_)

    def of_batch(self, pictures: pa.ListArray) -> list[list[Content]]:
        """Find the contents of each sample, and mark them for writing."""
        self._wanted[self._contents.rows_of(pictures.flatten())] = True
        return self._contents.of_batch(pictures)

    def want(self, rows: NDArray[np.int64]) -> None:
        """Mark rows of the index for writing."""
        self._wanted[rows] = True

    def write(self) -> PicturesReceipt:
        """Write every content that was marked."""
        written = size_bytes = 0
        for content in self._contents.in_store_order(np.flatnonzero(self._wanted)):
            path = self._place / picture_path(content)
            if path.exists():  # another key has the same content
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            try:
                self._contents.copy_to(content, descriptor)
            finally:
                os.close(descriptor)
            written += 1
            size_bytes += content.size_bytes
        return PicturesReceipt(mode="files", written=written, size_bytes=size_bytes)


class WantedPictures(PictureFiles):
    """Records which pictures a piece needs; other units write them."""

    def write(self) -> PicturesReceipt:
        """Write the numbers of the wanted rows of the index."""
        np.save(self._place / WANTED, np.flatnonzero(self._wanted))
        return PicturesReceipt(mode="files", written=0, size_bytes=0)


class Asked(NamedTuple):
    """A sample for a text format: its pictures, and its texts with broken picture words."""

    sample_id: str
    contents: list[Content]
    instruction: str
    response: str
    broken: int  # how many of its two texts held a picture word
    fields: dict[str, str]  # of own data, by name


def asked_samples(
    batch: pa.RecordBatch, pictures: PictureMarks | None, slots: SlotWords
) -> Iterator[Asked]:
    """Yield the samples of a batch, and mark their pictures for writing."""
    ids, instructions, responses = (
        batch.column(name).to_pylist() for name in ("sample_id", "instruction", "response")
    )
    fields_of = values_of(batch, "fields")
    contents_of: list[list[Content]] = [[]] * len(ids)
    if pictures is not None:
        contents_of = pictures.of_batch(batch.column("pictures"))
    for sample_id, contents, instruction, response, fields in zip(
        ids, contents_of, instructions, responses, fields_of, strict=True
    ):
        question, answer = slots.broken(instruction), slots.broken(response)
        broken = question.changed + answer.changed
        yield Asked(sample_id, contents, question.text, answer.text, broken, named_texts(fields))


def named_texts(fields: list[dict[str, str]] | None) -> dict[str, str]:
    """Turn the fields of a sample of own data into a dict."""
    return {field["name"]: field["value"] for field in fields or ()}


def picture_path(content: Content) -> str:
    """Return the path of a content below the folder of the export."""
    folder = PICTURE_FOLDERS[content.media == "video"]
    return f"{folder}/{content.sha256[:2]}/{content.file_name}"


NO_PICTURES = PicturesReceipt(mode="none", written=0, size_bytes=0)


def link_file(source: Path, target: Path) -> None:
    """Link a finished file to a second name, or copy it if the file system has no links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
