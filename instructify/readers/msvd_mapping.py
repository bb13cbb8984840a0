"""Read MSVD's mapping from the clip numbers of its questions to the names of its clips.

Lines have the form `<youtube id>_<start>_<end> vid<number>`, and the numbers count from 1 to 1970.
A mapping that counts differently would give every question the clip of another one, so none of it
is used. A number with two clips, or a clip with two numbers, is not used either.
"""

import re
from dataclasses import dataclass, field

from instructify._util.errors import UserError
from instructify.readers.base import RawFile, RecordRows
from instructify.readers.text_lines import raw_lines
from instructify.rejects import Reject

NUM_CLIPS = 1970
_CLIP = re.compile(r"[A-Za-z0-9_-]+_\d+_\d+")
_NUMBER = re.compile(r"vid(\d{1,9})")
# Some lines of the release, to recognise also a part of the mapping that was renumbered.
_RELEASE = {
    "-4wsuPCjDBc_5_15": 1,
    "-7KMZQEsJW4_205_208": 2,
    "QzulzuWr0Zw_20_45": 879,
    "bSrpvMSuhPM_17_31": 1203,
    "jjl2ZMdFCsw_130_142": 1452,
    "rlQ2kW-FvMk_66_79": 1730,
}


@dataclass(kw_only=True, slots=True)
class ClipNames:
    """The names of clips by number; `faults` has the reasons for numbers without a usable clip."""

    file: RawFile
    clips: dict[int, str] = field(default_factory=dict)
    faults: dict[int, str] = field(default_factory=dict)
    miscounted: str | None = None  # why no number of the file can be used

    def lack(self, number: int) -> str | None:
        """Return why there is no clip for a number; None if there is one."""
        if self.miscounted is not None:
            return self.miscounted
        if number in self.faults:
            return self.faults[number]
        return None if number in self.clips else f"no line for vid{number} in {self.file.name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    position: int
    clip: str
    number: int


def read_clip_names(file: RawFile, rows: RecordRows) -> ClipNames:
    """Read a mapping; lines that can't be used become rejects of `rows`.

    Raises UserError if no line has the form of MSVD's mapping.
    """
    lines = _lines(file, rows)
    if not lines:
        raise UserError(
            f"{file.name} has no line '<youtube id>_<start>_<end> vid<number>', as MSVD's mapping "
            f"has; fetch it again."
        )
    names = ClipNames(file=file)
    numbers: dict[str, int] = {}
    for line in lines:
        clip = names.clips.setdefault(line.number, line.clip)
        number = numbers.setdefault(line.clip, line.number)
        if clip != line.clip:
            detail = f"vid{line.number} has two clips"
            names.faults[line.number] = detail
        elif number != line.number:
            detail = f"the clip {line.clip} has two numbers, vid{number} and vid{line.number}"
            names.faults |= {number: detail, line.number: detail}
        else:
            continue
        rows.reject(file, line.position, None, "bad-value", detail)
    miscounted = _miscounted(lines)
    if miscounted is not None:
        line, detail = miscounted
        rows.reject(file, line.position, None, "bad-value", detail)
        names.miscounted = f"{file.name}, line {line.position + 1}: {detail}"
    return names


def _lines(file: RawFile, rows: RecordRows) -> list[_Line]:
    """Read the lines of the right form."""
    lines: list[_Line] = []
    seen: set[int] = set()
    for position, raw in raw_lines(file):
        if isinstance(raw, Reject):
            rows.extend_rejects([raw])
            break
        text = raw.decode("utf-8", "replace")
        if not text.strip():
            continue
        # From the right: the number comes last, and names of clips may contain anything.
        *name, number = text.rsplit(maxsplit=1)
        match = _NUMBER.fullmatch(number)
        good = match is not None and bool(name) and _CLIP.fullmatch(name[0]) is not None
        line = (
            _Line(position=position, clip=name[0], number=int(match[1])) if good and match else None
        )
        if not raw.endswith(b"\n") and (line is None or _is_cut(line, lines, seen)):
            detail = "the file ends within this line"
            rows.reject(file, position, None, "cut-off", detail)
        elif line is None:
            rows.reject(file, position, None, "bad-value", "not '<clip> vid<number>'")
        else:
            lines.append(line)
            seen.add(line.number)
    return lines


def _is_cut(line: _Line, before: list[_Line], seen: set[int]) -> bool:
    """Whether a last line without newline lost digits: its number is smaller or not new."""
    return line.number in seen or (bool(before) and line.number < before[-1].number)


def _miscounted(lines: list[_Line]) -> tuple[_Line, str] | None:
    """Find a line that shows that the numbers are not those of the release."""
    rule = f"MSVD counts its clips from vid1 to vid{NUM_CLIPS}"
    for line in lines:
        if not 1 <= line.number <= NUM_CLIPS:
            return line, f"vid{line.number}, but {rule}: the numbers are not those of the release"
        official = _RELEASE.get(line.clip, line.number)
        if official != line.number:
            return line, f"{line.clip} is vid{line.number} here and vid{official} in the release"
    numbers = sorted({line.number for line in lines})
    if len(numbers) > 2 and numbers == list(range(2, len(numbers) + 2)):
        first = min(lines, key=lambda line: line.number)
        return (
            first,
            f"the numbers begin at vid2 without a gap, but {rule}: they are shifted by one",
        )
    return None
