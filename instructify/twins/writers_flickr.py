"""Flickr30K as published: Karpathy's splits and the token file, five captions a picture.

Quirks on purpose: the token file spaces punctuation and holds pictures that Karpathy's file lacks;
captions may hold `#` (as the token file's names do) or an HTML entity in the raw form alone.
"""

from collections.abc import Iterator
from typing import NamedTuple

from instructify.twins.dice import Dice
from instructify.twins.heldout import bare_words, num_evaluated, num_other, spaced
from instructify.twins.jsonfiles import JsonObject, write_text
from instructify.twins.language import captions
from instructify.twins.layout import Album, Photo, TwinRequest
from instructify.twins.truth import Json
from instructify.twins.world import scene

NUM_CAPTIONS = 5
_SPLITS = ("test", "train", "val")


class _Captioned(NamedTuple):
    """A photograph with its captions; `split` None: only in the token file."""

    photo: Photo
    split: str | None
    captions: tuple[str, ...]

    @property
    def file_name(self) -> str:
        return self.photo.file.rpartition("/")[2]


def write_flickr30k(request: TwinRequest) -> None:
    """Write `dataset_flickr30k.json` and `results_20130124.token`."""
    with Album(request) as album:
        for photo in _photos(request):
            album.add(photo.photo)
    with JsonObject(request.folder / "dataset_flickr30k.json") as file:
        file.rows("images", _karpathy_rows(request))
        file.put("dataset", "flickr30k")
    write_text(request.folder / "results_20130124.token", _token_lines(request))


def _photos(request: TwinRequest) -> Iterator[_Captioned]:
    nums = (num_evaluated(request), num_other(request), num_other(request))
    splits = [split for split, num in zip(_SPLITS, nums, strict=True) for _ in range(num)]
    extra: list[str | None] = [None] * (1 + len(splits) // 40)
    order = request.dice("splits").shuffled([*splits, *extra])
    for index, split in enumerate(order):
        number = 36979 + 7919003 * index
        shown = scene(request.seed, "flickr30k", index, held_out=True)
        dice = request.dice("captions", index)
        texts = tuple(_dressed(text, dice) for text in captions(shown, NUM_CAPTIONS, dice))
        photo = Photo(f"flickr/{number}", f"flickr30k/flickr30k-images/{number}.jpg", shown)
        yield _Captioned(photo, split, texts)


def _dressed(caption: str, dice: Dice) -> str:
    """Put a sign that careless readers trip over into a few captions."""
    if dice.chance(0.04):
        return f"Picture #{1 + dice.below(9)}: {caption[0].lower()}{caption[1:]}"
    if dice.chance(0.04):
        return caption.replace(" and ", " &amp; ", 1)
    return caption


def _karpathy_rows(request: TwinRequest) -> Iterator[Json]:
    number = sentence_id = 0
    for photo in _photos(request):
        if photo.split is None:
            continue
        sentences: list[Json] = []
        for nth, raw in enumerate(photo.captions):
            sentences.append(
                {
                    "tokens": bare_words(raw.replace("&amp;", "").replace(":", "")),
                    "raw": raw,
                    "imgid": number,
                    "sentid": sentence_id + nth,
                }
            )
        yield {
            "sentids": list(range(sentence_id, sentence_id + NUM_CAPTIONS)),
            "imgid": number,
            "sentences": sentences,
            "split": photo.split,
            "filename": photo.file_name,
        }
        number += 1
        sentence_id += NUM_CAPTIONS


def _token_lines(request: TwinRequest) -> Iterator[str]:
    for photo in _photos(request):
        for nth, raw in enumerate(photo.captions):
            yield f"{photo.file_name}#{nth}\t{spaced(raw.replace('&amp;', '&'))}\n"
