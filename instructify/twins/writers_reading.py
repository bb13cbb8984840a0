"""The twins of TextCaps and OCR-VQA: captions of printed signs, questions about book covers.

Quirks on purpose: TextCaps has one row per caption, each with all captions of its picture, and
names folders that do not exist; OCR-VQA's keys have lost their leading zeros, some covers are .gif,
and books without an author have no author question.
"""

from collections.abc import Iterable, Iterator

from instructify.twins.covers import Cover, cover
from instructify.twins.dice import Dice
from instructify.twins.jsonfiles import JsonObject
from instructify.twins.language import captions
from instructify.twins.layout import (
    NUM_TEST,
    NUM_TRAIN,
    NUM_VAL,
    PICTURE_SIZE,
    Album,
    Photo,
    TwinRequest,
    open_images_photo,
)
from instructify.twins.truth import Json
from instructify.twins.world import sign_box
from instructify.twins.writers_coco import typed

NUM_CAPTIONS = 5
_FIRST_CAPTION_ID = 100_000_000
_GIF_RATE = 0.02
# A step without common factor with 10^9 walks through all numbers of nine digits.
_BOOK_STEP = 387_420_489


def write_textcaps(request: TwinRequest) -> None:
    """Write captions and OCR files of the three splits; the pictures lie in TextVQA's folders."""
    sizes = {"train": request.num_train, "val": request.num_val, "test": request.num_test}
    with Album(request) as album:
        for split, num in sizes.items():
            for photo in _textcaps_photos(request, split, num):
                album.add(photo)
            with JsonObject(request.folder / f"TextCaps_0.1_{split}.json") as file:
                file.put("dataset_type", split)
                file.put("dataset_name", "textcaps")
                file.put("dataset_version", 0.1)
                file.rows("data", _textcaps_rows(request, split, num))
            write_rosetta(request, split, _textcaps_photos(request, split, num))


def write_rosetta(request: TwinRequest, split: str, photos: Iterable[Photo]) -> None:
    """Write what an OCR system reads in these pictures, in the form of TextVQA's Rosetta files."""
    path = request.folder / f"TextVQA_Rosetta_OCR_v0.2_{split}.json"
    with JsonObject(path) as file:
        file.put("dataset_type", split)
        file.put("dataset_name", "textvqa")
        file.put("dataset_version", "0.2")
        file.rows("data", (_rosetta_row(photo) for photo in photos))


def write_ocr_vqa(request: TwinRequest) -> None:
    """Write dataset.json with all splits mixed, and the covers."""
    codes = [1] * request.num(NUM_TRAIN) + [2] * request.num(NUM_VAL) + [3] * request.num(NUM_TEST)
    met = {1: 0, 2: 0, 3: 0}
    with Album(request) as album, JsonObject(request.folder / "dataset.json") as file:
        for code in request.dice("order").shuffled(codes):
            number = 3 * met[code] + code
            met[code] += 1
            shown = cover(request.seed, number)
            key = book_key(number)
            suffix = "gif" if request.dice("suffix", number).chance(_GIF_RATE) else "jpg"
            album.add(Photo(f"ocr_vqa/{key}", f"ocr_vqa/images/{key}.{suffix}", shown.scene))
            file.put(key, _book(shown, key, suffix, code))


def book_key(number: int) -> str:
    """Give the ISBN of a book as OCR-VQA's keys have it: no leading zeros, perhaps an X."""
    body = f"{number * _BOOK_STEP % 10**9:09d}"
    total = sum(weight * int(digit) for weight, digit in zip(range(10, 1, -1), body, strict=True))
    check = -total % 11
    return (body + ("X" if check == 10 else str(check))).lstrip("0")


def _textcaps_photos(request: TwinRequest, split: str, num: int) -> Iterator[Photo]:
    for index in range(num):
        yield open_images_photo(request.seed, f"textcaps_{split}", index)


def _textcaps_rows(request: TwinRequest, split: str, num: int) -> Iterator[Json]:
    # Ids of the splits must not meet, however many pictures there are.
    first = _FIRST_CAPTION_ID * {"train": 1, "val": 2, "test": 3}[split]
    for index, photo in enumerate(_textcaps_photos(request, split, num)):
        picture = _textcaps_picture(photo, split)
        if split == "test":
            yield picture
            continue
        dice = request.dice("captions", split, index)
        texts = [_quoted(text, photo, dice) for text in captions(photo.scene, NUM_CAPTIONS, dice)]
        tokens = [_tokens(text) for text in texts]
        for at, text in enumerate(texts):
            yield picture | {
                "caption_id": first + index * NUM_CAPTIONS + at,
                "caption_str": text,
                "caption_tokens": tokens[at],
                "reference_strs": texts,
                "reference_tokens": tokens,
            }


def _textcaps_picture(photo: Photo, split: str) -> dict[str, Json]:
    name = photo.key.rpartition("/")[2]
    return {
        "image_id": name,
        "image_classes": sorted({thing.shape.title() for thing in photo.scene.things}),
        "flickr_original_url": f"http://twin.invalid/{name}_o.jpg",
        "flickr_300k_url": f"http://twin.invalid/{name}_z.jpg",
        "image_width": PICTURE_SIZE,
        "image_height": PICTURE_SIZE,
        "set_name": split,
        "image_name": name,
        "image_path": f"{'test' if split == 'test' else 'train'}/{name}.jpg",
    }


def _quoted(caption: str, photo: Photo, dice: Dice) -> str:
    """Put the words of signs between quotes of some kind, as many people do."""
    left, right = dice.weighted(
        (("", ""), ('"', '"'), ("'", "'"), ("\u201c", "\u201d")), (6, 6, 3, 1)
    )
    for sign in photo.scene.signs:
        caption = caption.replace(f"says {sign.text}", f"says {left}{sign.text}{right}")
    return typed(caption, dice)


def _tokens(caption: str) -> list[str]:
    words = (word.strip(".,\"'\u201c\u201d") for word in caption.lower().split())
    return ["<s>", *words, "</s>"]


def _rosetta_row(photo: Photo) -> Json:
    signs = sorted(photo.scene.signs, key=lambda sign: sign.row)
    words: list[Json] = []
    for sign in signs:
        box = sign_box(sign)
        frame: dict[str, Json] = {
            "top_left_x": round(box.left, 4),
            "top_left_y": round(box.top, 4),
            "width": round(box.width, 4),
            "height": round(box.height, 4),
            "rotation": 0.0,
            "yaw": 0.0,
            "roll": 0.0,
            "pitch": 0.0,
        }
        words.append({"word": sign.text, "bounding_box": frame})
    return {
        "image_id": photo.key.rpartition("/")[2],
        "ocr_tokens": [sign.text for sign in signs],
        "ocr_info": words,
    }


def _book(shown: Cover, key: str, suffix: str, code: int) -> Json:
    return {
        "imageURL": f"http://twin.invalid/images/{key}%2Bcover.{suffix}",
        "questions": [qa.question for qa in shown.questions],
        "answers": [qa.answer for qa in shown.questions],
        "title": shown.title,
        "authorName": shown.author,
        "genre": shown.genre,
        "split": code,
    }
