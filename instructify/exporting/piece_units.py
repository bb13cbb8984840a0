"""Units of an export: a piece of a split, and what its receipt may say.

A piece ends where a file ends or, in formats whose files are concatenated row by row, where a shard
of samples ends. Its key is a hash of the build, the options and the rows, so equal keys mean equal
bytes. The receipt and the files of a unit lie in a folder beside the export and count as data from
outside: names and numbers are checked before any file is used.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from instructify import __version__
from instructify._util.errors import UserError
from instructify._util.shards import unwritable
from instructify.build import Build, content_key
from instructify.exporting.energon import offsets_file, samples_by_size
from instructify.exporting.energon_rows import ROWS
from instructify.exporting.names import parquet_name, tar_name
from instructify.exporting.options import TRAINS_ONLY, ExportOptions, PictureFolders
from instructify.exporting.receipt import FORMAT, PieceReceipt, are_whole, build_hash, read_unit
from instructify.exporting.rows import RowSpan
from instructify.exporting.sink import WHOLE, Start

NUMBERS = "numbers.npy"

# Write a piece, measure the sizes of its samples or row groups, or find its row groups.
What = Literal["rows", "sizes", "groups"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """Settings that all units of an export share; `staging` holds their folders."""

    build: Path
    build_sha256: str
    options: ExportOptions
    folders: PictureFolders
    staging: Path

    def key(self, what: str, value: object) -> str:
        """Hash everything that the bytes of a unit depend on."""
        made_by = [FORMAT, __version__, pa.__version__]
        work = [self.build_sha256, self.options.told()]
        return content_key(f"export {what}", [made_by, work, value])

    def open(self) -> Build:
        """Open the build; UserError if it is not the one that the export began with."""
        build = Build.open(self.build)
        if build_hash(build.manifest) != self.build_sha256:
            raise UserError(f"{self.build} changed during the export; run it again.")
        return build


@dataclass(frozen=True, kw_only=True, slots=True)
class PieceUnit:
    """Some rows of a split, to be written or measured.

    `column` is the picture column of the dataset in Parquet.
    """

    work: Work
    what: What
    dataset: str
    split: str
    span: RowSpan
    start: Start = WHOLE
    column: str | None = None

    @property
    def name(self) -> str:
        last = self.start.row + self.span.rows
        return f"{self.dataset}/{self.split} samples {self.start.row} to {last} ({self.what})"

    @property
    def key(self) -> str:
        value = [self.dataset, self.split, list(self.span), list(self.start)]
        return self.work.key(self.what, value)

    @property
    def folder(self) -> Path:
        """The folder of the result of the unit."""
        return self.work.staging / self.key[:24]


def find_piece(unit: PieceUnit) -> PieceReceipt | None:
    """Return the receipt of a unit that was finished before and is complete."""
    receipt = read_unit(unit.folder, PieceReceipt)
    if receipt is None or not is_receipt_of(unit, receipt):
        return None
    return receipt if are_whole(unit.folder, receipt.sizes) else None


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Raise a UserError with the path if a write to an open file fails, as on a full disk."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise unwritable(folder, error) from error
        raise


def is_receipt_of(unit: PieceUnit, receipt: PieceReceipt) -> bool:
    """Return whether a receipt names the files that the unit writes, and counts its rows."""
    pictures = receipt.pictures
    counts = (receipt.slot_words_broken, *receipt.not_carried.values())
    if receipt.rows != unit.span.rows or not 0 <= receipt.with_pictures <= receipt.rows:
        return False
    if min(*counts, pictures.written, pictures.size_bytes, 0) < 0:
        return False
    if unit.what != "rows":
        return not receipt.names and NUMBERS in receipt.sizes
    if unit.work.options.shape in TRAINS_ONLY:
        return len(receipt.names) == 1 and receipt.names[0] in receipt.sizes
    if receipt.names != _names(unit, len(receipt.names)) or not receipt.names:
        return False
    return set(receipt.names) <= set(receipt.sizes) and _has_index(unit, receipt)


def read_numbers(path: Path) -> NDArray[np.int64]:
    """Read the numbers that a unit wrote, none of which is negative.

    Raises:
        UserError: the file is missing or is no such file.
    """
    try:
        numbers = np.load(path, allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        raise damaged(path) from error
    if not isinstance(numbers, np.ndarray) or numbers.dtype != np.int64 or numbers.ndim != 1:
        raise damaged(path)
    if len(numbers) and numbers.min() < 0:
        raise damaged(path)
    return numbers


def damaged(path: Path) -> UserError:
    """Make the error for a file in the folder of pieces that no unit writes like this."""
    return UserError(f"{path} is missing or damaged; delete {path.parent} and run this again.")


def _names(unit: PieceUnit, number: int) -> list[str]:
    files = range(unit.start.file, unit.start.file + number)
    if unit.work.options.shape == "webdataset":
        return [tar_name(unit.dataset, unit.split, file) for file in files]
    prefix = unit.work.options.prefix
    return [parquet_name(unit.dataset, unit.split, file, prefix) for file in files]


def _has_index(unit: PieceUnit, receipt: PieceReceipt) -> bool:
    """Return whether the files of Energon's index have the size for the rows of the piece."""
    if unit.work.options.shape != "webdataset":
        return True
    if f"{unit.dataset}/{ROWS}" not in receipt.sizes:
        return False
    sizes = [receipt.sizes.get(offsets_file(Path(name)).as_posix(), 0) for name in receipt.names]
    return sum(map(samples_by_size, sizes)) == receipt.rows
