"""`export.json`: what an export holds, from which build, by which options. Written last.

It has no times, hosts or absolute paths, so the same build and options give the same bytes.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec

from instructify import __version__
from instructify._util.errors import UserError
from instructify._util.outside import NotReadableError, decode_json, read_regular
from instructify._util.shards import write_bytes
from instructify.build import Manifest
from instructify.exporting.options import ExportOptions

RECEIPT = "export.json"
FORMAT = 1


class SplitReceipt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One split: `samples` of the build are `written` and what was left out, by reason."""

    role: str
    licence: str
    samples: int
    written: int
    left_out: dict[str, int]
    slot_words_broken: int  # texts with a word that would have been read as a picture slot
    with_pictures: int  # samples that have at least one picture or clip here
    files: list[str]
    not_carried: dict[str, int] = {}  # samples with a value in a column that the shape lacks


class PicturesReceipt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pictures and clips: `written` as often as they lie in the export, `size_bytes` of these."""

    mode: str  # files | embedded | none
    written: int
    size_bytes: int


class Receipt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: int
    instructify: str
    build_sha256: str  # of the build's manifest.json
    options: dict[str, Any]
    datasets: dict[str, dict[str, SplitReceipt]]
    unlicensed: dict[str, str]  # datasets that --only-licences left out
    pictures: PicturesReceipt
    files: dict[str, int]  # size of each file but this one and pictures of their own
    entries: list[str]  # names at the top of the folder

    def same_work(self, build_sha256: str, options: ExportOptions) -> bool:
        """Tell whether an export like this is what these options ask of that build."""
        asked = (FORMAT, __version__, build_sha256, options.told())
        return asked == (self.format, self.instructify, self.build_sha256, self.options)


def build_hash(manifest: Manifest) -> str:
    """Return the sha256 of a build's manifest, which names the hash of all else in it."""
    return hashlib.sha256(manifest.to_bytes()).hexdigest()


def write_receipt(folder: Path, receipt: Receipt) -> None:
    text = json.dumps(msgspec.to_builtins(receipt), indent=1, ensure_ascii=False)
    write_bytes(folder / RECEIPT, (text + "\n").encode())


def read_receipt(path: Path) -> Receipt | None:
    """Read a receipt; None where there is none, UserError where it is not ours to replace."""
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
            f"{path} is not an export's ({error}); choose another --out, or delete that folder."
        ) from error


class _Version(msgspec.Struct):
    format: int
