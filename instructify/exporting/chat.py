"""Chat messages as JSON lines, a file for each dataset and split, for three trainers at once.

LLaMA-Factory and ms-swift read `messages`, whose text holds `<image>` where the picture goes; TRL
reads `prompt` and `completion`, whose text does not, since it puts the pictures in itself. Both are
in every row. `dataset_info.json` is what LLaMA-Factory needs beside the files.
"""

from pathlib import Path

import pyarrow as pa

from instructify._util.shards import write_json
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
from instructify.exporting.slots import CHAT_SLOTS, IMAGE, VIDEO

DATASET_INFO = "dataset_info.json"
_SUFFIX = ".jsonl"


class ChatSink:
    """Writes chat messages and their pictures."""

    def __init__(self, place: Path, contents: Contents | None) -> None:
        self._place = place
        self._pictures = None if contents is None else PictureFiles(place, contents)
        self._info: dict[str, Row] = {}
        self._chosen: Chosen | None = None
        self._file: LineFile | None = None
        self._broken = self._pictured = 0

    def begin(self, chosen: Chosen) -> None:
        self._chosen = chosen
        self._file = None
        self._broken = self._pictured = 0

    def write(self, batch: pa.RecordBatch) -> None:
        assert self._chosen is not None
        if self._file is None:
            self._file = LineFile(self._place / _file_name(self._chosen), as_list=False)
        column = self._column
        for asked in asked_samples(batch, self._pictures, CHAT_SLOTS):
            self._broken += asked.broken
            self._pictured += bool(asked.contents)
            row = _row(asked)
            if column is not None:
                row[column] = [picture_path(content) for content in asked.contents]
            if asked.fields:
                row["fields"] = asked.fields
            self._file.add(row)

    def end(self) -> SplitTally:
        if self._file is None or self._chosen is None:
            return SplitTally([], 0, 0)
        self._file.close()
        name = _file_name(self._chosen)
        self._info[name.removesuffix(_SUFFIX)] = _told(name, self._column)
        return SplitTally([name], self._broken, self._pictured)

    def close(self) -> PicturesReceipt:
        write_json(self._place / DATASET_INFO, self._info)
        return NO_PICTURES if self._pictures is None else self._pictures.write()

    @property
    def _column(self) -> str | None:
        """The column of the paths; the three trainers agree on its name."""
        if self._pictures is None or self._chosen is None:
            return None
        return "videos" if self._chosen.is_video else "images"


def _file_name(chosen: Chosen) -> str:
    return f"{chosen.dataset}-{chosen.split}{_SUFFIX}"


def _row(asked: Asked) -> Row:
    slots = "".join(VIDEO if content.media == "video" else IMAGE for content in asked.contents)
    answer = {"role": "assistant", "content": asked.response}
    slotted = f"{slots}\n{asked.instruction}" if slots else asked.instruction
    return {
        "id": asked.sample_id,
        "messages": [{"role": "user", "content": slotted}, answer],
        "prompt": [{"role": "user", "content": asked.instruction}],
        "completion": [answer],
    }


def _told(name: str, column: str | None) -> Row:
    """Describe a file to LLaMA-Factory."""
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
