"""The result of a search for shared pictures and texts in 80 columns: matrices, then pairs.

Twenty-six names do not fit side by side. So held-out sets are rows, and training sets are columns
named by letters; a legend below explains the letters. Sets that share nothing are left out.
"""

import textwrap
from collections.abc import Sequence

from instructify._util.terminal import WIDTH, wrapped
from instructify._util.text_table import shortened_name
from instructify._util.wording import counted
from instructify.overlap import (
    LeakedPair,
    Overlap,
    PartFacts,
    SharedPictures,
    SharedTextCounts,
    waiver_of,
)
from instructify.recipe import Waiver

_NAME = 24
_COLUMNS = 11
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_MOST_LINES = 24


def overlap_text(
    overlap: Overlap,
    leaks: Sequence[LeakedPair],
    waivers: Sequence[Waiver],
    build: str,
    result_file: str,
) -> str:
    """Return the result as text for a terminal."""
    parts = overlap.parts
    leaking = [picture for picture in overlap.pictures if pair_kind(parts, picture) == "leak"]
    checking = [picture for picture in overlap.pictures if pair_kind(parts, picture) == "check"]
    rest = [picture for picture in overlap.pictures if pair_kind(parts, picture) == "rest"]
    blocks = [_head(overlap, build)]
    if leaking:
        blocks.append(_matrix(parts, leaking, "Pictures of evaluated splits that training sees, %"))
        blocks.append(_pairs(overlap, leaking, leaks, waivers))
    else:
        blocks.append("No evaluated split shares a picture with a training split.")
    if checking:
        title = "Pictures of validation splits of held-in sets that training sees, %"
        blocks.append(_matrix(parts, checking, title))
    if rest:
        blocks.append(_rest(parts, rest))
    blocks += [text for text in (_texts(overlap), _gaps(overlap)) if text]
    blocks.append(f"kept in {result_file}")
    return "\n\n".join(blocks)


def pair_kind(parts: Sequence[PartFacts], shared: SharedPictures) -> str:
    """Return "leak", "check" (training sees a validation split of held-in data), or "rest"."""
    left, right = parts[shared.left], parts[shared.right]
    if left.is_trained and right.is_evaluated:
        return "leak"
    is_check = left.is_trained and right.role != "held-out" and not right.is_trained
    return "check" if is_check else "rest"


def part_name(parts: Sequence[PartFacts], number: int) -> str:
    """Return the name of a part; a part of the other build gets a star."""
    return parts[number].name + ("*" if parts[number].build else "")


def _head(overlap: Overlap, build: str) -> str:
    trained = sum(part.is_trained for part in overlap.parts)
    evaluated = sum(part.is_evaluated for part in overlap.parts)
    against = "" if overlap.against_key is None else "; * marks those of the other build"
    total = counted(len(overlap.parts), "split")
    return _wrapped(f"{build}: {total}, {trained} trained on, {evaluated} evaluated{against}.")


def _matrix(parts: Sequence[PartFacts], pairs: Sequence[SharedPictures], title: str) -> str:
    """Lay out a matrix, blank where nothing is shared; columns that do not fit come below."""
    columns = list(dict.fromkeys(pair.left for pair in sorted(pairs, key=lambda pair: pair.left)))
    rows = list(dict.fromkeys(pair.right for pair in pairs))
    cells = {(pair.left, pair.right): share(pair, parts) for pair in pairs}
    letters = {number: _LETTERS[at % len(_LETTERS)] for at, number in enumerate(columns)}
    lines = [title]
    for begin in range(0, len(columns), _COLUMNS):
        shown = columns[begin : begin + _COLUMNS]
        lines.append(" " * _NAME + "".join(f"{letters[number]:>5}" for number in shown))
        for row in rows:
            values = "".join(f"{cells.get((number, row), ''):>5}" for number in shown)
            if values.strip():
                lines.append(f"{_cut(part_name(parts, row)):<{_NAME}}{values}".rstrip())
    legend = ", ".join(f"{letters[n]}\u00a0{part_name(parts, n)}" for n in columns)
    return "\n".join([*lines, _wrapped(legend)]).replace("\u00a0", " ")


def share(shared: SharedPictures, parts: Sequence[PartFacts]) -> str:
    """Format the shared per cent of the right part's pictures in at most four characters."""
    percent = 100 * shared.pictures / max(1, parts[shared.right].pictures)
    if percent >= 99.5:
        return "100" if shared.pictures == parts[shared.right].pictures else ">99"
    if percent < 0.1:
        return "<0.1"
    return f"{percent:.1f}" if percent < 10 else f"{percent:.0f}"


def _pairs(
    overlap: Overlap,
    pairs: Sequence[SharedPictures],
    leaks: Sequence[LeakedPair],
    waivers: Sequence[Waiver],
) -> str:
    """List pairs below their evaluated split, with counts by way of finding and of records."""
    parts = overlap.parts
    of = {(pair.held_in, pair.held_out): pair for pair in leaks}
    lines = [f"{'pictures shared':<34}{'by key':>9}{'by bytes':>10}{'alike':>8}{'records':>10}"]
    row = None
    for shared in pairs:
        left, right = parts[shared.left], parts[shared.right]
        if row != shared.right:
            row = shared.right
            lines.append(
                f"{part_name(parts, row)}: {counted(right.pictures, 'picture')}, "
                f"{counted(right.records, 'record')}"
            )
        alike = f"{shared.likeness:,}" if shared.likeness or shared.compared_by_likeness else "-"
        pair = of.get((left.name, right.name))
        waiver = None if pair is None else waiver_of(pair, waivers)
        line = (
            f"  {_cut(part_name(parts, shared.left), 31):<32}{shared.key:>9,}{shared.content:>10,}"
            f"{alike:>8}{shared.right_records:>10,}"
        )
        lines.append(line + ("" if waiver is None else " waived"))
    used = {w for pair in leaks if (w := waiver_of(pair, waivers)) is not None}
    lines += [_wrapped(f"waived: {waiver_name(w)}: {w.reason}") for w in waivers if w in used]
    return "\n".join(lines)


def waiver_name(waiver: Waiver) -> str:
    return waiver.held_out if waiver.held_in is None else f"{waiver.held_in} / {waiver.held_out}"


def _rest(parts: Sequence[PartFacts], pairs: Sequence[SharedPictures]) -> str:
    """List other pairs, the largest first."""
    ordered = sorted(pairs, key=lambda pair: -pair.pictures)
    lines = [f"{'other pairs that share pictures':<55}{'by key':>9}{'by bytes':>9}"]
    for pair in ordered[:_MOST_LINES]:
        names = (
            f"  {_cut(part_name(parts, pair.left), 25):<26}{_cut(part_name(parts, pair.right), 25)}"
        )
        lines.append(f"{names:<55}{pair.key:>9,}{pair.content:>9,}")
    if len(ordered) > _MOST_LINES:
        lines.append(f"  and {len(ordered) - _MOST_LINES} more; --html and --json list all")
    return "\n".join(lines)


def _texts(overlap: Overlap) -> str:
    """List shared texts: for each evaluated split the three training splits that matter most."""
    if not overlap.texts:
        return "" if overlap.texts is None else "No evaluated split shares a text with training."
    parts = overlap.parts
    lines = [
        f"{'records whose text training has too':<38}{'question':>9}{'rare':>7}"
        f"{'answer':>8}{'rare':>7}{'picture':>10}"
    ]
    for right in dict.fromkeys(text.right for text in sorted(overlap.texts, key=lambda o: o.right)):
        matches = [text for text in overlap.texts if text.right == right]
        lines.append(f"{part_name(parts, right)}: {counted(parts[right].records, 'record')}")
        telling = sorted(
            matches, key=lambda text: (-text.same_picture, -_rare(text.questions, text.answers))
        )
        for text in telling[:3]:
            questions, answers = text.questions, text.answers
            lines.append(
                f"  {_cut(part_name(parts, text.left), 34):<36}{questions.records:>9,}"
                f"{_rare(questions):>7,}{answers.records:>8,}{_rare(answers):>7,}"
                f"{text.same_picture:>10,}"
            )
        if len(telling) > 3:
            lines.append(f"  and {len(telling) - 3} more")
    lines.append(
        _wrapped(
            "rare: not of three words or fewer, and not in ten training records or more. "
            "picture: the question is asked of the same picture. Texts stop no training run."
        )
    )
    return "\n".join(lines)


def _rare(*counts: SharedTextCounts) -> int:
    return sum(count.records - count.common for count in counts)


def _gaps(overlap: Overlap) -> str:
    lines: list[str] = []
    for gap in overlap.not_compared:
        lines += textwrap.wrap(gap, WIDTH, initial_indent="  ", subsequent_indent="    ")
    return "\n".join(["Not compared:", *lines]) if lines else ""


def _cut(name: str, most: int = _NAME - 1) -> str:
    return shortened_name(name, most)


def _wrapped(text: str) -> str:
    return "\n".join(wrapped(text))
