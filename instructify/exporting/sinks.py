"""Make the sink of each format."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from instructify.exporting.chat import ChatSink
from instructify.exporting.contents import Contents
from instructify.exporting.llava import LlavaSink
from instructify.exporting.options import ExportOptions
from instructify.exporting.sink import PictureMarks, PictureWriter, Sink
from instructify.exporting.webdataset import WebdatasetSink


@dataclass(frozen=True, kw_only=True, slots=True)
class SinkParts:
    """Arguments of the sinks; each sink uses those of its format.

    Args:
        contents: for formats with the bytes of pictures in their files.
        marks: for rows of formats with files of pictures beside them.
        pictures: for formats with files of pictures beside them.
        columns: for Parquet, the picture column of each dataset.
        finished: called with each large file when it is complete.
        databases: Energon's SQLite index of each dataset, where pieces are assembled.
        is_piece: whether the sink writes a piece, from which the whole is assembled.
    """

    place: Path
    build_sha256: str
    options: ExportOptions
    contents: Contents | None
    marks: PictureMarks | None
    pictures: PictureWriter | None
    columns: Mapping[str, str]
    finished: Callable[[Path], None]
    databases: Mapping[str, Path] | None = None
    is_piece: bool = False


def make_sink(parts: SinkParts, measured: list[int] | None = None) -> Sink:
    """Make the sink of a format; a Parquet sink may only measure its row groups."""
    options = parts.options
    match options.shape:
        case "llava":
            return LlavaSink(parts.place, parts.marks, parts.pictures)
        case "chat":
            return ChatSink(parts.place, parts.marks, parts.pictures)
        case "webdataset":
            return WebdatasetSink(
                parts.place,
                parts.contents,
                has_pictures=options.pictures,
                shard_bytes=options.shard_bytes,
                identity=f"{parts.build_sha256} {json.dumps(options.told())}",
                finished=parts.finished,
                databases=parts.databases,
                is_piece=parts.is_piece,
            )
        case "parquet" | "hub":
            from instructify.exporting.parquet import ParquetSink  # imports pyarrow.parquet

            return ParquetSink(
                parts.place,
                parts.contents,
                parts.columns,
                has_pictures=options.pictures,
                shard_bytes=options.shard_bytes,
                prefix=options.prefix,
                finished=parts.finished,
                measured=measured,
            )
