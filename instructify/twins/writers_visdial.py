"""Visual Dialog v1.0 as published: dialogues of indices into two tables of texts.

Quirks on purpose: index 0 is in use, `split` carries the year, dialogues of test have one to ten
rounds of which the last alone has options and no answer. Dense annotations: one round of each
dialogue of val, and a few of train under the other key name.
"""

import json
from collections.abc import Iterator
from typing import NamedTuple

from instructify.twins.dialogs import Round, dialog
from instructify.twins.heldout import num_evaluated, num_other
from instructify.twins.jsonfiles import WholeFile, write_list
from instructify.twins.language import captions
from instructify.twins.layout import Album, Photo, TwinRequest, coco_photo
from instructify.twins.truth import Json
from instructify.twins.world import scene

NUM_ROUNDS = 10
_FIRST_ID = {"val": 185565, "test": 568676}


class _Pictured(NamedTuple):
    """A photograph and the number by which the release knows it."""

    photo: Photo
    image_id: int


class _Table:
    """Texts that get an index when they are first used."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    def place(self, text: str) -> int:
        return self._places.setdefault(text, len(self._places))

    def texts(self) -> list[str]:
        return list(self._places)


def write_visdial(request: TwinRequest) -> None:
    """Write the three splits and the dense annotations of val and train."""
    nums = {"train": num_other(request), "val": num_evaluated(request), "test": num_other(request)}
    with Album(request) as album:
        for split, num in nums.items():
            for index in range(num):
                album.add(_picture(request, split, index).photo)
            _write_split(request, split, num)
    dense = request.folder / "visdial_1.0_val_dense_annotations.json"
    write_list(dense, _dense_rows(request, "val", nums["val"], "gt_relevance"))
    sample = request.folder / "visdial_1.0_train_dense_sample.json"
    write_list(sample, _dense_rows(request, "train", max(1, nums["train"] // 4), "relevance"))


def _picture(request: TwinRequest, split: str, index: int) -> _Pictured:
    """Take a COCO photograph for train; val and test have pictures of their own."""
    if split == "train":
        return _Pictured(*coco_photo(request.seed, "train2014_held_out", index))
    image_id = _FIRST_ID[split] + 2 * index
    name = f"VisualDialog_{split}2018_{image_id:012d}"
    shown = scene(request.seed, "visdial", f"{split}-{index}", held_out=True)
    file = f"visdial/VisualDialog_{split}2018/{name}.jpg"
    return _Pictured(Photo(f"visdial/{name}", file, shown), image_id)


def _write_split(request: TwinRequest, split: str, num: int) -> None:
    questions, answers = _Table(), _Table()
    with WholeFile(request.folder / f"visdial_1.0_{split}.json") as file:
        file.write('{"version":"1.0","data":{"dialogs":[')
        for index in range(num):
            value = _dialog(request, split, index, questions, answers)
            file.write(("," if index else "") + _packed(value))
        file.write(f'],"answers":{_packed(answers.texts())}')
        year = "2018" if split != "train" else ""
        file.write(f',"questions":{_packed(questions.texts())}}},"split":"{split}{year}"}}')


def _dialog(
    request: TwinRequest, split: str, index: int, questions: _Table, answers: _Table
) -> Json:
    picture = _picture(request, split, index)
    dice = request.dice("caption", split, index)
    caption = captions(picture.photo.scene, 1, dice)[0].removesuffix(".").lower()
    talk = _rounds(request, split, index)
    if split == "test":
        talk = talk[: 1 + dice.below(NUM_ROUNDS)]
    rounds: list[Json] = []
    for nth, round_ in enumerate(talk, start=1):
        row: dict[str, Json] = {"question": questions.place(round_.question)}
        lacks_answer = split == "test" and nth == len(talk)
        if not lacks_answer:
            row["answer"] = answers.place(round_.answer)
        if split != "test":
            row["gt_index"] = round_.right
        if split != "test" or lacks_answer:
            row["answer_options"] = [answers.place(text) for text in round_.options]
        rounds.append(row)
    return {"image_id": picture.image_id, "dialog": rounds, "caption": caption}


def _rounds(request: TwinRequest, split: str, index: int) -> list[Round]:
    shown = _picture(request, split, index).photo.scene
    return dialog(shown, request.dice("dialog", split, index), NUM_ROUNDS)


def _dense_rows(request: TwinRequest, split: str, num: int, name: str) -> Iterator[Json]:
    """Rate the options of one round a dialogue: 1 for the answer, now and then a slip beside it."""
    for index in range(num):
        dice = request.dice("dense", split, index)
        nth = dice.below(NUM_ROUNDS)
        round_ = _rounds(request, split, index)[nth]
        relevance = [0.0] * len(round_.options)
        relevance[dice.below(len(relevance))] = 0.2
        relevance[round_.right] = dice.pick((1.0, 1.0, 0.8))
        image_id = _picture(request, split, index).image_id
        yield {"image_id": image_id, "round_id": nth + 1, name: relevance}


def _packed(value: Json) -> str:
    return json.dumps(value, separators=(",", ":"))
