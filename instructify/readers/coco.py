"""COCO Caption: Karpathy's file, the official files, or those of LAVIS.

`split_source=auto` uses Karpathy's splits if his file (or LAVIS's copy of the splits) exists, else
the official files, whose val2014 contains the pictures of Karpathy's test split. `restval` is part
of train. The raw id is the annotation id in training (equal to Karpathy's `sentid`) and the picture
id in evaluation. LAVIS's files have no caption ids; there it is `<picture id>-<number of captions
before it>`.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Annotated

import msgspec

from instructify._util.errors import UserError
from instructify.readers.base import A_LIST, Chunk, Option, RawFile, ReadContext, Reader
from instructify.readers.captions import Caption, caption_chunk, caption_chunks, for_training
from instructify.readers.json_items import read_list
from instructify.readers.text import clean_caption
from instructify.rejects import Reject

Number = Annotated[int, msgspec.Meta(ge=0, lt=10**12)]

_SPLITS = {"train": "train", "restval": "train", "val": "val", "test": "test"}
_FILE_NUMBER = re.compile(r"(?:^|[/_])([0-9]{12})\.jpg$")
_SOURCES = {"karpathy": "karpathy", "lavis": "lavis", "official": "captions"}


class Annotation(msgspec.Struct, gc=False):
    id: Number
    image_id: Number
    caption: str


class Picture(msgspec.Struct, gc=False):
    id: Number


class Sentence(msgspec.Struct, gc=False):
    raw: str
    sentid: Number


class KarpathyPicture(msgspec.Struct, gc=False):
    split: str
    cocoid: Number
    sentences: list[Sentence]


class LavisRow(msgspec.Struct, gc=False):
    image: str
    caption: str | list[str]


def _read(context: ReadContext) -> Iterator[Chunk]:
    source = _source(context)
    file = context.files[_SOURCES[source]]
    if source == "karpathy":
        yield from _read_karpathy(context, file)
    elif source == "lavis":
        yield from _read_lavis(context, file)
    elif for_training(context):
        yield from _read_captions(context, file)
    else:
        yield from _read_caption_sets(context, file)


def _source(context: ReadContext) -> str:
    """Decide which of the existing files gives the splits."""
    wanted = str(context.options["split_source"])
    for source in _SOURCES if wanted == "auto" else [wanted]:
        if _SOURCES[source] in context.files:
            return source
    raise UserError(
        f"{context.dataset} has no file for split '{context.split}' (split_source={wanted}); "
        f"see `instructify catalog {context.dataset}` for the files and where to get them."
    )


def _read_captions(context: ReadContext, file: RawFile) -> Iterator[Chunk]:
    """Read the official file; each annotation is a record."""
    for items in read_list(file, Annotation, key="annotations"):
        rows: list[Caption] = []
        rejects = list(items.rejects)
        for position, annotation in zip(items.positions, items.items, strict=True):
            caption = clean_caption(annotation.caption)
            if caption:
                rows.append(
                    Caption(str(annotation.id), _key(annotation.image_id), [caption], position)
                )
            else:
                rejects.append(_empty(file, position, "caption"))
        yield caption_chunk(context, file, rows, rejects)


def _read_caption_sets(context: ReadContext, file: RawFile) -> Iterator[Chunk]:
    """Read the official file; each picture is a record, in the order of its list of pictures."""
    rejects: list[Reject] = []
    positions = _picture_positions(file, rejects)
    captions: dict[int, list[str]] = {number: [] for number in positions}
    for items in read_list(file, Annotation, key="annotations"):
        rejects += items.rejects
        for position, image in zip(items.positions, items.items, strict=True):
            caption = clean_caption(image.caption)
            if image.image_id not in captions:
                detail = "the list of pictures has no such id"
                rejects.append(Reject(file.name, position, "image_id", "bad-value", detail))
            elif not caption:
                rejects.append(_empty(file, position, "caption"))
            else:
                captions[image.image_id].append(caption)
    rows = []
    for number, position in positions.items():
        if captions[number]:
            rows.append(Caption(str(number), _key(number), captions[number], position))
        else:
            detail = "no caption names this picture"
            rejects.append(Reject(file.name, position, "id", "no-caption", detail))
    yield from caption_chunks(context, file, rows, rejects)


def _picture_positions(file: RawFile, rejects: list[Reject]) -> dict[int, int]:
    """Return the position of each id in the list of pictures."""
    positions: dict[int, int] = {}
    for items in read_list(file, Picture, key="images"):
        rejects += items.rejects
        for position, image in zip(items.positions, items.items, strict=True):
            if positions.setdefault(image.id, position) != position:
                detail = f"picture {image.id} stands in the list before"
                rejects.append(Reject(file.name, position, "id", "duplicate-id", detail))
    return positions


def _read_karpathy(context: ReadContext, file: RawFile) -> Iterator[Chunk]:
    for items in read_list(file, KarpathyPicture, key="images"):
        rows: list[Caption] = []
        rejects = list(items.rejects)
        for position, item in zip(items.positions, items.items, strict=True):
            split = _SPLITS.get(item.split)
            if split is None:
                detail = f"'{item.split[:40]}' is none of {', '.join(_SPLITS)}"
                rejects.append(Reject(file.name, position, "split", "bad-value", detail))
            elif split == context.split:
                rows += _karpathy_rows(context, file, position, item, rejects)
        yield caption_chunk(context, file, rows, rejects)


def _karpathy_rows(
    context: ReadContext,
    file: RawFile,
    position: int,
    picture: KarpathyPicture,
    rejects: list[Reject],
) -> list[Caption]:
    texts = [clean_caption(sentence.raw) for sentence in picture.sentences]
    for index, text in enumerate(texts):
        if not text:
            rejects.append(_empty(file, position, f"sentences[{index}].raw"))
    if not texts:
        detail = "the list of sentences is empty"
        rejects.append(Reject(file.name, position, "sentences", "no-caption", detail))
    key = _key(picture.cocoid)
    if for_training(context):
        return [
            Caption(str(sentence.sentid), key, [text], position)
            for sentence, text in zip(picture.sentences, texts, strict=True)
            if text
        ]
    kept = [text for text in texts if text]
    return [Caption(str(picture.cocoid), key, kept, position)] if kept else []


def _read_lavis(context: ReadContext, file: RawFile) -> Iterator[Chunk]:
    seen: Counter[int] = Counter()
    for items in read_list(file, LavisRow):
        rows: list[Caption] = []
        rejects = list(items.rejects)
        for position, item in zip(items.positions, items.items, strict=True):
            match = _FILE_NUMBER.search(item.image)
            texts = _lavis_captions(file, position, item, rejects)
            if match is None:
                detail = f"'{item.image[:80]}' doesn't end in twelve digits and .jpg"
                rejects.append(Reject(file.name, position, "image", "bad-value", detail))
            elif for_training(context):
                for text in texts:
                    number = int(match[1])
                    rows.append(Caption(f"{number}-{seen[number]}", _key(number), [text], position))
                    seen[number] += 1
            elif texts:
                number = int(match[1])
                rows.append(Caption(str(number), _key(number), texts, position))
        yield caption_chunk(context, file, rows, rejects)


def _lavis_captions(
    file: RawFile, position: int, row: LavisRow, rejects: list[Reject]
) -> list[str]:
    given = [row.caption] if isinstance(row.caption, str) else row.caption
    texts = [clean_caption(text) for text in given]
    for index, text in enumerate(texts):
        if not text:
            name = "caption" if isinstance(row.caption, str) else f"caption[{index}]"
            rejects.append(_empty(file, position, name))
    if not texts:
        detail = "the list of captions is empty"
        rejects.append(Reject(file.name, position, "caption", "no-caption", detail))
    return [text for text in texts if text]


def _key(number: int) -> str:
    return f"coco/{number:012d}"


def _empty(file: RawFile, position: int, field: str) -> Reject:
    return Reject(file.name, position, field, "empty-text", "the caption is empty")


READER = Reader(
    name="coco_caption",
    version=1,
    read=_read,
    options={
        "split_source": Option(
            kind="choice",
            help="whose splits: Karpathy's, the official files', LAVIS's, or the first at hand",
            choices=("auto", "karpathy", "lavis", "official"),
        )
    },
    places=("annotations", "images", A_LIST),
)
