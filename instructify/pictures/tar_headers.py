"""Read the members of an untrusted tar by their headers.

`tarfile` is not used: before Python 3.11.14 a negative size makes it loop for ever
(CVE-2025-8194), it stops at the first empty block, and it raises many kinds of exceptions for
broken pax headers. Here every number is checked, every header moves forward, and nothing is
expanded. Archives that were concatenated are read to the end of the file. Of links and sparse
files only the header is read. Formats: v7, ustar, GNU (long names, base-256 numbers, sparse), pax.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum
from typing import NamedTuple

from instructify._util.terminal import visible

BLOCK = 512
_EMPTY = bytes(BLOCK)
_MAGIC, _MAGIC_AT = b"ustar", 257
_WINDOW_BYTES = 8_192
_SWEEP_BYTES = 1 << 20
_MAX_PAX_BYTES = 1 << 20
_MAX_NAME_BYTES = 1 << 16
_MAX_SIZE = 1 << 63
_SHOWN_NAME = 100

_OCTAL = re.compile(rb"[0-7]{1,12}")
_DECIMAL = re.compile(rb"[0-9]{1,19}")
_SPARSE_MAP = re.compile(rb"[0-9]{1,19}(,[0-9]{1,19})*")
_WITHOUT_DATA = b"123456V"  # links, devices, folders, pipes; a volume's label
_WITH_NAME_OF_ITS_OWN = ("GNU.sparse.name", "path")


class MemberKind(Enum):
    """The kind of a member, as far as pictures are concerned."""

    FILE = "a regular file"
    HARD_LINK = "a hard link"
    SYMBOLIC_LINK = "a symbolic link"
    SPARSE = "a sparse file"
    FOLDER = "a folder"
    OTHER = "a device, a pipe or a part of another file"


class Member(NamedTuple):
    """One member; its `size_bytes` of data begin at `offset` of the file."""

    name: str
    kind: MemberKind
    offset: int
    size_bytes: int
    target: str  # of a link
    archive: int  # how many archives end before it


class TarDamage(Exception):
    """The tar can't be read further; the message gives the reason."""


class TarWindow:
    """Reads parts of an open file that lie close together by few calls."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.size_bytes = os.fstat(descriptor).st_size
        self._data = b""
        self._at = 0

    def read(self, at: int, size: int) -> bytes:
        """Return `size` bytes at `at`; fewer at the end of the file."""
        start = at - self._at
        if start < 0 or start + size > len(self._data):
            self._data = os.pread(self.descriptor, max(size, _WINDOW_BYTES), at)
            self._at, start = at, 0
        return self._data[start : start + size]

    def skip_zeros(self, at: int) -> int:
        """Return where the next block that is not empty begins; the end if there is none."""
        while at < self.size_bytes:
            try:  # a hole of any size costs one call
                data_at = os.lseek(self.descriptor, at, os.SEEK_DATA)
            except OSError:
                return self.size_bytes
            at = max(at, data_at - data_at % BLOCK)
            data = os.pread(self.descriptor, _SWEEP_BYTES, at)
            rest = data.lstrip(b"\0")
            if rest:
                first = at + len(data) - len(rest)
                return first - first % BLOCK
            if not data:
                return self.size_bytes
            at += len(data)
        return self.size_bytes


class _Header(NamedTuple):
    """A header block, read and checked."""

    name: bytes
    flag: bytes
    size_bytes: int
    target: bytes
    is_extended: bool  # GNU sparse: further blocks of the map follow


class _Extra(NamedTuple):
    """What headers in front of a member say about it."""

    name: bytes | None = None
    target: bytes | None = None
    size_bytes: int | None = None
    is_sparse: bool = False


_NOTHING = _Extra()


def tar_members(window: TarWindow) -> Iterator[Member]:
    """Yield the members in the order of the file.

    Raises:
        TarDamage: The rest can't be read, or the end of the last archive is missing.
    """
    at, archive, extra = 0, 0, _NOTHING
    ended = False  # an empty block was the last that was read
    while at < window.size_bytes:
        block = window.read(at, BLOCK)
        if block == _EMPTY and extra is _NOTHING:
            archive, ended = archive + (not ended), True
            at = window.skip_zeros(at)
            continue
        header = _read_header(block, at)
        data_at, ended = at + BLOCK, False
        if header.flag in b"xgXLK":
            at = _end(window, data_at, header.size_bytes, header.name)
            extra = _read_extra(window, header, data_at, extra)
            continue
        member, at = _member(window, header, data_at, extra, archive)
        extra = _NOTHING
        yield member
    if extra is not _NOTHING:
        raise TarDamage("it ends between a header and its member")
    if not ended:
        raise TarDamage("its end is missing")


def shown_name(name: bytes) -> str:
    """Return a member's name for display, without terminal control characters."""
    return visible(_text(name[:_SHOWN_NAME]))


def holds_header(data: bytes) -> bool:
    """Return whether the data of a member contain another header: its size is too large then."""
    at = data.find(_MAGIC)
    while at >= 0:
        block = data[at - _MAGIC_AT : at - _MAGIC_AT + BLOCK]
        if at % BLOCK == _MAGIC_AT and len(block) == BLOCK:
            with suppress(TarDamage):
                _check_sum(block, at)
                return True
        at = data.find(_MAGIC, at + 1)
    return False


def _member(
    window: TarWindow, header: _Header, data_at: int, extra: _Extra, archive: int
) -> tuple[Member, int]:
    """Put a member together; returns it and where the next header is."""
    name = header.name if extra.name is None else extra.name
    target = header.target if extra.target is None else extra.target
    size = header.size_bytes if extra.size_bytes is None else extra.size_bytes
    kind = _kind(header.flag, name, is_sparse=extra.is_sparse)
    if header.is_extended:
        data_at = _after_sparse_map(window, data_at, name)
    if header.flag in _WITHOUT_DATA:
        size = 0
    end = _end(window, data_at, size, name)
    return Member(_text(name), kind, data_at, size, _text(target), archive), end


def _kind(flag: bytes, name: bytes, *, is_sparse: bool) -> MemberKind:
    if is_sparse or flag == b"S":
        return MemberKind.SPARSE
    if flag == b"5" or (flag in b"0\0" and name.endswith(b"/")):
        return MemberKind.FOLDER
    if flag in b"0\x007":
        return MemberKind.FILE
    return {b"1": MemberKind.HARD_LINK, b"2": MemberKind.SYMBOLIC_LINK}.get(flag, MemberKind.OTHER)


def _end(window: TarWindow, data_at: int, size: int, name: bytes) -> int:
    """Return where the header behind some data begins; refuses data that leave the file."""
    if data_at + size > window.size_bytes:
        raise TarDamage(f"it ends within {shown_name(name)}")
    return data_at + size + -size % BLOCK


def _read_header(block: bytes, at: int) -> _Header:
    if len(block) < BLOCK:
        raise TarDamage(f"it ends within the header at byte {at:,}")
    if at == 0 and block.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")):
        raise TarDamage("it is compressed; unpack it to a plain tar")
    _check_sum(block, at)
    name = _until_nul(block[:100])
    if block[257:263] == b"ustar\0":
        prefix = _until_nul(block[345:500])
        name = prefix + b"/" + name if prefix else name
    flag = block[156:157]
    size = _number(block[124:136], "size", at)
    extended = flag == b"S" and block[482] != 0
    return _Header(name, flag, size, _until_nul(block[157:257]), extended)


def _check_sum(block: bytes, at: int) -> None:
    written = _number(block[148:156], "checksum", at)
    if written != sum(block) - sum(block[148:156]) + 8 * 32 and written != _signed_sum(block):
        raise TarDamage(f"byte {at:,} begins no header")


def _signed_sum(block: bytes) -> int:
    """Sum as some old tars did, whose bytes were signed."""
    rest = block[:148] + b" " * 8 + block[156:]
    return sum(rest) - 256 * sum(byte > 127 for byte in rest)


def _number(field: bytes, what: str, at: int) -> int:
    """Read a number of a header, octal or, as GNU writes large ones, base 256."""
    if field[0] == 0x80:
        value = int.from_bytes(field[1:], "big")
        if value < _MAX_SIZE:
            return value
    text = _until_nul(field).strip(b" ")
    if not text:
        return 0
    if _OCTAL.fullmatch(text):
        return int(text, 8)
    raise TarDamage(f"the {what} in the header at byte {at:,} is no number that a tar may have")


def _until_nul(field: bytes) -> bytes:
    return field[: field.index(0)] if 0 in field else field


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _read_extra(window: TarWindow, header: _Header, data_at: int, extra: _Extra) -> _Extra:
    """Read a header that speaks of the next member, or of all (which may say little)."""
    size = header.size_bytes
    if header.flag in b"LK":
        if size > _MAX_NAME_BYTES:
            raise TarDamage(f"a name has {size:,} bytes")
        name = _until_nul(window.read(data_at, size))
        return extra._replace(name=name) if header.flag == b"L" else extra._replace(target=name)
    if size > _MAX_PAX_BYTES:
        raise TarDamage(f"the header in front of a member has {size:,} bytes")
    records = _pax_records(window.read(data_at, size), header.name)
    if header.flag == b"g":
        if any(key in records for key in ("path", "size", "linkpath", "GNU.sparse.size")):
            raise TarDamage("a header for all members names or measures them")
        return extra
    return _pax_extra(records, header.name, extra)


def _pax_extra(records: dict[str, bytes], name: bytes, extra: _Extra) -> _Extra:
    size = records.get("size")
    if size is not None:
        extra = extra._replace(size_bytes=_decimal(size, name, "size"))
    for key in ("GNU.sparse.size", "GNU.sparse.realsize", "GNU.sparse.major"):
        if key in records:
            _decimal(records[key], name, key)
    sparse_map = records.get("GNU.sparse.map")
    if sparse_map is not None and not _SPARSE_MAP.fullmatch(sparse_map):
        raise TarDamage(f"{shown_name(name)}: GNU.sparse.map is no list of numbers")
    if any(key.startswith("GNU.sparse.") for key in records):
        extra = extra._replace(is_sparse=True)
    for key in reversed(_WITH_NAME_OF_ITS_OWN):
        if key in records:
            extra = extra._replace(name=_until_nul(records[key]))
    if "linkpath" in records:
        extra = extra._replace(target=_until_nul(records["linkpath"]))
    return extra


def _decimal(value: bytes, name: bytes, key: str) -> int:
    if _DECIMAL.fullmatch(value) and int(value) < _MAX_SIZE:
        return int(value)
    raise TarDamage(f"{shown_name(name)}: {key} is no number that a tar may have")


def _pax_records(data: bytes, name: bytes) -> dict[str, bytes]:
    """Read records `LENGTH KEY=VALUE` of which each ends with a line feed."""
    records: dict[str, bytes] = {}
    at = 0
    while at < len(data) and data[at]:
        digits, space, _ = data[at : at + 12].partition(b" ")
        stop = at + int(digits) if space and digits.isdigit() else 0
        key, equals, value = data[at + len(digits) + 1 : stop].partition(b"=")
        if stop > len(data) or not equals or not value.endswith(b"\n"):
            raise TarDamage(f"{shown_name(name)}: its pax header is broken at byte {at:,}")
        records[_text(key)] = value[:-1]
        at = stop
    return records


def _after_sparse_map(window: TarWindow, at: int, name: bytes) -> int:
    """Pass over the blocks in which a GNU sparse map goes on."""
    while True:
        block = window.read(at, BLOCK)
        if len(block) < BLOCK:
            raise TarDamage(f"it ends within {shown_name(name)}")
        at += BLOCK
        if not block[504]:
            return at
