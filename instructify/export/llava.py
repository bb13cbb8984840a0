"""LLaVA's JSON: `{"id", "image", "conversations": [{"from": "human"}, {"from": "gpt"}]}`.

One list a split, over all datasets: `train.json` to train on. Held-out datasets and clips have
files of their own (`heldout-test.json`, `heldout-video-test.json`), so that naming one file never
trains on what is to be evaluated, and LLaVA 1.5, which knows no clips, never meets one.
"""

from pathlib import Path

import pyarrow as pa

from instructify.export.contents import Content, Contents
from instructify.export.receipt import PicturesReceipt
from instructify.export.selection import Chosen
from instructify.export.sink import (
    NO_PICTURES,
    LineFile,
    PictureFiles,
    Row,
    SplitTally,
    picture_path,
)
from instructify.export.slots import IMAGE, LLAVA_SLOTS


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
        ids, instructions, responses = (
            batch.column(name).to_pylist() for name in ("sample_id", "instruction", "response")
        )
        if self._pictures is None:
            found: list[list[Content]] = [[]] * len(ids)
        else:
            found = self._pictures.of_batch(batch.column("pictures"))
        for sample_id, instruction, response, contents in zip(
            ids, instructions, responses, found, strict=True
        ):
            asked = LLAVA_SLOTS.broken(instruction)
            answer = LLAVA_SLOTS.broken(response)
            self._broken += asked.changed + answer.changed
            self._pictured += bool(contents)
            file.add(_row(sample_id, contents, asked.text, answer.text))

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


def _row(sample_id: str, contents: list[Content], instruction: str, response: str) -> Row:
    row: Row = {"id": sample_id}
    for media, key in (("image", "image"), ("video", "video")):
        paths = [picture_path(one) for one in contents if one.media == media]
        if paths:
            row[key] = paths[0] if len(paths) == 1 else paths
    row["conversations"] = [
        {"from": "human", "value": f"{IMAGE}\n" * len(contents) + instruction},
        {"from": "gpt", "value": response},
    ]
    return row
