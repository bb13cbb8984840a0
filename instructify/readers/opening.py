"""Open raw files for reading; decompress compressed files, and refuse files of other kinds.

Compression is recognised by the bytes of a file, not by its name. Decompression uses bounded
memory, and a file that grows too much is refused.
"""

import bz2
import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import BinaryIO, cast

import pyarrow as pa

from instructify._util.errors import UserError
from instructify._util.file_kinds import HEAD_BYTES, other_kind, zip_names
from instructify.readers.base import RawFile, unreadable

COMPRESSED_SUFFIXES = (".gz", ".zst", ".bz2")
ARCHIVE_SUFFIX = ".zip"  # of a single file, which is read as if it were not compressed
_GZIP, _BZIP2, _ZSTD = b"\x1f\x8b\x08", b"BZh", b"\x28\xb5\x2f\xfd"
_ZIP = b"PK\x03\x04"
_BUFFER_BYTES = 1 << 20
_STEP_BYTES = 1 << 14
# Annotation files grow to about twenty times their compressed size. A file that grows beyond this
# limit is damaged, or made to use up memory and time.
_FREE_BYTES = 256 << 20
_MOST_GROWTH = 250


class Opened:
    """An open raw file; `cut_off` becomes true if its compressed bytes end too early."""

    def __init__(self, handle: BinaryIO, unpacked: "_Unpacked | None" = None) -> None:
        self.handle = handle
        self._unpacked = unpacked

    @property
    def cut_off(self) -> bool:
        return self._unpacked is not None and self._unpacked.cut_off


@contextmanager
def opened(file: RawFile) -> Iterator[Opened]:
    """Open a raw text file in any supported compression.

    Raises UserError if it can't be read or is a file of another kind.
    """
    try:
        plain: BinaryIO = file.path.open("rb")
    except OSError as error:
        raise unreadable(file, error) from error
    with plain:
        try:
            yield from _opened(file, plain)
        except OSError as error:
            raise unreadable(file, error) from error


def _opened(file: RawFile, plain: BinaryIO) -> Iterator[Opened]:
    head = plain.read(HEAD_BYTES)
    plain.seek(0)
    source = _unpacking(plain, head) or _only_member(file, plain, head)
    if source is None:
        _refuse_other_kind(file, head, file.path)
        yield Opened(plain)
        return
    raw = _Unpacked(file, source, file.path.stat().st_size)
    with io.BufferedReader(raw, _BUFFER_BYTES) as handle:
        _refuse_other_kind(file, handle.peek(HEAD_BYTES)[:HEAD_BYTES], None)
        yield Opened(cast("BinaryIO", handle), raw)
        while handle.read(_BUFFER_BYTES):  # up to the checksum at the end
            pass


def is_packed(file: RawFile) -> bool:
    """Return whether a file is compressed or an archive, by its first bytes."""
    with file.path.open("rb") as plain:
        head = plain.read(HEAD_BYTES)
    return head.startswith((_GZIP, _BZIP2, _ZSTD, _ZIP))


def plain_suffix(name: str | Path) -> str:
    """Return the suffix of a file name in lower case, without that of the compression."""
    path = PurePath(name)
    if path.suffix.lower() in (*COMPRESSED_SUFFIXES, ARCHIVE_SUFFIX):
        path = path.with_suffix("")
    return path.suffix.lower()


def _unpacking(plain: BinaryIO, head: bytes) -> "_ReadOnce | None":
    if head.startswith(_GZIP):
        return _ReadOnce(gzip.GzipFile(fileobj=plain))
    if head.startswith(_BZIP2) and head[3:4].isdigit():
        return _ReadOnce(bz2.BZ2File(plain))
    if head.startswith(_ZSTD):
        return _ReadOnce(pa.CompressedInputStream(pa.PythonFile(plain, "r"), "zstd"))
    return None


def _only_member(file: RawFile, plain: BinaryIO, head: bytes) -> "_ReadOnce | None":
    """Open the only file of a zip archive."""
    if file.path.suffix.lower() != ARCHIVE_SUFFIX or not head.startswith(_ZIP):
        return None
    names = zip_names(file.path)
    if len(names) != 1:
        return None
    try:
        return _ReadOnce(zipfile.ZipFile(plain).open(names[0]))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, KeyError) as error:
        raise UserError(f"{file.name} can't be unpacked ({error}); unpack it yourself.") from error


class _ReadOnce:
    """Reads a little at a time, so that little is lost if the compressed bytes end too early."""

    def __init__(
        self, packed: gzip.GzipFile | bz2.BZ2File | pa.CompressedInputStream | zipfile.ZipExtFile
    ) -> None:
        self._packed = packed

    def read(self, size: int = -1, /) -> bytes:
        if isinstance(self._packed, pa.CompressedInputStream):
            return bytes(self._packed.read(min(size, _STEP_BYTES)))
        return self._packed.read1(size)


class _Unpacked(io.RawIOBase):
    """The decompressed bytes of a file; records whether the compressed bytes end too early."""

    def __init__(self, file: RawFile, source: _ReadOnce, packed_bytes: int) -> None:
        super().__init__()
        self.cut_off = False
        self._file = file
        self._source = source
        self._most = max(_FREE_BYTES, _MOST_GROWTH * packed_bytes)
        self._given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, target: memoryview, /) -> int:  # type: ignore[override]
        if self.cut_off:
            return 0
        data = self._read(len(target))
        target[: len(data)] = data
        self._given += len(data)
        if self._given > self._most:
            raise UserError(
                f"{self._file.name} grows to more than {_MOST_GROWTH} times its size when it is "
                f"unpacked, as no annotation file does; fetch it again, or unpack it yourself."
            )
        return len(data)

    def _read(self, size: int) -> bytes:
        try:
            return self._source.read(size)
        except EOFError:
            self.cut_off = True
        except (OSError, zlib.error, zipfile.BadZipFile) as error:
            if "runcated" not in str(error):
                raise UserError(
                    f"{self._file.name} is a compressed file that is damaged ({error}); fetch it "
                    "again."
                ) from error
            self.cut_off = True
        return b""


def _refuse_other_kind(file: RawFile, head: bytes, path: Path | None) -> None:
    kind = other_kind(head, path)
    if kind is not None:
        raise UserError(f"{file.name} is {kind.what}; {kind.advice}.")
