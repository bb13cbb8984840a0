"""Recognise files that are not UTF-8 text by their first bytes, and advise what to do.

A file may have the right name and the wrong content: an archive, an HTML page of a server, a Git
LFS pointer, or text in UTF-16. The error of a decoder would not name the cause.
"""

import re
import zipfile
from pathlib import Path
from typing import NamedTuple

HEAD_BYTES = 4096
_PAGE = re.compile(rb"(?i)<(?:!doctype\s+html|html|head|body|title|!--)")
_NAMES_SHOWN = 3

_FETCH = "fetch it again from where the authors publish it"
_UNPACK = "unpack it and put the file that it holds in its place"


class OtherKind(NamedTuple):
    """A kind of file other than text: its name, and advice."""

    what: str
    advice: str


_MAGIC: tuple[tuple[bytes, OtherKind], ...] = (
    (b"\x1f\x8b\x08", OtherKind("a gzip archive", _UNPACK)),
    (b"BZh91AY&SY", OtherKind("a bzip2 archive", _UNPACK)),
    (b"\x28\xb5\x2f\xfd", OtherKind("a zstd archive", _UNPACK)),
    (b"\xfd7zXZ\0", OtherKind("an xz archive", _UNPACK)),
    (b"7z\xbc\xaf\x27\x1c", OtherKind("a 7z archive", _UNPACK)),
    (b"Rar!\x1a\x07", OtherKind("a RAR archive", _UNPACK)),
    (b"PAR1", OtherKind("a Parquet file", "get the authors' own file, or write it as text")),
    (b"ARROW1", OtherKind("an Arrow file", "get the authors' own file, or write it as text")),
    (b"SQLite format 3\0", OtherKind("an SQLite database", "write its table as text")),
    (b"%PDF-", OtherKind("a PDF document", _FETCH)),
    (b"\x89HDF\r\n\x1a\n", OtherKind("an HDF5 file", "get the authors' own file")),
    (b"\x93NUMPY", OtherKind("a NumPy file", "get the authors' own file")),
    (b"\xff\xd8\xff", OtherKind("a JPEG picture", _FETCH)),
    (b"\x89PNG\r\n\x1a\n", OtherKind("a PNG picture", _FETCH)),
    (b"GIF8", OtherKind("a GIF picture", _FETCH)),
    (
        b"version https://git-lfs.github.com/spec/",
        OtherKind(
            "a Git LFS pointer, not the file itself",
            "run `git lfs pull` in the repository that it comes from",
        ),
    ),
    (b"/annex/objects/", OtherKind("a git-annex pointer, not the file itself", _FETCH)),
    (b"<?xml", OtherKind("an XML document, as servers send with an error", _FETCH)),
)
_UTF16 = "write it as UTF-8, for example with `iconv -f UTF-16 -t UTF-8`"
_UTF32 = "write it as UTF-8, for example with `iconv -f UTF-32 -t UTF-8`"
_PICKLE = re.compile(rb"\x80[\x02-\x05](?:\x95.{8}|[\]}(c)X\x8cq])", re.DOTALL)


def other_kind(head: bytes, path: Path | None = None) -> OtherKind | None:
    """Recognise a file that is not UTF-8 text; None if it may be.

    Args:
        head: the first `HEAD_BYTES` bytes of the file.
        path: the file; needed to list the contents of a zip archive.
    """
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip(path)
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[257:262] == b"ustar":
        return OtherKind("a tar archive", _UNPACK)
    if _PICKLE.match(head):
        return OtherKind("a Python pickle, which is never opened", "get the authors' own file")
    if _PAGE.match(head.removeprefix(b"\xef\xbb\xbf").lstrip()):
        return OtherKind("an HTML page, as servers send in place of a file", _FETCH)
    return _wide_text(head)


def _wide_text(head: bytes) -> OtherKind | None:
    """Recognise UTF-16 and UTF-32 by the byte order mark or by zeros between ASCII characters."""
    if head.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return OtherKind("text in UTF-32", _UTF32)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return OtherKind("text in UTF-16", _UTF16)
    sample = head[:64]
    if len(sample) < 4:
        return None
    even, odd = sample[0::2], sample[1::2]
    if (not any(odd) and all(even)) or (not any(even) and all(odd)):
        return OtherKind("text in UTF-16", _UTF16)
    return None


def _zip(path: Path | None) -> OtherKind:
    names = zip_names(path) if path is not None else []
    shown = ", ".join(name if name.isprintable() else ascii(name) for name in names[:_NAMES_SHOWN])
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return OtherKind(
        f"a zip archive that holds {shown}{more}" if names else "a zip archive", _UNPACK
    )


def zip_names(path: Path, most: int = 200_000) -> list[str]:
    """List the files in a zip archive; empty if it can't be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [
                member.filename for member in archive.infolist()[:most] if not member.is_dir()
            ]
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError, UnicodeDecodeError):
        return []
    return [name for name in members if not name.startswith("__MACOSX/")]
