"""A search for shared pictures and texts as one HTML file: no script, no request, every text
escaped.
"""

from collections.abc import Sequence
from html import escape

from instructify._util.wording import counted
from instructify.build import Build
from instructify.commands.overlap_section import ExamplePictures, split_section
from instructify.commands.overlap_style import STYLE
from instructify.commands.overlap_text import pair_kind, part_name, share
from instructify.overlap import LeakedPair, Overlap, SharedPictures, SharedTextCounts, waiver_of
from instructify.recipe import Waiver


def overlap_page(
    overlap: Overlap,
    leaks: Sequence[LeakedPair],
    waivers: Sequence[Waiver],
    build: Build,
    against: Build | None,
) -> str:
    """Write the page of a result."""
    name = escape(build.paths.root.name or str(build.paths.root))
    pictures = ExamplePictures([build, against])
    body = [
        f"<h1>Overlap of <em>{name}</em></h1>",
        _verdict(leaks, waivers),
        _facts(overlap, against),
        _leaks(overlap, waivers, pictures),
        _checks(overlap),
        _rest(overlap),
        _texts(overlap),
        _gaps(overlap),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Overlap: {name}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body>\n</html>\n"
    )


def _verdict(leaks: Sequence[LeakedPair], waivers: Sequence[Waiver]) -> str:
    open_ones = [pair for pair in leaks if waiver_of(pair, waivers) is None]
    waived = len(leaks) - len(open_ones)
    if open_ones:
        names = sorted({pair.held_out for pair in open_ones})
        shown = ", ".join(escape(name) for name in names[:4]) + (", ..." if names[4:] else "")
        text = f"Training sees pictures of {shown} ({counted(len(open_ones), 'pair')} of splits)."
        kind = "bad"
    elif waived:
        text, kind = "Every shared picture of an evaluated split is waived by the recipe.", "fair"
    else:
        text, kind = "No evaluated split shares a picture with a training split.", "good"
    more = f" Waived: {counted(waived, 'pair')} more." if waived and open_ones else ""
    return f'<p class="verdict {kind}">{text}{more}</p>'


def _facts(overlap: Overlap, against: Build | None) -> str:
    other = "" if against is None else f", held against <em>{escape(against.paths.root.name)}</em>"
    trained = sum(part.is_trained for part in overlap.parts)
    evaluated = sum(part.is_evaluated for part in overlap.parts)
    splits = counted(len(overlap.parts), "split")
    return (
        f'<p class="soft">{splits}, {trained} trained on, {evaluated} '
        f"evaluated{other}. A picture is found by its "
        '<b class="key">key</b>, else by its <b class="content">bytes</b>, else because it looks '
        'so <b class="likeness">alike</b> that cutting, scaling and re-encoding explain the rest.'
        "</p>"
    )


def _of_kind(overlap: Overlap, kind: str) -> list[SharedPictures]:
    return [one for one in overlap.pictures if pair_kind(overlap.parts, one) == kind]


def _matrix(overlap: Overlap, pairs: Sequence[SharedPictures]) -> str:
    """Draw a heat map: evaluated splits down, training splits across."""
    parts = overlap.parts
    columns = sorted({one.left for one in pairs})
    rows = list(dict.fromkeys(one.right for one in pairs))
    cells = {(one.left, one.right): one for one in pairs}
    head = "".join(
        f'<th scope="col"><span>{escape(part_name(parts, n))}</span></th>' for n in columns
    )
    lines = []
    for row in rows:
        name = escape(part_name(parts, row)).replace("/", "/<wbr>")
        values = "".join(_cell(overlap, cells.get((column, row))) for column in columns)
        lines.append(
            f'<tr><th scope="row">{name}<small>{parts[row].pictures:,}</small></th>{values}</tr>'
        )
    body = "\n".join(lines)
    return (
        f'<div class="wide"><table class="matrix"><thead><tr><th>per cent of the pictures of'
        f"</th>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
    )


def _cell(overlap: Overlap, shared: SharedPictures | None) -> str:
    if shared is None:
        return "<td></td>"
    percent = 100 * shared.pictures / max(1, overlap.parts[shared.right].pictures)
    strength = 12 + 0.68 * percent
    told = (
        f"{counted(shared.pictures, 'picture')}: {shared.key:,} by key, "
        f"{shared.content:,} by bytes, {shared.likeness:,} alike; "
        f"{counted(shared.right_records, 'record')}"
    )
    return (
        f'<td class="heat" style="--heat:{strength:.0f}%" title="{told}">'
        f"{escape(share(shared, overlap.parts))}</td>"
    )


def _leaks(overlap: Overlap, waivers: Sequence[Waiver], pictures: ExamplePictures) -> str:
    pairs = _of_kind(overlap, "leak")
    if not pairs:
        return ""
    sections = []
    for right in dict.fromkeys(one.right for one in pairs):
        own = [one for one in pairs if one.right == right]
        sections.append(split_section(overlap, right, own, waivers, pictures))
    title = "<h2>Evaluated pictures that training sees</h2>"
    return "\n".join([title, _matrix(overlap, pairs), *sections])


def _checks(overlap: Overlap) -> str:
    pairs = _of_kind(overlap, "check")
    if not pairs:
        return ""
    return (
        "<h2>Validation pictures that training sees</h2>\n"
        '<p class="soft">Validation splits of held-in datasets: a validation loss on these is '
        f"too good.</p>\n{_matrix(overlap, pairs)}"
    )


def _rest(overlap: Overlap) -> str:
    pairs = sorted(_of_kind(overlap, "rest"), key=lambda one: -one.pictures)
    if not pairs:
        return ""
    rows = "\n".join(_rest_row(overlap, one) for one in pairs)
    return (
        f"<details class=rest><summary>Pictures shared by "
        f"{counted(len(pairs), 'other pair')}</summary>\n"
        '<div class="wide"><table class="list"><thead><tr><th>split</th><th>split</th>'
        "<th>by key</th><th>by bytes</th><th>alike</th></tr></thead>\n<tbody>\n"
        f"{rows}\n</tbody></table></div></details>"
    )


def _rest_row(overlap: Overlap, shared: SharedPictures) -> str:
    names = "".join(
        f"<td>{escape(part_name(overlap.parts, number))}</td>"
        for number in (shared.left, shared.right)
    )
    looked = shared.likeness or shared.compared_by_likeness
    alike = f"{shared.likeness:,}" if looked else "&ndash;"
    return f"<tr>{names}<td>{shared.key:,}</td><td>{shared.content:,}</td><td>{alike}</td></tr>"


def _texts(overlap: Overlap) -> str:
    if not overlap.texts:
        return ""
    blocks = [
        "<h2>Texts that training has too</h2>",
        '<p class="soft">Records of evaluated splits. Rare: not of three words or fewer, and not '
        "in ten training records or more. Texts stop no training run.</p>",
    ]
    parts = overlap.parts
    for right in sorted({one.right for one in overlap.texts}):
        own = [one for one in overlap.texts if one.right == right]
        own.sort(key=lambda one: (-one.same_picture, -_rare(one.questions) - _rare(one.answers)))
        rows = "\n".join(
            f"<tr><td>{escape(part_name(parts, one.left))}</td><td>{one.questions.records:,}</td>"
            f"<td>{_rare(one.questions):,}</td><td>{one.answers.records:,}</td>"
            f"<td>{_rare(one.answers):,}</td><td>{one.same_picture:,}</td></tr>"
            for one in own
        )
        told = dict.fromkeys(
            text for one in own for text in (*one.questions.examples, *one.answers.examples)
        )
        examples = "".join(f"<q>{escape(text)}</q> " for text in list(told)[:6])
        blocks.append(
            f"<details><summary>{escape(part_name(parts, right))} <small>"
            f"{counted(parts[right].records, 'record')}</small></summary>\n"
            '<div class="wide"><table class="list"><thead><tr><th>training split</th>'
            "<th>questions</th><th>rare</th><th>answers</th><th>rare</th><th>same question<br>"
            f"and picture</th></tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>\n"
            f'<p class="quotes">{examples}</p></details>'
        )
    return "\n".join(blocks)


def _rare(counts: SharedTextCounts) -> int:
    return counts.records - counts.common


def _gaps(overlap: Overlap) -> str:
    if not overlap.not_compared:
        return ""
    items = "\n".join(f"<li>{escape(gap)}</li>" for gap in overlap.not_compared)
    return f"<h2>Not compared</h2>\n<ul>\n{items}\n</ul>"
