"""NoCaps: each picture is a record with its ten captions as references, for evaluation.

The raw id is the id of the picture in the file, counted from 0. The picture is named by its Open
Images id. The authors did not publish the captions of test, so its records have no references.
`subset` is the domain (in, near, out) if the file has it; the official file may lack it.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated

import msgspec

from instructify.readers.base import Chunk, RawFile, ReadContext, Reader, RecordRows
from instructify.readers.json_items import read_list
from instructify.readers.text import clean_caption, safe_name

_Id = Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)]


class _Image(msgspec.Struct, frozen=True, gc=False):
    id: _Id
    file_name: str
    open_images_id: str | None = None
    domain: str | None = None


class _Caption(msgspec.Struct, frozen=True, gc=False):
    image_id: _Id
    caption: str


class _Captions:
    """The captions of one picture, and the position of the first."""

    __slots__ = ("position", "texts")

    def __init__(self, position: int) -> None:
        self.position = position
        self.texts: list[str] = []


def _read(context: ReadContext) -> Iterator[Chunk]:
    rows = RecordRows(context)
    file = context.files["captions"]
    labelled = context.split != "test"
    captions = _read_captions(file, rows) if labelled else {}
    listed: set[int] = set()
    for items in read_list(file, _Image, key="images"):
        rows.extend_rejects(items.rejects)
        for position, item in zip(items.positions, items.items, strict=True):
            picture_captions = captions.get(item.id)
            listed.add(item.id)
            if labelled and (picture_captions is None or not picture_captions.texts):
                rows.reject(file, position, "id", "no-caption", f"picture {item.id} has none")
            else:
                _add(
                    rows,
                    file,
                    position,
                    item,
                    None if picture_captions is None else picture_captions.texts,
                )
            if rows.full:
                yield rows.take()
    for image_id, picture_captions in captions.items():
        if image_id not in listed:
            detail = f"captions of picture {image_id}, which the file does not list"
            rows.reject(
                file, picture_captions.position, "annotations.image_id", "bad-value", detail
            )
    yield rows.take()


def _read_captions(file: RawFile, rows: RecordRows) -> dict[int, _Captions]:
    """Group the captions by picture, in the order of the file."""
    captions: dict[int, _Captions] = {}
    for items in read_list(file, _Caption, key="annotations"):
        rows.extend_rejects(
            [reject._replace(field=f"annotations.{reject.field or ''}") for reject in items.rejects]
        )
        for position, item in zip(items.positions, items.items, strict=True):
            text = clean_caption(item.caption)
            picture_captions = captions.setdefault(item.image_id, _Captions(position))
            if text:
                picture_captions.texts.append(text)
            else:
                rows.reject(
                    file, position, "annotations.caption", "empty-text", "the caption is empty"
                )
    return captions


def _add(
    rows: RecordRows, file: RawFile, position: int, item: _Image, captions: list[str] | None
) -> None:
    name = item.open_images_id or PurePosixPath(item.file_name).stem
    if not safe_name(name) or not safe_name(item.file_name):
        detail = f"{item.file_name!a} is no file name of the picture folder"
        rows.reject(file, position, "file_name", "path-outside-root", detail)
        return
    rows.add(
        str(item.id),
        form="caption_set",
        pictures=[f"openimages/{name}"],
        source=file,
        position=position,
        references=captions,
        subset=item.domain,
    )


READER = Reader(name="nocaps", version=1, read=_read, options={}, places=("images",))
