"""Check pictures in units: by the beginning and end of files, or by decoding with `deep`.

If the end of a file seems to be missing, the file is decoded to confirm it, so a reported picture
is also unusable for a conversion.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from instructify.pictures import (
    MAX_CLIP_BYTES,
    MAX_PICTURE_BYTES,
    SUFFIXES,
    Header,
    Location,
    PictureFacts,
    Problem,
    Roots,
    SourceReader,
    clip_header,
    picture_header,
    probe_clip,
    probe_picture,
)


class Wanted(NamedTuple):
    """A picture whose file was found."""

    key: str
    is_clip: bool
    place: Location


class PictureFinding(NamedTuple):
    """A finding about one picture; `cause` is a name of `causes`."""

    key: str
    cause: str
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureUnit:
    """Some pictures to check."""

    roots: Roots
    wanted: Sequence[Wanted]
    deep: bool


def run_picture_unit(unit: PictureUnit) -> list[PictureFinding]:
    """Check the pictures of a unit and return findings."""
    findings: list[PictureFinding] = []
    with SourceReader(unit.roots) as source:
        for picture in unit.wanted:
            seen = source.check(picture.place, clip_header if picture.is_clip else picture_header)
            if isinstance(seen, Problem):
                findings.append(_finding(picture, seen.reason, seen.detail))
                continue
            file = picture.place.file
            if not file.endswith(SUFFIXES[seen.kind]) and _suffix_differs(picture.place, seen.kind):
                findings.append(_finding(picture, "suffix-differs", f"the content is {seen.kind}"))
            if seen.cut is not None or unit.deep:
                findings += _decoded(source, picture, seen)
    return findings


def _decoded(source: SourceReader, picture: Wanted, seen: Header) -> list[PictureFinding]:
    """Decode a picture, or a clip's first frame, as a conversion does."""
    data = source.read(picture.place, MAX_CLIP_BYTES if picture.is_clip else MAX_PICTURE_BYTES)
    facts = data if isinstance(data, Problem) else _probed(data, picture.is_clip)
    if isinstance(facts, Problem):
        detail = facts.detail if seen.cut is None else f"{facts.detail}; {seen.cut}"
        return [_finding(picture, facts.reason, detail)]
    if seen.cut is None:
        return []
    return [_finding(picture, "clip-truncated" if picture.is_clip else "odd-end", seen.cut)]


def _probed(data: bytes, is_clip: bool) -> PictureFacts | Problem:
    return probe_clip(data) if is_clip else probe_picture(data)


def _suffix_differs(place: Location, kind: str) -> bool:
    """Whether the suffix of a file names another kind; members of tars have no name here."""
    if place.offset is not None:
        return False
    _, dot, suffix = place.file.rpartition("/")[2].rpartition(".")
    return bool(dot) and f".{suffix.lower()}" not in SUFFIXES[kind]


def _finding(picture: Wanted, cause: str, detail: str) -> PictureFinding:
    file = picture.place.file
    where = "" if detail.startswith(file) else f"{file}: "
    return PictureFinding(picture.key, cause, f"{where}{detail}")
