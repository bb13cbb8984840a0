"""MSVD-QA, MSRVTT-QA and iVQA as published: questions about clips, and the clips.

Quirks on purpose: MSVD's clips are found through a mapping, by names that begin with `-` or hold
`_`, and some have no questions; answers of MSRVTT are misspelt at times; iVQA is a CSV whose
answers may be `none`, and a few of its clips are gone.
"""

import csv
import io
from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

from instructify.twins.clips import write_clip
from instructify.twins.dice import Dice
from instructify.twins.events import ClipQA, Event, clip_questions, clip_truth, event
from instructify.twins.heldout import num_evaluated, num_other, youtube_id
from instructify.twins.jsonfiles import write_list, write_text
from instructify.twins.language import ten_answers
from instructify.twins.layout import Album, TwinRequest
from instructify.twins.truth import Json

NUM_TRAIN_CLIPS = 20  # their answers are the vocabulary that others are ranked over
NUM_QUESTIONS = 4  # a clip of MSVD-QA or MSRVTT-QA
NUM_ANSWERS = 5  # a question of iVQA
_SPLITS = ("train", "val", "test")
# None of them is part of another action, as moving is of jumping, or changing of growing.
_PLAIN_ACTIONS = ("growing", "shrinking", "appearing", "vanishing", "jumping")


class _Clip(NamedTuple):
    """A clip of a split; `number` counts from 0 over all splits."""

    number: int
    split: str
    event: Event


def write_msvd_qa(request: TwinRequest) -> None:
    """Write the three question files, the mapping and the .avi clips."""
    total = sum(_nums(request))
    lines = (f"{_clip_name('msvd', number)} vid{number + 1}\n" for number in range(total))
    write_text(request.folder / "youtube_mapping.txt", lines)
    ids = count()
    with Album(request) as album:
        for split in _SPLITS:
            write_list(request.folder / f"{split}_qa.json", _msvd_rows(request, split, album, ids))


def write_msrvtt_qa(request: TwinRequest) -> None:
    """Write the three question files and the .mp4 clips in the two folders of MSR-VTT."""
    ids = count()
    with Album(request) as album:
        for split in _SPLITS:
            rows = _msrvtt_rows(request, split, album, ids)
            write_list(request.folder / f"{split}_qa.json", rows)


def write_ivqa(request: TwinRequest) -> None:
    """Write the three CSV files and the .webm clips but for the few that are gone."""
    with Album(request) as album:
        for split in _SPLITS:
            lines = _ivqa_lines(request, split, album)
            write_text(request.folder / "iVQA" / f"{split}.csv", lines)


def _nums(request: TwinRequest) -> list[int]:
    return [request.num(NUM_TRAIN_CLIPS), num_other(request), num_evaluated(request)]


def _clips(request: TwinRequest, split: str) -> Iterator[_Clip]:
    nums = _nums(request)
    place = _SPLITS.index(split)
    first = sum(nums[:place])
    for number in range(first, first + nums[place]):
        yield _Clip(number, split, event(request.seed, request.release, number))


def _clip_name(release: str, number: int) -> str:
    """Name a clip as cut from a video: id, first and last second."""
    start = 3 + number * 7 % 90
    return f"{youtube_id(release, number)}_{start}_{start + 4 + number % 8}"


def _msvd_rows(
    request: TwinRequest, split: str, album: Album, ids: Iterator[int]
) -> Iterator[Json]:
    for clip in _clips(request, split):
        # Some clips of the collection were never asked about.
        if clip.number % 9 == 8:
            continue
        name = _clip_name("msvd", clip.number)
        _add(album, f"msvd/{name}", f"msvd_qa/YouTubeClips/{name}.avi", clip.event)
        for qa in _questions(request, clip):
            yield {
                "answer": qa.answer,
                "id": next(ids),
                "question": qa.question,
                "video_id": clip.number + 1,
            }


def _msrvtt_rows(
    request: TwinRequest, split: str, album: Album, ids: Iterator[int]
) -> Iterator[Json]:
    folder = "TestVideo" if split == "test" else "TrainValVideo"
    for clip in _clips(request, split):
        name = f"video{clip.number}"
        _add(album, f"msrvtt/{name}", f"msrvtt_qa/{folder}/{name}.mp4", clip.event)
        dice = request.dice("category", clip.number)
        category = dice.below(20)
        for qa in _questions(request, clip):
            yield {
                "answer": _misspelt(qa.answer, dice) if dice.chance(0.02) else qa.answer,
                "category_id": category,
                "id": next(ids),
                "question": qa.question,
                "video_id": clip.number,
            }


def _ivqa_lines(request: TwinRequest, split: str, album: Album) -> Iterator[str]:
    names = [f"answer{nth + 1}" for nth in range(NUM_ANSWERS)]
    yield _csv_line(["video_id", "start", "end", "question", *names])
    for clip in _clips(request, split):
        name = _clip_name("ivqa", clip.number)
        if clip.number % 25 != 24:
            _add(album, f"ivqa/{name}", f"ivqa/video/{name}.webm", clip.event)
        video_id, start, end = name.rsplit("_", 2)
        dice = request.dice("answers", clip.number)
        qa = _ask_other(clip.event, dice) if dice.chance(0.08) else _questions(request, clip)[0]
        answers = ten_answers(qa.answer, qa.wrong, dice, NUM_ANSWERS)
        yield _csv_line([video_id, start, end, qa.question, *answers])


def _questions(request: TwinRequest, clip: _Clip) -> list[ClipQA]:
    return clip_questions(clip.event, request.dice("questions", clip.number), NUM_QUESTIONS)


def _ask_other(shown: Event, dice: Dice) -> ClipQA:
    """Ask who does what nobody does; the answer is the text `none`."""
    action = dice.pick([other for other in _PLAIN_ACTIONS if other != shown.action])
    return ClipQA("what", f"what is {action}?", "none", (shown.actor.shape, "nothing"))


def _misspelt(answer: str, dice: Dice) -> str:
    """Leave out a letter, as hasty people do."""
    place = 1 + dice.below(max(1, len(answer) - 1))
    return answer[:place] + answer[place + 1 :] if len(answer) > 2 else answer


def _add(album: Album, key: str, file: str, shown: Event) -> None:
    album.place(key, file, lambda: clip_truth(shown), lambda path: write_clip(shown, path))


def _csv_line(cells: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()
