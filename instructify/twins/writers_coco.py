"""The twin of COCO Caption: the official 2014 caption files and Karpathy's split file over the same
photographs.

Quirks on purpose: outer blanks, newlines and double blanks in captions, missing full stops, now and
then a sixth caption, annotations in no order, `restval` among the val2014 photographs.
"""

from collections.abc import Iterator
from typing import NamedTuple

from instructify.twins.dice import Dice
from instructify.twins.jsonfiles import JsonObject
from instructify.twins.language import captions
from instructify.twins.layout import PICTURE_SIZE, Album, CocoPhoto, TwinRequest, coco_photo
from instructify.twins.truth import Json

NUM_RESTVAL = 10
_DATE = "2014-01-01 00:00:00"


class _Sentence(NamedTuple):
    id: int
    raw: str


class _Image(NamedTuple):
    photo: CocoPhoto
    split: str  # Karpathy's
    folder: str
    sentences: tuple[_Sentence, ...]


def write_coco_caption(request: TwinRequest) -> None:
    """Write captions_{train,val}2014.json, dataset_coco.json and the photographs."""
    with Album(request) as album:
        for folder in ("train2014", "val2014"):
            _write_official(request, folder)
        _write_karpathy(request)
        for image in _images(request):
            album.add(image.photo.photo)


def _images(request: TwinRequest) -> Iterator[_Image]:
    for index in range(request.num_train):
        yield _image(request, "train2014", index, "train")
    num_val, num_test = request.num_val, request.num_test
    num_scored = num_val + num_test
    for index in range(num_scored + request.num(NUM_RESTVAL)):
        split = "val" if index < num_val else "test" if index < num_scored else "restval"
        yield _image(request, "val2014", index, split)


def _image(request: TwinRequest, folder: str, index: int, split: str) -> _Image:
    photo = coco_photo(request.seed, folder, index)
    dice = request.dice("captions", folder, index)
    num = 6 if dice.chance(0.02) else 5
    texts = captions(photo.photo.scene, num, dice)
    sentences = tuple(
        _Sentence(photo.image_id * 10 + k, typed(text, dice)) for k, text in enumerate(texts)
    )
    return _Image(photo, split, folder, sentences)


def typed(caption: str, dice: Dice) -> str:
    """Type a caption as the crowd did: a quarter without full stop, some with stray white space."""
    text = caption.removesuffix(".") if dice.chance(0.25) else caption
    match dice.below(50):
        case 0 | 1 | 2 | 3 | 4:
            return text + " "
        case 5:
            return " " + text
        case 6:
            return text + "\n"
        case 7:
            return text.replace(" ", "  ", 1)
        case _:
            return text


def _write_official(request: TwinRequest, folder: str) -> None:
    path = request.folder / "annotations" / f"captions_{folder}.json"
    annotations: list[Json] = []
    with JsonObject(path) as file:
        file.put("info", _info())
        file.start("images")
        for image in _images(request):
            if image.folder != folder:
                continue
            file.row(_official_image(image))
            annotations += [
                {"image_id": image.photo.image_id, "id": sentence.id, "caption": sentence.raw}
                for sentence in image.sentences
            ]
        file.put("licenses", [{"url": "http://twin.invalid/", "id": 1, "name": "Generated"}])
        file.rows("annotations", request.dice("order", folder).shuffled(annotations))


def _write_karpathy(request: TwinRequest) -> None:
    images = list(_images(request))
    with JsonObject(request.folder / "karpathy" / "dataset_coco.json") as file:
        file.start("images")
        for imgid, image in enumerate(request.dice("karpathy").shuffled(images)):
            file.row(_karpathy_image(image, imgid))
        file.put("dataset", "coco")


def _official_image(image: _Image) -> Json:
    name = image.photo.photo.file.rpartition("/")[2]
    return {
        "license": 1,
        "file_name": name,
        "coco_url": f"http://twin.invalid/{image.folder}/{name}",
        "height": PICTURE_SIZE,
        "width": PICTURE_SIZE,
        "date_captured": _DATE,
        "flickr_url": f"http://twin.invalid/flickr/{image.photo.image_id}_z.jpg",
        "id": image.photo.image_id,
    }


def _karpathy_image(image: _Image, imgid: int) -> Json:
    return {
        "filepath": image.folder,
        "sentids": [sentence.id for sentence in image.sentences],
        "filename": image.photo.photo.file.rpartition("/")[2],
        "imgid": imgid,
        "split": image.split,
        "sentences": [
            {
                "tokens": sentence.raw.lower().replace(".", "").replace(",", "").split(),
                "raw": sentence.raw,
                "imgid": imgid,
                "sentid": sentence.id,
            }
            for sentence in image.sentences
        ],
        "cocoid": image.photo.image_id,
    }


def _info() -> Json:
    return {
        "description": "Twin of the COCO 2014 captions",
        "url": "http://twin.invalid",
        "version": "1.0",
        "year": 2014,
        "contributor": "generated",
        "date_created": _DATE,
    }
