"""LLaVA's JSON: `{"id", "image", "conversations": [{"from": "human"}, {"from": "gpt"}]}`.

One list a split, over all datasets: `train.json` to train on. Held-out datasets and clips have
files of their own (`heldout-test.json`, `heldout-video-test.json`), so that naming one file never
trains on what is to be evaluated, and LLaVA 1.5, which knows no clips, never meets one.
"""

from pathlib import Path

import pyarrow as pa

from instructify.exporting.contents import Contents
from instructify.exporting.receipt import PicturesReceipt
from instructify.exporting.selection import Chosen
from instructify.exporting.sink import (
    NO_PICTURES,
    Asked,
    LineFile,
    PictureFiles,
    Row,
    SplitTally,
    asked_samples,
    picture_path,
)
from instructify.exporting.slots import IMAGE, LLAVA_SLOTS


class LlavaSink:
    """Writes LLaVA JSON and its pictures."""

    def __init__(self, place: Path, contents: Contents | None) -> None:
        self._place = place
        self._pictures = None if contents is None else PictureFiles(place, contents)
        self._files: dict[str, LineFile] = {}
        self._name = ""
        self._broken = self._pictured = 0

    def begin(self, chosen: Chosen) -> None:
        self._name = file_name(chosen)
        self._broken = self._pictured = 0

    def write(self, batch: pa.RecordBatch) -> None:
        file = self._files.get(self._name)
        if file is None:
            file = LineFile(self._place / self._name, as_list=True)
            self._files[self._name] = file
        for asked in asked_samples(batch, self._pictures, LLAVA_SLOTS):
            self._broken += asked.broken
            self._pictured += bool(asked.contents)
            file.add(_row(asked))

    def end(self) -> SplitTally:
        files = [self._name] if self._name in self._files else []
        return SplitTally(files, self._broken, self._pictured)

    def close(self) -> PicturesReceipt:
        for file in self._files.values():
            file.close()
        return NO_PICTURES if self._pictures is None else self._pictures.write()


def file_name(chosen: Chosen) -> str:
    """Name the file that a split goes into."""
    role = "heldout-" if chosen.is_held_out else ""
    media = "video-" if chosen.is_video else ""
    return f"{role}{media}{chosen.split}.json"


def _row(asked: Asked) -> Row:
    row: Row = {"id": asked.sample_id}
    for media, key in (("image", "image"), ("video", "video")):
        paths = [picture_path(content) for content in asked.contents if content.media == media]
        if paths:
            row[key] = paths[0] if len(paths) == 1 else paths
    row["conversations"] = [
        {"from": "human", "value": f"{IMAGE}\n" * len(asked.contents) + asked.instruction},
        {"from": "gpt", "value": asked.response},
    ]
    if asked.fields:
        row["fields"] = asked.fields
    return row
