"""Decode a picture or clip and return its facts, or the reason not to use it.

Every picture is decoded once, large JPEGs at a fraction of their size, so that a truncated or
damaged file is reported here and not in the middle of a training run. The suffix of a file is
ignored: `kind` follows from the bytes. Damage that a JPEG decoder repairs silently is not
detected.
"""

import hashlib
import warnings
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

from instructify.pictures.decode import (
    DECODER_ERRORS,
    MAX_PIXELS,
    TooManyPixels,
    flatten,
    open_picture,
)
from instructify.pictures.perceptual import perceptual_hash
from instructify.pictures.sources import Problem
from instructify.pictures.video import ClipUnreadable, clip_format, first_frame_size

_KINDS = {
    b"\xff\xd8\xff": "jpeg",
    b"\x89PNG\r\n\x1a\n": "png",
    b"GIF87a": "gif",
    b"GIF89a": "gif",
    b"BM": "bmp",
}
_OTHERS = {
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip file",
    b"II*\x00": "a TIFF",
    b"MM\x00*": "a TIFF",
    b"8BPS": "a Photoshop file",
    b"\x00\x00\x01\x00": "an icon",
    b"version https://git-lfs": "a Git LFS pointer",
}
DRAFT_SIZE = (128, 128)  # a JPEG is decoded at 1/2, 1/4 or 1/8, at least as large as this
_DETAIL_CHARS = 200
END_BYTES = 1024  # of either end of a file, enough to tell whether it is whole


class PictureFacts(NamedTuple):
    """The facts of a content in the index; `phash` is None for clips."""

    sha256: str
    phash: int | None
    width: int
    height: int
    kind: str
    size_bytes: int


def probe_picture(data: bytes, *, max_pixels: int = MAX_PIXELS) -> PictureFacts | Problem:
    """Decode a picture and return its facts, or why it is not used."""
    if not data:
        return Problem("picture-empty", "0 bytes")
    kind = picture_kind(data)
    if kind is None:
        return Problem("not-a-picture", f"the bytes are {other_kind(data)}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            picture = open_picture(data, max_pixels=max_pixels)
            width, height = picture.size
            picture.draft("L", DRAFT_SIZE)
            phash = perceptual_hash(flatten(picture, "L"))
        except TooManyPixels as error:
            return Problem("picture-too-large", str(error))
        except DECODER_ERRORS as error:
            return _damage(kind, data, error)
    sha256 = hashlib.sha256(data).hexdigest()
    return PictureFacts(sha256, phash, width, height, kind, len(data))


def probe_clip(data: bytes) -> PictureFacts | Problem:
    """Decode one frame of a clip and return its facts, or why it is not used."""
    if not data:
        return Problem("picture-empty", "0 bytes")
    container = clip_format(data)
    if container is None:
        return Problem("clip-unreadable", f"the bytes are {other_kind(data)}")
    try:
        size = first_frame_size(data)
    except ClipUnreadable as error:
        return Problem("clip-unreadable", str(error))
    sha256 = hashlib.sha256(data).hexdigest()
    return PictureFacts(sha256, None, size.width, size.height, container.kind, len(data))


def picture_kind(data: bytes) -> str | None:
    """Return the kind of picture by its first bytes; None if the kind is not supported."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return next((kind for magic, kind in _KINDS.items() if data.startswith(magic)), None)


def _damage(kind: str, data: bytes, error: Exception) -> Problem:
    if isinstance(error, UnidentifiedImageError):
        detail = f"the header of this {kind} can't be read"
    else:
        detail = f"{kind}: {str(error)[:_DETAIL_CHARS] or type(error).__name__}"
    cut = is_cut(kind, data[:END_BYTES], data[-END_BYTES:], len(data))
    return Problem("picture-truncated" if cut else "picture-unreadable", detail)


def is_cut(kind: str, head: bytes, tail: bytes, size_bytes: int) -> bool:
    """Return whether the end is missing, judged by the first and last `END_BYTES`."""
    match kind:
        case "jpeg":
            return b"\xff\xd9" not in tail
        case "png":
            return b"IEND" not in tail
        case "gif":
            # The last block's own end and the file's; padding may follow (GIF89a, sections 16, 27).
            return not tail.rstrip(b"\0").endswith(b"\0;")
        case "webp":
            return size_bytes < int.from_bytes(head[4:8], "little") + 8
        case _:
            return size_bytes < int.from_bytes(head[2:6], "little")


def other_kind(data: bytes) -> str:
    """Name what the bytes are instead, as far as their beginning shows."""
    head = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<!doctype html", b"<html", b"<head")):
        return "an HTML page"
    if head.startswith(b"<svg") or (head.startswith(b"<?xml") and b"<svg" in head):
        return "an SVG"
    if data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"mif1", b"avif"):
        return "a HEIC or AVIF picture"
    if picture_kind(data) is not None:
        return f"a {picture_kind(data)} picture"
    if clip_format(data) is not None:
        return "a video clip"
    for magic, name in _OTHERS.items():
        if data.startswith(magic):
            return name
    if head.startswith((b"{", b"[", b"<?xml")):
        return "JSON or XML"
    return "text" if _looks_like_text(head) else "of no kind that we know"


def _looks_like_text(head: bytes) -> bool:
    return bool(head) and all(byte >= 32 or byte in b"\t\r\n" for byte in head)
