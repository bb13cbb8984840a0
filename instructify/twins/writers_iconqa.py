"""IconQA as published: three kinds of exercises, a folder for each, and one file of all problems.

Quirks on purpose: `answer` is an index where there are choices and a text where there are none,
picture choices are file names, pictures on a snowy ground come as RGBA with the ground transparent.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from PIL import Image

from instructify.twins.heldout import num_evaluated, num_other
from instructify.twins.jsonfiles import JsonObject, write_json
from instructify.twins.layout import PICTURE_SIZE, Album, TwinRequest
from instructify.twins.lessons import IconKind, IconProblem, icon_problem
from instructify.twins.painter import pixels
from instructify.twins.truth import Json, truth
from instructify.twins.world import Scene, single

KINDS: tuple[IconKind, ...] = ("choose_img", "choose_txt", "fill_in_blank")
SPLITS = ("train", "val", "test")
NUM_ASIDE = 4  # exercises of a kind that the paper leaves aside
GRADES = ("prek", "kindergarten", "grade1", "grade2", "grade3")
_LABELS: Mapping[IconKind, str] = MappingProxyType(
    {"choose_img": "F6", "choose_txt": "A25", "fill_in_blank": "A10"}
)
_SKILLS: Mapping[IconKind, str] = MappingProxyType(
    {"choose_img": "comparison", "choose_txt": "pattern", "fill_in_blank": "counting"}
)


class _Exercise(NamedTuple):
    pid: str
    split: str
    kind: IconKind
    problem: IconProblem


def write_iconqa(request: TwinRequest) -> None:
    """Write problems, splits, skills and the folder of each exercise."""
    folder = request.folder / "iconqa_data"
    pids: dict[str, list[str]] = {
        f"{kind}_{split}": [] for kind in KINDS for split in (*SPLITS, "trainval")
    }
    skills: dict[str, list[str]] = {}
    with Album(request) as album, JsonObject(folder / "problems.json") as problems:
        for exercise in _exercises(request):
            value = _problem(request, exercise)
            problems.put(exercise.pid, value)
            pids[f"{exercise.kind}_{exercise.split}"].append(exercise.pid)
            skills[exercise.pid] = [_SKILLS[exercise.kind]]
            if exercise.split != "test":
                pids[f"{exercise.kind}_trainval"].append(exercise.pid)
            if request.pictures:
                _write_folder(folder, exercise, value, album)
    write_json(folder / "pid_splits.json", pids)
    write_json(folder / "pid2skills.json", skills)


def _exercises(request: TwinRequest) -> Iterator[_Exercise]:
    """Number the exercises of all splits and kinds in one mixed order."""
    slots: list[tuple[str, IconKind]] = []
    for split in SPLITS:
        for kind in KINDS:
            num = request.num(NUM_ASIDE)
            if kind == "choose_txt":
                num = num_evaluated(request) if split == "test" else num_other(request)
            slots += [(split, kind)] * num
    for index, (split, kind) in enumerate(request.dice("order").shuffled(slots)):
        yield _Exercise(str(4 + index), split, kind, icon_problem(request.seed, index, kind))


def _problem(request: TwinRequest, exercise: _Exercise) -> dict[str, Json]:
    problem = exercise.problem
    value: dict[str, Json] = {"question": problem.question}
    match exercise.kind:
        case "choose_img":
            names = [f"choice_{nth}.png" for nth in range(len(problem.choices))]
            value |= {"choices": names, "answer": problem.right}
        case "choose_txt":
            value |= {"choices": list(problem.choices), "answer": problem.right}
        case _:
            value["answer"] = problem.answer
    grade = request.dice("grade", exercise.pid).pick(GRADES)
    return {**value, "ques_type": exercise.kind, "grade": grade, "label": _LABELS[exercise.kind]}


def _write_folder(
    folder: Path, exercise: _Exercise, value: Mapping[str, Json], album: Album
) -> None:
    place = f"{exercise.split}/{exercise.kind}/{exercise.pid}"
    write_json(folder / "iconqa" / place / "data.json", value)
    scenes = {"image.png": exercise.problem.scene}
    for nth, thing in enumerate(exercise.problem.choice_things):
        key = f"iconqa/{place}/{nth}"
        scenes[f"choice_{nth}.png"] = single(thing, key, held_out=True)
    for name, shown in scenes.items():
        _place_png(album, f"{place}/{name}", shown)


def _place_png(album: Album, name: str, shown: Scene) -> None:
    album.place(
        f"iconqa/{name}",
        f"iconqa/iconqa_data/iconqa/{name}",
        lambda: truth(shown),
        lambda path: _picture(shown).save(path),
    )


def _picture(shown: Scene) -> Image.Image:
    """Paint an exercise; over white, a transparent ground still looks like snow."""
    painted = pixels(shown, PICTURE_SIZE)
    if shown.background != "snow":
        return Image.fromarray(painted)
    ground = pixels(replace(shown, things=()), PICTURE_SIZE)
    solid = np.any(painted != ground, axis=2)
    alpha = np.where(solid, 255, 0).astype(np.uint8)
    return Image.fromarray(np.dstack([painted, alpha]))
