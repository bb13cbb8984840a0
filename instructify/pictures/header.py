"""Judge a picture or clip by its header and its last bytes, without decoding it.

Kind, emptiness, size in pixels and a missing end are judged by the rules of `probe`, so that a
conversion reports the same faults. Damage between the two ends is not detected: only `probe` does
that. A file takes two or three reads, whatever its size.
"""

import struct
from typing import NamedTuple

from instructify.pictures.decode import MAX_PIXELS
from instructify.pictures.probe import END_BYTES, is_cut, other_kind, picture_kind
from instructify.pictures.sources import (
    MAX_CLIP_BYTES,
    MAX_PICTURE_BYTES,
    OpenPart,
    Problem,
    too_many_bytes,
)
from instructify.pictures.video import clip_format

SUFFIXES = {
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "png": (".png",),
    "gif": (".gif",),
    "webp": (".webp",),
    "bmp": (".bmp",),
    "avi": (".avi",),
    "mp4": (".mp4", ".m4v", ".mov"),
    "webm": (".webm",),
    "mkv": (".mkv",),
    "flv": (".flv",),
}
_MOST_SEGMENTS = 256
_MOST_BOXES = 4096
_NO_FRAME = (0xC4, 0xC8, 0xCC)  # of 0xC0 ... 0xCF these JPEG markers begin no frame
_UNKNOWN_RIFF = (0, 0xFFFF_FFFF)  # left by a writer that did not fill in the length at the end


class Header(NamedTuple):
    """A file that is complete as far as its ends show; `cut` says why it seems not to be."""

    kind: str
    cut: str | None = None


def picture_header(part: OpenPart, *, max_pixels: int = MAX_PIXELS) -> Header | Problem:
    """Return the kind of a picture by its first and last bytes, or why it can't be used."""
    size_bytes = part.size_bytes
    if not size_bytes:
        return Problem("picture-empty", "0 bytes")
    if size_bytes > MAX_PICTURE_BYTES:
        return too_many_bytes("the file", size_bytes)
    head = part.read(0, END_BYTES)
    kind = picture_kind(head)
    if kind is None:
        return Problem("not-a-picture", f"the bytes are {other_kind(head)}")
    size = _jpeg_size(part, head) if kind == "jpeg" else _header_size(kind, head)
    if size is not None and size[0] * size[1] > max_pixels:
        return Problem(
            "picture-too-large", f"{size[0]} x {size[1]} pixels, the cap is {max_pixels:,}"
        )
    tail = head if size_bytes <= END_BYTES else part.read(size_bytes - END_BYTES, END_BYTES)
    if is_cut(kind, head, tail, size_bytes):
        return Header(kind, f"the end of a {kind} file is missing")
    return Header(kind)


def clip_header(part: OpenPart) -> Header | Problem:
    """Return the container of a clip, or why it can't be used: one reason is a missing end."""
    if not part.size_bytes:
        return Problem("picture-empty", "0 bytes")
    if part.size_bytes > MAX_CLIP_BYTES:
        return too_many_bytes("the file", part.size_bytes)
    head = part.read(0, END_BYTES)
    container = clip_format(head)
    if container is None:
        return Problem("clip-unreadable", f"the bytes are {other_kind(head)}")
    match container.demuxer:
        case "avi":
            return Header(container.kind, _announced(int.from_bytes(head[4:8], "little"), 8, part))
        case "mov":
            return Header(container.kind, _cut_boxes(part))
        case "matroska":
            return Header(container.kind, _cut_segment(head, part))
        case _:
            return Header(container.kind)


def _header_size(kind: str, head: bytes) -> tuple[int, int] | None:
    """Read width and height from a fixed place; None where the header is too short or odd."""
    try:
        match kind:
            case "png":
                width, height = struct.unpack_from(">II", head, 16)
            case "gif":
                width, height = struct.unpack_from("<HH", head, 6)
            case "bmp":
                width, height = struct.unpack_from("<ii", head, 18)
            case _:
                return _webp_size(head)
    except struct.error:
        return None
    return abs(width), abs(height)


def _webp_size(head: bytes) -> tuple[int, int] | None:
    match head[12:16]:
        case b"VP8X":
            canvas = head[24:30]
            return 1 + int.from_bytes(canvas[:3], "little"), 1 + int.from_bytes(
                canvas[3:], "little"
            )
        case b"VP8L":
            bits = int.from_bytes(head[21:25], "little")
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", head, 26)
            return width & 0x3FFF, height & 0x3FFF
    return None


def _jpeg_size(part: OpenPart, head: bytes) -> tuple[int, int] | None:
    """Walk the segments to the frame header, past metadata of any length."""
    window, start, at = head, 0, 2
    for _ in range(_MOST_SEGMENTS):
        if at + 9 > start + len(window):
            start, window = at, part.read(at, END_BYTES)
            if len(window) < 9:
                return None
        here = at - start
        if window[here] != 0xFF:
            return None
        marker = window[here + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            height, width = struct.unpack_from(">HH", window, here + 5)
            return width, height
        if marker in (0xD9, 0xDA):
            return None
        at += 2 + int.from_bytes(window[here + 2 : here + 4], "big")
    return None


def _announced(size: int, beside: int, part: OpenPart) -> str | None:
    """Compare the length that a header announces with the file's."""
    if size in _UNKNOWN_RIFF or size + beside <= part.size_bytes:
        return None
    return f"the header announces {size + beside:,} bytes, the file has {part.size_bytes:,}"


def _cut_boxes(part: OpenPart) -> str | None:
    """Walk the outer boxes of an MP4: the last ends with the file, one of them is the index."""
    at = 0
    names = set()
    for _ in range(_MOST_BOXES):
        header = part.read(at, 16)
        if len(header) < 8:
            break
        size = int.from_bytes(header[:4], "big")
        names.add(header[4:8])
        if size == 1 and len(header) == 16:
            size = int.from_bytes(header[8:], "big")
        if size == 0:  # to the end of the file
            at = part.size_bytes
            break
        if size < 8:
            return None  # no box: bytes were appended behind the last
        at += size
        if at > part.size_bytes:
            name = header[4:8].decode("latin-1")
            return f"its box {name!a} ends at byte {at:,}, the file has {part.size_bytes:,}"
    complete = at >= part.size_bytes and b"moov" not in names
    return "it has no index (moov)" if complete else None


def _cut_segment(head: bytes, part: OpenPart) -> str | None:
    """Read the length of a Matroska segment, which stands behind the EBML header."""
    header = _element_size(head, 4)
    if header is None:
        return None
    at = header.end + header.size
    if head[at : at + 4] != b"\x18\x53\x80\x67":
        return None
    segment = _element_size(head, at + 4)
    if segment is None or segment.is_unknown:
        return None
    return _announced(segment.size, segment.end, part)


class _ElementSize(NamedTuple):
    """The length of an EBML element, and where the element's content begins."""

    size: int
    end: int
    is_unknown: bool


def _element_size(head: bytes, at: int) -> _ElementSize | None:
    if at >= len(head) or not head[at]:
        return None
    length = 9 - head[at].bit_length()
    if at + length > len(head):
        return None
    mask = (1 << 7 * length) - 1
    size = int.from_bytes(head[at : at + length], "big") & mask
    return _ElementSize(size, at + length, size == mask)
