"""The section of one evaluated split on the overlap page: bars, waivers, pairs of pictures.

Pictures lie in the page, small, so that a person sees whether two are the same.
"""

import base64
import io
from collections.abc import Iterator, Sequence
from html import escape

from PIL import Image

from instructify._util.errors import UserError
from instructify._util.wording import counted
from instructify.build import Build
from instructify.commands.overlap_text import part_name, waiver_name
from instructify.overlap import Example, LeakedPair, Overlap, SharedPictures, waiver_of
from instructify.pictures import DECODER_ERRORS, ClipUnreadable, PictureStore, TooManyPixels
from instructify.recipe import Waiver

_SIDE = 220
_MOST_EXAMPLES = 80
_MOST_IN_SECTION = 9
_WAYS = {"key": "by key", "content": "by bytes", "likeness": "alike"}


class ExamplePictures:
    """Small pictures for examples, as many as a page may hold."""

    def __init__(self, builds: Sequence[Build | None]) -> None:
        self._stores = [None if build is None else build.pictures() for build in builds]
        self._left = _MOST_EXAMPLES

    def figure(self, build: int, key: str) -> str:
        """Draw one picture with its key below; without the picture where there is none."""
        store = self._stores[build]
        data = None if store is None or self._left <= 0 else _small(store, key)
        if data is None:
            inside = '<span class="gone">no picture</span>'
        else:
            self._left -= 1
            inside = f'<img alt="" src="data:image/jpeg;base64,{data}">'
        return f"<figure>{inside}<figcaption>{escape(key)}</figcaption></figure>"


def split_section(
    overlap: Overlap,
    right: int,
    pairs: Sequence[SharedPictures],
    waivers: Sequence[Waiver],
    pictures: ExamplePictures,
) -> str:
    """Show an evaluated split: bars of what each training split has of it, and examples."""
    part = overlap.parts[right]
    bars = "\n".join(_bar(overlap, one, waivers) for one in pairs)
    examples = "\n".join(_examples(overlap, pairs, pictures))
    shown = f'<details><summary>Examples</summary><div class="examples">{examples}</div></details>'
    reasons = dict.fromkeys(
        waiver for one in pairs if (waiver := _waiver(overlap, one, waivers)) is not None
    )
    notes = "".join(
        f'<p class="waiver"><b>Waived</b> {escape(waiver_name(waiver))}: '
        f"{escape(waiver.reason)}</p>"
        for waiver in reasons
    )
    return (
        f"<section><h3>{escape(part_name(overlap.parts, right))} <small>"
        f"{counted(part.pictures, 'picture')}, {counted(part.records, 'record')}</small></h3>\n"
        f"{notes}<ul class=bars>\n{bars}\n</ul>"
        f"\n{shown if examples else ''}</section>"
    )


def _waiver(overlap: Overlap, shared: SharedPictures, waivers: Sequence[Waiver]) -> Waiver | None:
    left, right = overlap.parts[shared.left], overlap.parts[shared.right]
    return waiver_of(LeakedPair(left.name, right.name, 0, 0, 0, 0, 0), waivers)


def _bar(overlap: Overlap, shared: SharedPictures, waivers: Sequence[Waiver]) -> str:
    total = max(1, overlap.parts[shared.right].pictures)
    counts = {"key": shared.key, "content": shared.content, "likeness": shared.likeness}
    pieces = "".join(
        f'<i class="{way}" style="width:{100 * count / total:.2f}%"></i>'
        for way, count in counts.items()
        if count
    )
    told = ", ".join(f"{count:,} {_WAYS[way]}" for way, count in counts.items() if count)
    mark = "" if _waiver(overlap, shared, waivers) is None else ' <span class="mark">waived</span>'
    name = escape(part_name(overlap.parts, shared.left)).replace("/", "/<wbr>")
    return (
        f'<li><span class="name">{name}{mark}</span><span class="track">{pieces}</span>'
        f'<span class="told">{told} <span class="soft">in '
        f"{counted(shared.right_records, 'record')}"
        "</span></span></li>"
    )


def _examples(
    overlap: Overlap, pairs: Sequence[SharedPictures], pictures: ExamplePictures
) -> Iterator[str]:
    """Show pairs of pictures, each once with all that have it; by key, one for the whole split."""
    lefts: dict[Example, list[int]] = {}
    for shared in pairs:
        for example in shared.examples:
            lefts.setdefault(example, []).append(shared.left)
    by_key = [example for example in lefts if example.way == "key"]
    others = [example for example in lefts if example.way != "key"]
    for example in [*others[:_MOST_IN_SECTION], *by_key[:1]]:
        yield _example(overlap, example, lefts[example], pairs[0].right, pictures)


def _example(
    overlap: Overlap, example: Example, lefts: Sequence[int], right: int, pictures: ExamplePictures
) -> str:
    parts = overlap.parts
    figures = [pictures.figure(parts[lefts[0]].build, example.left)]
    if example.left != example.right or parts[lefts[0]].build != parts[right].build:
        figures.append(pictures.figure(parts[right].build, example.right))
    more = f" and {len(lefts) - 1} more" if len(lefts) > 1 else ""
    return (
        f'<div class="example"><p><b class="{example.way}">{_WAYS[example.way]}</b> '
        f"{escape(part_name(parts, lefts[0]))}{more}</p>"
        f'<div class="pair">{"".join(figures)}</div></div>'
    )


def _small(store: PictureStore, key: str) -> str | None:
    """Encode a picture, or the middle of a clip, small."""
    try:
        is_clip = store.facts(key).media == "video"
        image = store.frames(key, 1).images[0] if is_clip else store.image(key)
    except (KeyError, UserError, ClipUnreadable, TooManyPixels, *DECODER_ERRORS):
        return None
    image.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    data = io.BytesIO()
    image.save(data, "JPEG", quality=80)
    return base64.b64encode(data.getvalue()).decode()
