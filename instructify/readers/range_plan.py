"""Split large raw files into ranges that are read separately.

In JSON a cut is a guess (`json_cuts`). Between two lines, and between two rows of Parquet, a cut is
certain.
"""

import mmap
import stat
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import pyarrow as pa

from instructify.readers.base import JSON_LINES, PARQUET_ROWS, WHOLE_FILE, Ranges, RawFile
from instructify.readers.json_cuts import comma_before, json_cuts
from instructify.readers.parquet_spans import parquet_cuts

RANGE_BYTES = 64 << 20
_WORTH_CUTTING = 0.25  # of a range; a smaller file is read by one process
_TOGETHER = 4  # ranges come in fours, so that two or four processes finish together

Bytes = tuple[int, int]  # the first byte that is read, and the first that is not
Cut = Mapping[str, Bytes]  # the bytes that are read of some files, by role


def plan_ranges(
    files: Mapping[str, RawFile], ranges: Ranges, range_bytes: int = RANGE_BYTES
) -> list[Cut]:
    """Split the files of a split into ranges, in the order in which they are read.

    A range gives the part of one file, of each joined file, or several small files. The list is
    empty if there is only one range, or if a file can't be split.
    """
    roles = [role for role in ranges.places if role in files]
    if not roles or len(roles) < len(files):
        return []
    if not ranges.takes_whole_files and not all(_is_plain(files[role]) for role in roles):
        return []
    try:
        if ranges.joined_by is not None and len(roles) > 1:
            cuts = _joined(files, ranges, roles, range_bytes)
        else:
            cuts = _one_by_one(files, ranges, roles, range_bytes)
    except (OSError, pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return []  # one reader says what is wrong
    return cuts if len(cuts) > 1 else []


def _one_by_one(
    files: Mapping[str, RawFile], ranges: Ranges, roles: Sequence[str], range_bytes: int
) -> list[Cut]:
    """List the ranges of files; small files in a row are one range."""
    most = _WORTH_CUTTING * range_bytes if ranges.takes_whole_files else 0
    cuts: list[Cut] = []
    group: dict[str, Bytes] = {}
    for role in roles:
        spans = _spans_of(files[role], ranges.places[role], range_bytes)
        size = sum(stop for _, stop in group.values())
        if group and (len(spans) > 1 or size + spans[0][1] > most):
            cuts.append(group)
            group = {}
        if len(spans) > 1:
            cuts += [{role: span} for span in spans]
        else:
            group[role] = spans[0]
    return [*cuts, group] if group else cuts


def _joined(
    files: Mapping[str, RawFile], ranges: Ranges, roles: Sequence[str], range_bytes: int
) -> list[Cut]:
    """Split files with the same items in the same order, all at the same items."""
    field = ranges.joined_by or ""
    largest = max(roles, key=lambda role: files[role].path.stat().st_size)
    with _mapped(files[largest].path) as data:
        targets = _targets(len(data), range_bytes)
        cuts = list(json_cuts(data, ranges.places[largest], targets))
        places = {largest: [0, *(cut.comma for cut in cuts), len(data)]}
    for role in roles:
        if role == largest:
            continue
        with _mapped(files[role].path) as data:
            commas = [0]
            for cut in cuts:
                share = cut.comma / places[largest][-1]
                comma = comma_before(data, field, cut.fields.get(field), share)
                if comma is None or comma <= commas[-1]:
                    return []
                commas.append(comma)
            places[role] = [*commas, len(data)]
    spans = {role: _spans(commas) for role, commas in places.items()}
    return [{role: spans[role][at] for role in roles} for at in range(len(cuts) + 1)]


def _is_plain(file: RawFile) -> bool:
    """Whether a file is JSON text that is not compressed, by its first byte."""
    try:
        if not stat.S_ISREG(file.path.stat().st_mode):
            return False
        with file.path.open("rb") as handle:
            head = handle.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
    except OSError:
        return False
    return head[:1] in (b"[", b"{")


def _spans_of(file: RawFile, place: str, range_bytes: int) -> list[Bytes]:
    """List the ranges of a file."""
    size = file.path.stat().st_size
    targets = _targets(size, range_bytes)
    if place == WHOLE_FILE or not targets:
        return [(0, size)]
    if place == PARQUET_ROWS:
        return _between(parquet_cuts(file.path, targets, targets[0] // 2), size)
    if place != JSON_LINES and not _is_plain(file):
        return [(0, size)]
    with _mapped(file.path) as data:
        if place == JSON_LINES:
            return _between((data.find(b"\n", target) + 1 for target in targets), size)
        return _spans([0, *(cut.comma for cut in json_cuts(data, place, targets)), size])


def _targets(size: int, range_bytes: int) -> list[int]:
    """List the places that split a file into ranges of equal length, at most `range_bytes`.

    A file that is much shorter than one range has none.
    """
    if size < _WORTH_CUTTING * range_bytes:
        return []
    num_ranges = -(-size // range_bytes // _TOGETHER) * _TOGETHER
    return [size * number // num_ranges for number in range(1, num_ranges)]


def _between(starts: Iterable[int], size: int) -> list[Bytes]:
    """Make ranges of the places where they begin."""
    places = [0, *sorted({start for start in starts if 0 < start < size}), size]
    return list(pairwise(places))


def _spans(places: Sequence[int]) -> list[Bytes]:
    """Make ranges of cuts; the comma of a cut belongs to no range."""
    starts = [place + 1 if place else 0 for place in places[:-1]]
    return list(zip(starts, places[1:], strict=True))


def _mapped(path: Path) -> mmap.mmap:
    with path.open("rb") as handle:
        return mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
