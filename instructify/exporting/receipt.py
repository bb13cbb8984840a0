"""`export.json`: the content, the build and the options of an export. It is written last.

It has no times, hosts or absolute paths, so the same build and options give the same bytes.
"""

import hashlib
import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from instructify import __version__
from instructify._util.errors import UserError
from instructify._util.outside import NotReadableError, decode_json, is_below, read_regular
from instructify._util.shards import sync, write_bytes
from instructify.build import Manifest
from instructify.exporting.options import ExportOptions

Unit = TypeVar("Unit")

RECEIPT = "export.json"
FORMAT = 1


class SplitReceipt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One split: `samples` of the build are either `written` or in `left_out`, by reason."""

    role: str
    licence: str
    samples: int
    written: int
    left_out: dict[str, int]
    slot_words_broken: int  # texts with a word that trainers read as a picture slot
    with_pictures: int  # samples with at least one picture or clip in the export
    files: list[str]
    not_carried: dict[str, int] = {}  # samples with a value in a column that the format lacks


class PicturesReceipt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pictures and clips in the export, counted with repetitions, and their total size."""

    mode: str  # files | embedded | none
    written: int
    size_bytes: int


class PieceReceipt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a unit wrote: a piece of a split, in the form of the whole.

    `names` are the files of the export that the piece is, or is a part of.
    """

    rows: int
    names: list[str]
    slot_words_broken: int
    with_pictures: int
    not_carried: dict[str, int]
    sets: list[str]  # the shared candidate sets that its samples name
    pictures: PicturesReceipt
    sizes: dict[str, int]  # of all files of the unit


class IndexReceipt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a unit wrote: Energon's SQLite index of a dataset."""

    sizes: dict[str, int]


class Receipt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: int
    instructify: str
    build_sha256: str  # of the build's manifest.json
    options: dict[str, Any]
    datasets: dict[str, dict[str, SplitReceipt]]
    unlicensed: dict[str, str]  # datasets that --only-licences left out
    pictures: PicturesReceipt
    files: dict[str, int]  # sizes of the files, without this file and picture files
    entries: list[str]  # names at the top of the folder

    def same_work(self, build_sha256: str, options: ExportOptions) -> bool:
        """Return whether an export of that build with these options would equal this one."""
        request = (FORMAT, __version__, build_sha256, options.told())
        return request == (self.format, self.instructify, self.build_sha256, self.options)


def build_hash(manifest: Manifest) -> str:
    """Return the sha256 of a build's manifest, which holds the hashes of all other files."""
    return hashlib.sha256(manifest.to_bytes()).hexdigest()


def write_receipt(folder: Path, receipt: Receipt) -> None:
    text = json.dumps(msgspec.to_builtins(receipt), indent=1, ensure_ascii=False)
    write_bytes(folder / RECEIPT, (text + "\n").encode())


def encode_piece(receipt: PieceReceipt) -> bytes:
    """Write the receipt of a unit as JSON."""
    return msgspec.json.encode(receipt) + b"\n"


def read_unit(folder: Path, kind: type[Unit]) -> Unit | None:
    """Read the receipt of a unit; None if it is absent or has another form."""
    try:
        return decode_json(read_regular(folder / RECEIPT), kind)
    except (FileNotFoundError, NotReadableError):
        return None


def are_whole(folder: Path, sizes: Mapping[str, int]) -> bool:
    """Return whether a folder has these files with these sizes; a link counts as no file."""
    for name, size in sizes.items():
        if not is_below(name):
            return False
        try:
            facts = (folder / name).lstat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        if not stat.S_ISREG(facts.st_mode) or facts.st_size != size:
            return False
    return True


def synced_sizes(folder: Path) -> dict[str, int]:
    """Sync each file of a unit and return its size."""
    sizes = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            sync(path)
            sizes[path.relative_to(folder).as_posix()] = path.stat().st_size
    return sizes


def read_receipt(path: Path) -> Receipt | None:
    """Read a receipt; None if there is none.

    Raises:
        UserError: the file is not a receipt of this format, so the folder may not be replaced.
    """
    try:
        data = read_regular(path)
    except FileNotFoundError:
        return None
    try:
        version = decode_json(data, _Version).format
        if version != FORMAT:
            raise UserError(
                f"{path} has format {version} and this version knows {FORMAT}; "
                "choose another --out, or delete that export."
            )
        return decode_json(data, Receipt)
    except NotReadableError as error:
        raise UserError(
            f"{path} is not the receipt of an export ({error}); choose another --out, "
            "or delete that folder."
        ) from error


class _Version(msgspec.Struct):
    format: int
