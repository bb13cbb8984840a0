"""Pictures looked at in units: by their two ends, or decoded with `deep`.

What the ends say of a missing end is confirmed by decoding that one file, so that this and a
conversion never disagree about a picture that is reported.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from instructify.pictures.glance import SUFFIXES, Seen, glance_clip, glance_picture
from instructify.pictures.probe import PictureFacts, probe_clip, probe_picture
from instructify.pictures.roots import Location, Roots
from instructify.pictures.sources import (
    MAX_CLIP_BYTES,
    MAX_PICTURE_BYTES,
    Problem,
    SourceReader,
)


class Wanted(NamedTuple):
    """A picture whose file was found."""

    key: str
    is_clip: bool
    place: Location


class Look(NamedTuple):
    """A finding about one picture; `cause` is a name of `causes`."""

    key: str
    cause: str
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LookUnit:
    """Some pictures to look at."""

    roots: Roots
    wanted: Sequence[Wanted]
    deep: bool


def run_look(unit: LookUnit) -> list[Look]:
    """Look at the pictures and return what is to be said of some of them."""
    looks: list[Look] = []
    with SourceReader(unit.roots) as source:
        for one in unit.wanted:
            seen = source.look(one.place, glance_clip if one.is_clip else glance_picture)
            if isinstance(seen, Problem):
                looks.append(_look(one, seen.reason, seen.detail))
                continue
            file = one.place.file
            if not file.endswith(SUFFIXES[seen.kind]) and _suffix_differs(one.place, seen.kind):
                looks.append(_look(one, "suffix-differs", f"the content is {seen.kind}"))
            if seen.cut is not None or unit.deep:
                looks += _decoded(source, one, seen)
    return looks


def _decoded(source: SourceReader, one: Wanted, seen: Seen) -> list[Look]:
    """Decode a picture, or a clip's first frame, as a conversion does."""
    data = source.read(one.place, MAX_CLIP_BYTES if one.is_clip else MAX_PICTURE_BYTES)
    facts = data if isinstance(data, Problem) else _probed(data, one.is_clip)
    if isinstance(facts, Problem):
        detail = facts.detail if seen.cut is None else f"{facts.detail}; {seen.cut}"
        return [_look(one, facts.reason, detail)]
    if seen.cut is None:
        return []
    return [_look(one, "clip-truncated" if one.is_clip else "odd-end", seen.cut)]


def _probed(data: bytes, is_clip: bool) -> PictureFacts | Problem:
    return probe_clip(data) if is_clip else probe_picture(data)


def _suffix_differs(place: Location, kind: str) -> bool:
    """Tell whether a file's name claims another kind; a member of a tar has no name here."""
    if place.offset is not None:
        return False
    _, dot, suffix = place.file.rpartition("/")[2].rpartition(".")
    return bool(dot) and f".{suffix.lower()}" not in SUFFIXES[kind]


def _look(one: Wanted, cause: str, detail: str) -> Look:
    file = one.place.file
    return Look(one.key, cause, detail if detail.startswith(file) else f"{file}: {detail}")
