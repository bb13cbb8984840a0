"""ScienceQA as published: one file of problems, one of splits, captions, a folder per picture.

Quirks on purpose: half of the problems have no picture, texts may be empty or hold newlines, all
splits share one count of ids, some picture folders hold files that no problem names.
"""

from collections.abc import Iterator
from typing import NamedTuple

from instructify.twins.heldout import num_evaluated, num_other
from instructify.twins.jsonfiles import JsonObject, write_json
from instructify.twins.language import captions
from instructify.twins.layout import Album, Photo, TwinRequest
from instructify.twins.lessons import Lesson, lesson
from instructify.twins.truth import Json
from instructify.twins.world import single

SPLITS = ("train", "val", "test")
MINI_PART = 5  # every fifth problem is in the small splits


class _Problem(NamedTuple):
    pid: str
    split: str
    lesson: Lesson


def write_scienceqa(request: TwinRequest) -> None:
    """Write `data/captions.json`, problems and splits below `data/scienceqa`, and the pictures."""
    folder = request.folder / "data" / "scienceqa"
    pids: dict[str, list[str]] = {split: [] for split in SPLITS}
    with Album(request) as album, JsonObject(folder / "problems.json") as file:
        for problem in _problems(request):
            pids[problem.split].append(problem.pid)
            file.put(problem.pid, _value(request, problem))
            _add_pictures(album, problem)
    minis = {f"mini{split}": pids[split][::MINI_PART] for split in SPLITS}
    together = sorted(pids["train"] + pids["val"], key=int)
    write_json(folder / "pid_splits.json", {**pids, "trainval": together, **minis})
    with JsonObject(request.folder / "data" / "captions.json") as file:
        file.put("dataset", "ScienceQA")
        file.put("source", "instructify twin")
        file.put("captions", _captions(request))


def _problems(request: TwinRequest) -> Iterator[_Problem]:
    nums = (num_other(request), num_other(request), num_evaluated(request))
    slots = [
        (split, picture)
        for split, num in zip(SPLITS, nums, strict=True)
        for picture in (True, False)
        for _ in range(num)
    ]
    for index, (split, picture) in enumerate(request.dice("order").shuffled(slots), start=1):
        yield _Problem(str(index), split, lesson(request.seed, index, picture=picture))


def _value(request: TwinRequest, problem: _Problem) -> Json:
    item = problem.lesson
    yes_no = sorted(item.choices) == ["no", "yes"]
    return {
        "question": item.question,
        "choices": list(item.choices),
        "answer": item.right,
        "hint": item.hint,
        "image": "image.png" if item.scene else None,
        "task": "yes or no" if yes_no else "closed choice",
        "grade": f"grade{1 + request.dice('grade', problem.pid).below(12)}",
        "subject": item.subject,
        "topic": item.topic,
        "category": item.category,
        "skill": item.skill,
        "lecture": item.lecture,
        "solution": item.solution,
        "split": problem.split,
    }


def _add_pictures(album: Album, problem: _Problem) -> None:
    shown = problem.lesson.scene
    if shown is None:
        return
    place = f"{problem.split}/{problem.pid}"
    files = {"image.png": shown}
    if int(problem.pid) % 20 == 0:
        key = f"scienceqa/{place}/choice_0"
        files["choice_0.png"] = single(shown.things[0], key, held_out=True)
    for name, picture in files.items():
        file = f"scienceqa/data/scienceqa/images/{place}/{name}"
        album.add(Photo(f"scienceqa/{place}/{name}", file, picture))


def _captions(request: TwinRequest) -> dict[str, str]:
    return {
        problem.pid: captions(problem.lesson.scene, 1, request.dice("captions", problem.pid))[0]
        for problem in _problems(request)
        if problem.lesson.scene is not None
    }
