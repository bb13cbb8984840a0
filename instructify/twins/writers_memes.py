"""Hateful Memes as published: JSON lines with the overlaid text, one file a split.

The label is a harmless stand-in: 1 where the text contradicts the picture. Quirks on purpose: ids
are numbers and lose the zeros that `img` keeps, test files have no label, dev_unseen shares memes
with dev_seen.
"""

from collections.abc import Iterator, Sequence

from instructify.twins.heldout import num_evaluated, num_other
from instructify.twins.jsonfiles import write_lines
from instructify.twins.layout import Album, Photo, TwinRequest
from instructify.twins.statements import meme
from instructify.twins.truth import Json

_STEP, _START, _IDS = 7919, 1234, 100_000
_SIZE = 96  # the text must be legible


def write_hateful_memes(request: TwinRequest) -> None:
    """Write the five files of phase 2 and the pictures in `img`."""
    seen = range(num_evaluated(request))
    other = num_other(request)
    after = len(seen)
    splits: dict[str, Sequence[int]] = {
        "dev_seen": seen,
        "dev_unseen": [*seen[::3], *range(after, after + other)],
        "train": range(after + other, after + 2 * other),
        "test_seen": range(after + 2 * other, after + 3 * other),
        "test_unseen": range(after + 3 * other, after + 4 * other),
    }
    with Album(request) as album:
        for split, indices in splits.items():
            labelled = not split.startswith("test")
            rows = _rows(request, album, indices, labelled)
            write_lines(request.folder / f"{split}.jsonl", rows)


def _rows(
    request: TwinRequest, album: Album, indices: Sequence[int], labelled: bool
) -> Iterator[Json]:
    for index in indices:
        shown = meme(request.seed, index)
        # The step and the number of ids share no factor, so no id recurs.
        round_, place = divmod(index, _IDS)
        number = round_ * _IDS + (place * _STEP + _START) % _IDS
        img = f"img/{number:05d}.png"
        album.add(Photo(f"hateful_memes/{img}", f"hateful_memes/{img}", shown.scene), _SIZE)
        row: dict[str, Json] = {"id": number, "img": img}
        if labelled:
            row["label"] = shown.label
        yield {**row, "text": shown.text}
