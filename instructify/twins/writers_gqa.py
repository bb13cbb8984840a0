"""GQA as published: objects keyed by question id, with programs, groups and types.

Quirks on purpose: ids begin with zeros, pictures of testdev and test are named `n...`,
`groups.global` may be null, `entailed` points outside the file, test has no answers. Beside the
balanced files stand those of all questions; that of train in ten parts.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from instructify.twins.heldout import num_evaluated, num_other
from instructify.twins.jsonfiles import JsonObject
from instructify.twins.language import QA
from instructify.twins.layout import Album, Photo, TwinRequest
from instructify.twins.picture_questions import questions
from instructify.twins.truth import Json
from instructify.twins.world import Scene, scene

# GQA does not count. The closed kinds are rarer than in the world at large, to bound blind guesses.
KINDS = (
    *("color", "color", "shape", "shape", "place", "place", "beside", "choose"),
    *("exists", "relation", "same", "same", "same", "both", "at"),
)
NUM_QUESTIONS = 8  # a picture; the last quarter is left out of the balanced files
NUM_PARTS = 10
_SPLITS = ("train", "val", "testdev", "test")


class _Types(NamedTuple):
    structural: str
    semantic: str
    detailed: str


class _Item(NamedTuple):
    """A question with its id; `value` is what the file holds under it."""

    question_id: str
    value: dict[str, Json]


_TYPES: Mapping[str, _Types] = MappingProxyType(
    {
        "color": _Types("query", "attr", "directOf"),
        "shape": _Types("query", "cat", "categoryThat"),
        "place": _Types("query", "attr", "positionQuery"),
        "beside": _Types("query", "rel", "categoryRelO"),
        "choose": _Types("choose", "attr", "chooseAttr"),
        "exists": _Types("verify", "obj", "exist"),
        "relation": _Types("verify", "rel", "relVerify"),
        "same": _Types("compare", "attr", "twoSame"),
        "both": _Types("logical", "obj", "existAnd"),
        "at": _Types("verify", "global", "existThat"),
    }
)


def write_gqa(request: TwinRequest) -> None:
    """Write the balanced and the complete question files of the four splits."""
    with Album(request) as album:
        for split in _SPLITS:
            for index in range(_num(request, split)):
                album.add(_photo(request, split, index))
            balanced = (i for i in _items(request, split) if i.value["isBalanced"])
            _write(request.folder / f"{split}_balanced_questions.json", balanced)
            if split != "train":
                _write(request.folder / f"{split}_all_questions.json", _items(request, split))
    for part in range(NUM_PARTS):
        path = request.folder / "train_all_questions" / f"train_all_questions_{part}.json"
        _write(path, (i for nth, i in enumerate(_items(request, "train")) if nth % 10 == part))


def _num(request: TwinRequest, split: str) -> int:
    return num_evaluated(request) if split == "testdev" else num_other(request)


def _photo(request: TwinRequest, split: str, index: int) -> Photo:
    """Name a picture as Visual Genome does, or as COCO's later ones: `n` and a number."""
    number = 4 * index + _SPLITS.index(split)
    later = split in ("testdev", "test")
    name = f"n{161313 + 17 * number}" if later else str(2310001 + 19 * number)
    shown = scene(request.seed, "gqa", f"{split}-{index}", held_out=True)
    return Photo(f"{'gqa' if later else 'vg'}/{name}", f"gqa/images/{name}.jpg", shown)


def _items(request: TwinRequest, split: str) -> Iterator[_Item]:
    for index in range(_num(request, split)):
        photo = _photo(request, split, index)
        dice = request.dice("questions", split, index)
        number = 4 * index + _SPLITS.index(split)
        drawn = questions(photo.scene, dice, NUM_QUESTIONS, KINDS)
        for nth, qa in enumerate(drawn):
            question_id = f"{number:06d}{nth:02d}"
            entailed = [f"{number:06d}{nth + 50:02d}"] if dice.chance(0.3) else []
            value = _value(photo.scene, qa, question_id, entailed)
            value["imageId"] = photo.key.partition("/")[2]
            value["isBalanced"] = 4 * nth < 3 * NUM_QUESTIONS
            if split == "test":
                value = {key: value[key] for key in ("question", "imageId", "isBalanced")}
            yield _Item(question_id, value)


def _value(shown: Scene, qa: QA, question_id: str, entailed: list[str]) -> dict[str, Json]:
    types = _TYPES[qa.kind]
    objects = ",".join(str(number) for number in range(len(shown.things)))
    argument = qa.kind if types.structural == "query" else "?"
    return {
        "semantic": [
            {"operation": "select", "argument": f"thing ({objects})", "dependencies": []},
            {"operation": types.structural, "argument": argument, "dependencies": [0]},
        ],
        "entailed": entailed,
        "equivalent": [question_id],
        "question": qa.question,
        "imageId": None,
        "isBalanced": True,
        "groups": {
            "global": qa.kind if qa.kind in ("color", "shape") else None,
            "local": f"{question_id[-2:]}-{qa.wording.replace('/', '_')}",
        },
        "answer": qa.answer,
        "semanticStr": f"select: thing ({objects})->{types.structural}: {argument} [0]",
        "annotations": {"answer": {}, "question": {}, "fullAnswer": {}},
        "types": {
            "detailed": types.detailed,
            "semantic": types.semantic,
            "structural": types.structural,
        },
        "fullAnswer": qa.sentence,
    }


def _write(path: Path, items: Iterable[_Item]) -> None:
    with JsonObject(path) as file:
        for item in items:
            file.put(item.question_id, item.value)
