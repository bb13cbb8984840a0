"""Visual Spatial Reasoning as published: true and false statements about COCO photographs.

Quirks on purpose: the votes are strings that hold lists, `reference_frame` is null or a float and
stands in the random files alone, `subj` and `obj` in the zero-shot ones; the middle split is called
`dev`; the same statements recur in both variants, in other splits.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from instructify.twins.dice import Dice
from instructify.twins.heldout import num_evaluated, num_other
from instructify.twins.jsonfiles import write_lines
from instructify.twins.layout import Album, CocoPhoto, TwinRequest, coco_photo
from instructify.twins.statements import Statement, statement
from instructify.twins.truth import Json

_SPLITS = ("train", "dev", "test")
_NUM_VALIDATORS = 3


class _Stated(NamedTuple):
    """A statement about a photograph; `folder` is COCO's folder of it."""

    photo: CocoPhoto
    folder: str
    said: Statement


def write_vsr(request: TwinRequest) -> None:
    """Write `data/splits/{random,zeroshot}/{train,dev,test}.jsonl`.

    The zero-shot variant is a part of the random one, as with the authors.
    """
    num_test, num_other_ = num_evaluated(request), num_other(request)
    nums = {
        "zeroshot": (num_other_, num_other_, num_test),
        "random": (2 * num_other_, num_other_, num_test + num_other_),
    }
    stated = list(_stated(request, sum(nums["random"])))
    with Album(request) as album:
        for example in stated:
            album.add(example.photo.photo)
    for variant, sizes in nums.items():
        order = request.dice("order").shuffled(stated) if variant == "random" else stated
        first = 0
        for split, num in zip(_SPLITS, sizes, strict=True):
            rows = _rows(request, variant, order[first : first + num])
            path = request.folder / "data" / "splits" / variant / f"{split}.jsonl"
            write_lines(path, rows)
            first += num


def _stated(request: TwinRequest, num: int) -> Iterator[_Stated]:
    """State one thing about each photograph of which something can be stated."""
    index = num_stated = 0
    while num_stated < num:
        folder = "val2017" if index % 7 == 0 else "train2017"
        photo = coco_photo(request.seed, folder, index)
        spatial = statement(photo.photo.scene, request.dice("statement", index))
        index += 1
        if spatial is not None:
            num_stated += 1
            yield _Stated(photo, folder, spatial)


def _rows(request: TwinRequest, variant: str, stated: Sequence[_Stated]) -> Iterator[Json]:
    for example in stated:
        dice = request.dice("votes", example.photo.image_id)
        name = f"{example.photo.image_id:012d}.jpg"
        row: dict[str, Json] = {
            "image": name,
            "image_link": f"http://images.cocodataset.org/{example.folder}/{name}",
            "caption": example.said.text,
            "label": int(example.said.truth),
            "relation": example.said.relation,
        }
        if variant == "zeroshot":
            subject, object_ = _parts(example.said)
            row |= {"subj": subject, "obj": object_}
        row |= _votes(example.said.truth, dice)
        if variant == "random":
            row["reference_frame"] = dice.pick((None, None, 0.0, 1.0, 2.0))
        yield row


def _votes(truth: bool, dice: Dice) -> dict[str, Json]:
    """Let validators vote; at most one of them errs."""
    people = dice.some(range(1, 62), _NUM_VALIDATORS + 1)
    author, voters = people[0], people[1:]
    num_wrong = 1 if dice.chance(0.2) else 0
    right, wrong = str(voters[num_wrong:]), str(voters[:num_wrong])
    return {
        "annotator_id": author,
        "vote_true_validator_id": right if truth else wrong,
        "vote_false_validator_id": wrong if truth else right,
    }


def _parts(spatial: Statement) -> tuple[str, str]:
    """Take the two things out of `The X is RELATION the Y.`."""
    subject, object_ = spatial.text[len("The ") : -1].split(f" is {spatial.relation} the ")
    return subject, object_
