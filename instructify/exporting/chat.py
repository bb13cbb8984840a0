"""Chat messages as JSON lines, a file for each dataset and split, for three trainers at once.

LLaMA-Factory and ms-swift read `messages`, whose text has `<image>` at the place of the picture.
TRL reads `prompt` and `completion`, whose text has no such word, since TRL inserts the pictures.
Every row has both. LLaMA-Factory also needs `dataset_info.json`.
"""

from pathlib import Path

import pyarrow as pa

from instructify._util.shards import write_json
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
from instructify.exporting.slots import CHAT_SLOTS, IMAGE, VIDEO

DATASET_INFO = "dataset_info.json"
_SUFFIX = ".jsonl"


class ChatSink:
    """Writes chat messages and their pictures."""

    def __init__(
        self, place: Path, marks: PictureMarks | None, pictures: PictureWriter | None
    ) -> None:
        """Open the sink; `marks` is None without pictures, and where only pieces are assembled."""
        self._place = place
        self._marks = marks
        self._pictures = pictures
        self._info: dict[str, Row] = {}
        self._chosen: Chosen | None = None
        self._file: LineFile | None = None
        self._broken = self._pictured = 0

    def begin(self, chosen: Chosen, start: Start = WHOLE) -> None:
        self._chosen = chosen
        self._file = None
        self._broken = self._pictured = 0

    def write(self, batch: pa.RecordBatch) -> None:
        file = self._open()
        column = self._column
        for sample in asked_samples(batch, self._marks, CHAT_SLOTS):
            self._broken += sample.broken
            self._pictured += bool(sample.contents)
            row = _row(sample)
            if column is not None:
                row[column] = [picture_path(content) for content in sample.contents]
            if sample.fields:
                row["fields"] = sample.fields
            file.add(row)

    def adopt(self, piece: Piece) -> None:
        assert self._chosen is not None
        self._open().append(piece.folder / _file_name(self._chosen), piece.receipt.rows)
        self._broken += piece.receipt.slot_words_broken
        self._pictured += piece.receipt.with_pictures

    def _open(self) -> LineFile:
        assert self._chosen is not None
        if self._file is None:
            self._file = LineFile(self._place / _file_name(self._chosen), as_list=False)
        return self._file

    def end(self) -> SplitTally:
        if self._file is None or self._chosen is None:
            return SplitTally([], 0, 0)
        self._file.close()
        name = _file_name(self._chosen)
        self._info[name.removesuffix(_SUFFIX)] = _file_entry(name, self._column)
        return SplitTally([name], self._broken, self._pictured)

    def close(self) -> PicturesReceipt:
        write_json(self._place / DATASET_INFO, self._info)
        return NO_PICTURES if self._pictures is None else self._pictures.write()

    @property
    def _column(self) -> str | None:
        """The column of the picture paths, which has the same name for the three trainers."""
        if self._pictures is None or self._chosen is None:
            return None
        return "videos" if self._chosen.is_video else "images"


def _file_name(chosen: Chosen) -> str:
    return f"{chosen.dataset}-{chosen.split}{_SUFFIX}"


def _row(sample: Asked) -> Row:
    slots = "".join(VIDEO if content.media == "video" else IMAGE for content in sample.contents)
    answer = {"role": "assistant", "content": sample.response}
    slotted = f"{slots}\n{sample.instruction}" if slots else sample.instruction
    return {
        "id": sample.sample_id,
        "messages": [{"role": "user", "content": slotted}, answer],
        "prompt": [{"role": "user", "content": sample.instruction}],
        "completion": [answer],
    }


def _file_entry(name: str, column: str | None) -> Row:
    """Return the entry of a file in `dataset_info.json`."""
    columns = {"messages": "messages"}
    if column is not None:
        columns[column] = column
    tags = {
        "role_tag": "role",
        "content_tag": "content",
        "user_tag": "user",
        "assistant_tag": "assistant",
    }
    return {"file_name": name, "formatting": "sharegpt", "columns": columns, "tags": tags}
