"""LLaVA's JSON: `{"id", "image", "conversations": [{"from": "human"}, {"from": "gpt"}]}`.

There is one list per split over all datasets, such as `train.json`. Held-out datasets and clips
have separate files (`heldout-test.json`, `heldout-video-test.json`), so that no file to
train on holds evaluated data, or clips, which LLaVA 1.5 can't read.
"""

from pathlib import Path

import pyarrow as pa

from instructify.exporting.receipt import PicturesReceipt
from instructify.exporting.selection import Chosen
from instructify.exporting.sink import (
    NO_PICTURES,
    WHOLE,
    Asked,
    LineFile,
    PictureMarks,
    PictureWriter,
    Piece,
    Row,
    SplitTally,
    Start,
    asked_samples,
    picture_path,
)
from instructify.exporting.slots import IMAGE, LLAVA_SLOTS


class LlavaSink:
    """Writes LLaVA JSON and its pictures."""

    def __init__(
        self, place: Path, marks: PictureMarks | None, pictures: PictureWriter | None
    ) -> None:
        """Open the sink; `marks` is None without pictures, and where only pieces are assembled."""
        self._place = place
        self._marks = marks
        self._pictures = pictures
        self._files: dict[str, LineFile] = {}
        self._name = ""
        self._broken = self._pictured = 0

    def begin(self, chosen: Chosen, start: Start = WHOLE) -> None:
        self._name = file_name(chosen)
        self._broken = self._pictured = 0

    def write(self, batch: pa.RecordBatch) -> None:
        file = self._file()
        for sample in asked_samples(batch, self._marks, LLAVA_SLOTS):
            self._broken += sample.broken
            self._pictured += bool(sample.contents)
            file.add(_row(sample))

    def adopt(self, piece: Piece) -> None:
        self._file().append(piece.folder / self._name, piece.receipt.rows)
        self._broken += piece.receipt.slot_words_broken
        self._pictured += piece.receipt.with_pictures

    def _file(self) -> LineFile:
        file = self._files.get(self._name)
        if file is None:
            file = self._files[self._name] = LineFile(self._place / self._name, as_list=True)
        return file

    def end(self) -> SplitTally:
        files = [self._name] if self._name in self._files else []
        return SplitTally(files, self._broken, self._pictured)

    def close(self) -> PicturesReceipt:
        for file in self._files.values():
            file.close()
        return NO_PICTURES if self._pictures is None else self._pictures.write()


def file_name(chosen: Chosen) -> str:
    """Return the name of the file that a split is written to."""
    role = "heldout-" if chosen.is_held_out else ""
    media = "video-" if chosen.is_video else ""
    return f"{role}{media}{chosen.split}.json"


def _row(sample: Asked) -> Row:
    row: Row = {"id": sample.sample_id}
    for media, key in (("image", "image"), ("video", "video")):
        paths = [picture_path(content) for content in sample.contents if content.media == media]
        if paths:
            row[key] = paths[0] if len(paths) == 1 else paths
    row["conversations"] = [
        {"from": "human", "value": f"{IMAGE}\n" * len(sample.contents) + sample.instruction},
        {"from": "gpt", "value": sample.response},
    ]
    if sample.fields:
        row["fields"] = sample.fields
    return row
