"""Flickr30K: five captions for each picture; a record is a caption in train, else a picture.

There are three sources: Karpathy's file (all splits), LAVIS's files (one for each split), and the
token file of the release, which has no splits and is read as `all`. The raw id is the number of the
picture; captions of train add `-<ordinal>`, from 0. The sources differ in spaces and HTML entities
within captions, which are kept as they are.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

import msgspec

from instructify._util.errors import UserError
from instructify.readers.base import (
    A_LIST,
    TEXT_LINES,
    Chunk,
    Option,
    RawFile,
    ReadContext,
    Reader,
    RecordRows,
)
from instructify.readers.json_items import read_list
from instructify.readers.text import clean_caption, safe_name
from instructify.readers.text_lines import raw_lines
from instructify.rejects import Reject

_SOURCES = ("karpathy", "lavis")
_SPLITS = ("train", "val", "test")
# The first tab or space ends the name; the caption may contain `#`, tabs and spaces.
_TOKEN_LINE = re.compile(r"(\S+)#(\d{1,3})[\t ](.*)", re.ASCII)


class _Sentence(msgspec.Struct, frozen=True, gc=False):
    raw: str


class _KarpathyImage(msgspec.Struct, frozen=True, gc=False):
    filename: str
    split: str
    sentences: list[_Sentence]


class _LavisRow(msgspec.Struct, frozen=True, gc=False):
    image: str
    caption: str | list[str]


class _Picture(NamedTuple):
    """A picture (or a row of LAVIS's train file) with captions, and its position."""

    position: int
    file_name: str
    captions: list[str]


def _read(context: ReadContext) -> Iterator[Chunk]:
    rows = RecordRows(context)
    source = _source(context)
    file = context.files[source]
    if source == "karpathy":
        pictures = _karpathy(file, context.split, rows)
    elif source == "lavis":
        pictures = _lavis(file, rows)
    else:
        pictures = _tokens(file, rows)
    num_captions: dict[str, int] = {}  # assigned so far, by picture
    for picture in pictures:
        _add(rows, context.split, file, picture, num_captions)
        if rows.full:
            yield rows.take()
    yield rows.take()


def _source(context: ReadContext) -> str:
    """Choose the file: that of the option, else the first that exists."""
    if "tokens" in context.files:
        return "tokens"
    asked = str(context.options["split_source"])
    for source in _SOURCES if asked == "auto" else (asked,):
        if source in context.files:
            return source
    raise UserError(
        f"{context.dataset}: split '{context.split}' has no file for split_source={asked}; "
        f"`instructify catalog {context.dataset}` says which it can have and where to get them."
    )


def _karpathy(file: RawFile, split: str, rows: RecordRows) -> Iterator[_Picture]:
    for items in read_list(file, _KarpathyImage, key="images"):
        rows.extend_rejects(items.rejects)
        for position, item in zip(items.positions, items.items, strict=True):
            if item.split == split:
                yield _Picture(
                    position, item.filename, [sentence.raw for sentence in item.sentences]
                )
            elif item.split not in _SPLITS:
                detail = f"{item.split!a}; allowed: {', '.join(_SPLITS)}"
                rows.reject(file, position, "split", "bad-value", detail)


def _lavis(file: RawFile, rows: RecordRows) -> Iterator[_Picture]:
    for items in read_list(file, _LavisRow):
        rows.extend_rejects(items.rejects)
        for position, item in zip(items.positions, items.items, strict=True):
            captions = [item.caption] if isinstance(item.caption, str) else item.caption
            yield _Picture(position, item.image, captions)


def _tokens(file: RawFile, rows: RecordRows) -> Iterator[_Picture]:
    """Group the lines by picture; they are in order in the release, but not in all copies."""
    pictures: dict[str, _Picture] = {}
    last: str | None = None
    for position, line in raw_lines(file):
        if isinstance(line, Reject):
            rows.extend_rejects([line])
            last = None
            break
        text = line.decode("utf-8", "replace").strip()
        if not text:
            continue
        if not line.endswith(b"\n"):  # the release's own file ends in a newline
            detail = "the file ends within this line: there is no newline behind it"
            rows.reject(file, position, None, "cut-off", detail)
            last = None
            break
        match = _TOKEN_LINE.fullmatch(text)
        if match is None or "\ufffd" in text:
            detail = "not '<picture>#<number><tab><caption>' in UTF-8"
            rows.reject(file, position, None, "bad-value", detail)
            continue
        last = match[1]
        pictures.setdefault(last, _Picture(position, last, [])).captions.append(match[3])
    if not pictures:
        raise UserError(
            f"{file.name} has no line '<picture>#<number><tab><caption>', as the release "
            f"documents it; fetch it again."
        )
    if last is not None:
        _note_cut(file, pictures, last, rows)
    yield from pictures.values()


def _note_cut(file: RawFile, pictures: Mapping[str, _Picture], last: str, rows: RecordRows) -> None:
    """Reject the last picture if only it lacks captions: the file was cut between two lines."""
    picture = pictures[last]
    others = [len(other.captions) for other in pictures.values() if other is not picture]
    if others and len(picture.captions) < min(others):
        detail = (
            f"the file ends behind {len(picture.captions)} captions of {last}; every other "
            f"picture has {min(others)} at least"
        )
        rows.reject(file, picture.position, None, "cut-off", detail)


def _add(
    rows: RecordRows, split: str, file: RawFile, picture: _Picture, num_captions: dict[str, int]
) -> None:
    number = PurePosixPath(picture.file_name).stem
    if not safe_name(picture.file_name) or not number:
        detail = f"{picture.file_name!a} is no file name of the picture folder"
        rows.reject(file, picture.position, "filename", "path-outside-root", detail)
        return
    captions = [text for text in map(clean_caption, picture.captions) if text]
    for _ in range(len(picture.captions) - len(captions)):
        rows.reject(file, picture.position, "caption", "empty-text", "a caption is empty")
    if not captions:
        detail = f"picture {number} has none"
        rows.reject(file, picture.position, "caption", "no-caption", detail)
        return
    if split != "train":
        rows.add(
            number,
            form="caption_set",
            pictures=[f"flickr/{number}"],
            source=file,
            position=picture.position,
            references=captions,
        )
        return
    for caption in captions:
        ordinal = num_captions.get(number, 0)
        num_captions[number] = ordinal + 1
        rows.add(
            f"{number}-{ordinal}",
            form="caption",
            pictures=[f"flickr/{number}"],
            source=file,
            position=picture.position,
            answer=caption,
            references=[caption],
        )


READER = Reader(
    name="flickr30k",
    version=2,
    read=_read,
    options={
        "split_source": Option(
            kind="choice",
            help="which file makes the splits; auto takes the first that is there",
            choices=("auto", *_SOURCES),
        )
    },
    places=("images", A_LIST, TEXT_LINES),
)
