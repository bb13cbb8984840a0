"""Units that write picture files into their own folders, divided by the first digits of hashes."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import msgspec
import numpy as np

from instructify._util.shards import sync, write_bytes
from instructify.build import Build, private_folder, publish_folder
from instructify.exporting.contents import Contents
from instructify.exporting.piece_units import PieceUnit, Work, damaged, read_numbers, writing
from instructify.exporting.receipt import RECEIPT, PicturesReceipt, read_unit
from instructify.exporting.sink import PICTURE_FOLDERS, WANTED, PictureFiles

_FOLDERS = 256  # of pictures: the first two digits of a hash
_FEW, _SOME = 1_000, 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureUnit:
    """Pictures to write; `rows` is the name of a file of their rows in the index."""

    work: Work
    rows: str
    prefixes: tuple[str, str]  # the first and the last

    @property
    def name(self) -> str:
        return f"pictures {self.prefixes[0]} to {self.prefixes[1]}"

    @property
    def key(self) -> str:
        return self.work.key("pictures", [self.rows])

    @property
    def folder(self) -> Path:
        """The folder of the result of the unit."""
        return self.work.staging / self.key[:24]


def find_pictures(unit: PictureUnit) -> PicturesReceipt | None:
    """Return the receipt of a unit that was finished before."""
    receipt = read_unit(unit.folder, PicturesReceipt)
    if receipt is None or receipt.mode != "files":
        return None
    return receipt if min(receipt.written, receipt.size_bytes) >= 0 else None


def run_pictures(unit: PictureUnit) -> PicturesReceipt:
    """Write the pictures of a unit, unless that is done."""
    done = find_pictures(unit)
    if done is not None:
        return done
    build = unit.work.open()
    rows = read_numbers(unit.work.staging / unit.rows)
    with (
        writing(unit.folder),
        private_folder(unit.work.staging) as place,
        Contents(build, unit.work.folders) as contents,
    ):
        files = PictureFiles(place, contents)
        files.want(rows)
        receipt = files.write()
        for path in place.glob("*/*/*"):
            sync(path)
        write_bytes(place / RECEIPT, msgspec.json.encode(receipt))
        return publish_folder(place, unit.folder, receipt, lambda: find_pictures(unit))


def plan_pictures(work: Work, build: Build, pieces: Sequence[PieceUnit]) -> list[PictureUnit]:
    """Divide the pictures that the pieces need among units."""
    with Contents(build, work.folders) as contents:
        wanted = np.zeros(contents.num_keys, np.bool_)
        for piece in pieces:
            path = piece.folder / WANTED
            numbers = read_numbers(path)
            if len(numbers) and numbers.max() >= contents.num_keys:
                raise damaged(path)
            wanted[numbers] = True
        rows = np.flatnonzero(wanted)
        first_bytes = contents.first_bytes(rows)
    num_units = 1 if len(rows) <= _FEW else 16 if len(rows) <= _SOME else _FOLDERS
    width = _FOLDERS // num_units
    units = []
    for low in range(0, _FOLDERS, width):
        some = rows[(first_bytes >= low) & (first_bytes < low + width)]
        if len(some):
            prefixes = (f"{low:02x}", f"{low + width - 1:02x}")
            units.append(PictureUnit(work=work, rows=_write_rows(work, some), prefixes=prefixes))
    return units


def _write_rows(work: Work, rows: np.ndarray) -> str:
    """Write rows of the index to a file that is named by their hash."""
    sink = BytesIO()
    np.save(sink, rows)
    digest = hashlib.sha256(rows.tobytes()).hexdigest()
    name = f"pictures-{work.key('wanted', digest)[:24]}.npy"
    if not (work.staging / name).exists():
        write_bytes(work.staging / name, sink.getvalue())
    return name


class MovedPictures:
    """The pictures of an export that units wrote, whose folders are moved into the export."""

    def __init__(
        self, place: Path, units: Sequence[PictureUnit], receipts: Sequence[PicturesReceipt]
    ) -> None:
        self._place = place
        self._units = units
        self._receipts = receipts

    def write(self) -> PicturesReceipt:
        """Move all folders; a unit without its folders counts as not done."""
        for unit in self._units:
            (unit.folder / RECEIPT).unlink()
            for media in PICTURE_FOLDERS:
                for folder in sorted((unit.folder / media).glob("*")):
                    if folder.is_symlink():
                        raise damaged(folder)
                    (self._place / media).mkdir(exist_ok=True)
                    os.replace(folder, self._place / media / folder.name)
        return PicturesReceipt(
            mode="files",
            written=sum(receipt.written for receipt in self._receipts),
            size_bytes=sum(receipt.size_bytes for receipt in self._receipts),
        )
