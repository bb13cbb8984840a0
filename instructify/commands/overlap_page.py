"""The page of a search for shared pictures and texts; the pictures come first."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from instructify._util.wording import counted
from instructify.build import Build
from instructify.commands.overlap_pictures import WAYS, ExamplePictures, PairOfPictures
from instructify.commands.overlap_text import pair_kind, part_name, share, waiver_name
from instructify.overlap import LeakedPair, Overlap, SharedPictures, SharedTextCounts, waiver_of
from instructify.pages import Head, Identity, date_of, find_links, render_page
from instructify.recipe import Waiver

_MOST_QUOTES = 2
_HEAT_STEPS = 10


class Verdict(NamedTuple):
    """One sentence about the whole result, and whether it is good, bad or neither."""

    kind: str
    text: str


class Bar(NamedTuple):
    """The pictures of an evaluated split that a training split has too."""

    name: str
    is_waived: bool
    pieces: tuple[tuple[str, float], ...]
    text: str
    records: str


class Section(NamedTuple):
    """An evaluated split: its pairs of pictures, its bars, and the waivers with their reasons."""

    name: str
    size: str
    waivers: tuple[tuple[str, str], ...]
    pairs: tuple[PairOfPictures, ...]
    bars: tuple[Bar, ...]


class Cell(NamedTuple):
    """A cell of the matrix: per cent of the pictures, its heat in ten steps, and the counts."""

    text: str
    heat: int
    title: str


class Matrix(NamedTuple):
    """Evaluated splits down, training splits across; None where nothing is shared."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, int, tuple[Cell | None, ...]], ...]


class TextRow(NamedTuple):
    """The number of records of an evaluated split whose text is in a training split too."""

    right: str
    left: str
    records: int
    same_picture: int
    questions: SharedTextCounts
    answers: SharedTextCounts
    quotes: tuple[str, ...]

    @property
    def matching(self) -> int:
        """The number of records with a matching text that is not common."""
        return max(_rare(self.questions), _rare(self.answers))


def overlap_page(
    overlap: Overlap,
    leaks: Sequence[LeakedPair],
    waivers: Sequence[Waiver],
    build: Build,
    against: Build | None,
    page: Path,
) -> bytes:
    """Return the page of a result; `page` is the file that it is written to."""
    root = build.paths.root
    name = root.name or str(root)
    identity = Identity(kind="Overlap", name=name, build=name)
    other = None if against is None else against.paths.root.name
    head = Head(
        identity=identity,
        date=date_of(root / "manifest.json"),
        about="" if other is None else f"held against {other}",
        links=find_links(page, identity),
    )
    checks = _of_kind(overlap, "check")
    texts = _texts(overlap)
    values: Mapping[str, Any] = {
        "verdict": _verdict(leaks, waivers),
        "splits": counted(len(overlap.parts), "split"),
        "trained": sum(part.is_trained for part in overlap.parts),
        "evaluated": sum(part.is_evaluated for part in overlap.parts),
        "sections": _sections(overlap, waivers, ExamplePictures([build, against])),
        "leak_matrix": _matrix(overlap, _of_kind(overlap, "leak")),
        "check_matrix": _matrix(overlap, checks),
        "rest": _rest(overlap),
        "texts": [row for row in texts if row.same_picture or row.matching],
        "common_texts": [row for row in texts if not row.same_picture and not row.matching],
        "not_compared": overlap.not_compared,
    }
    return render_page("overlap.html", head, values)


def _verdict(leaks: Sequence[LeakedPair], waivers: Sequence[Waiver]) -> Verdict:
    unwaived = [pair for pair in leaks if waiver_of(pair, waivers) is None]
    waived = len(leaks) - len(unwaived)
    if unwaived:
        names = sorted({pair.held_out for pair in unwaived})
        shown = ", ".join(names[:4]) + (", ..." if names[4:] else "")
        more = f" Waived: {counted(waived, 'pair')} more." if waived else ""
        text = f"Training sees pictures of {shown} ({counted(len(unwaived), 'pair')} of splits)."
        return Verdict("bad", text + more)
    if waived:
        return Verdict(
            "warn", "Every shared picture of an evaluated split is waived by the recipe."
        )
    return Verdict("good", "No evaluated split shares a picture with a training split.")


def _of_kind(overlap: Overlap, kind: str) -> list[SharedPictures]:
    return [picture for picture in overlap.pictures if pair_kind(overlap.parts, picture) == kind]


def _sections(
    overlap: Overlap, waivers: Sequence[Waiver], pictures: ExamplePictures
) -> list[Section]:
    leaks = _of_kind(overlap, "leak")
    sections = []
    for right in dict.fromkeys(leak.right for leak in leaks):
        shared = [leak for leak in leaks if leak.right == right]
        used = [
            waiver for pair in shared if (waiver := _waiver(overlap, pair, waivers)) is not None
        ]
        part = overlap.parts[right]
        sections.append(
            Section(
                name=part_name(overlap.parts, right),
                size=f"{counted(part.pictures, 'picture')}, {counted(part.records, 'record')}",
                waivers=tuple(
                    (waiver_name(waiver), waiver.reason) for waiver in dict.fromkeys(used)
                ),
                pairs=tuple(pictures.pairs(overlap, shared)),
                bars=tuple(_bar(overlap, pair, waivers) for pair in shared),
            )
        )
    return sections


def _waiver(overlap: Overlap, shared: SharedPictures, waivers: Sequence[Waiver]) -> Waiver | None:
    left, right = overlap.parts[shared.left], overlap.parts[shared.right]
    return waiver_of(LeakedPair(left.name, right.name, 0, 0, 0, 0, 0), waivers)


def _bar(overlap: Overlap, shared: SharedPictures, waivers: Sequence[Waiver]) -> Bar:
    total = max(1, overlap.parts[shared.right].pictures)
    counts = _counts(shared)
    return Bar(
        name=part_name(overlap.parts, shared.left),
        is_waived=_waiver(overlap, shared, waivers) is not None,
        pieces=tuple((way, count / total) for way, count in counts.items()),
        text=", ".join(f"{count:,} {WAYS[way]}" for way, count in counts.items() if count),
        records=counted(shared.right_records, "record"),
    )


def _counts(shared: SharedPictures) -> dict[str, int]:
    return {"key": shared.key, "content": shared.content, "likeness": shared.likeness}


def _matrix(overlap: Overlap, pairs: Sequence[SharedPictures]) -> Matrix | None:
    if not pairs:
        return None
    parts = overlap.parts
    columns = sorted({pair.left for pair in pairs})
    cells = {(pair.left, pair.right): _cell(overlap, pair) for pair in pairs}
    return Matrix(
        tuple(part_name(parts, column) for column in columns),
        tuple(
            (
                part_name(parts, row),
                parts[row].pictures,
                tuple(cells.get((column, row)) for column in columns),
            )
            for row in dict.fromkeys(pair.right for pair in pairs)
        ),
    )


def _cell(overlap: Overlap, shared: SharedPictures) -> Cell:
    part = shared.pictures / max(1, overlap.parts[shared.right].pictures)
    title = (
        f"{counted(shared.pictures, 'picture')}: {shared.key:,} by key, "
        f"{shared.content:,} by bytes, {shared.likeness:,} alike; "
        f"{counted(shared.right_records, 'record')}"
    )
    heat = min(_HEAT_STEPS, max(1, round(_HEAT_STEPS * part)))
    return Cell(share(shared, overlap.parts), heat, title)


def _rest(overlap: Overlap) -> list[Mapping[str, Any]]:
    pairs = sorted(_of_kind(overlap, "rest"), key=lambda pair: -pair.pictures)
    return [
        {
            "left": part_name(overlap.parts, pair.left),
            "right": part_name(overlap.parts, pair.right),
            "shared": pair,
            "is_compared": bool(pair.likeness or pair.compared_by_likeness),
        }
        for pair in pairs
    ]


def _texts(overlap: Overlap) -> list[TextRow]:
    """List pairs of splits that share texts, those with the most matching records first."""
    parts = overlap.parts
    rows = [
        TextRow(
            right=part_name(parts, texts.right),
            left=part_name(parts, texts.left),
            records=parts[texts.right].records,
            same_picture=texts.same_picture,
            questions=texts.questions,
            answers=texts.answers,
            quotes=tuple(dict.fromkeys((*texts.questions.examples, *texts.answers.examples)))[
                :_MOST_QUOTES
            ],
        )
        for texts in overlap.texts or ()
    ]
    return sorted(rows, key=lambda row: (-row.same_picture, -row.matching, row.right, row.left))


def _rare(counts: SharedTextCounts) -> int:
    return counts.records - counts.common
