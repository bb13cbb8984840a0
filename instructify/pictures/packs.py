"""Take pictures out of raw files that contain them (Parquet, tars, base64) while these are read.

The unit that reads a split writes them one after another into a pack, a file in the staging folder,
and beside it an index of their places. The search for pictures treats a pack as a tar: `merge_web`
adds it to the map of names. Names are made from contents, so a picture that the build already
stores is not read again.
"""

from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from instructify._util.shards import FileFacts, stream_arrow, unwritable
from instructify.pictures.tars import SCAN_SCHEMA, WebScan

PACK = "pictures.bin"
PACK_INDEX = "pictures.arrow"


class PackWriter:
    """Writes the pack of a split into the folder of its unit; no file if no picture is added."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: BinaryIO | None = None
        self._names: list[str] = []
        self._offsets: list[int] = []
        self._sizes: list[int] = []
        self._size_bytes = 0

    def add(self, name: str, data: bytes) -> None:
        """Append a picture."""
        path = self._folder / PACK
        try:
            if self._file is None:
                self._file = path.open("xb")
            self._file.write(data)
        except OSError as error:
            raise unwritable(path, error) from error
        self._names.append(name)
        self._offsets.append(self._size_bytes)
        self._sizes.append(len(data))
        self._size_bytes += len(data)

    def close(self) -> list[FileFacts]:
        """Finish pack and index and describe both files; empty if no picture was added."""
        if self._file is None:
            return []
        path = self._folder / PACK
        try:
            self._file.close()
        except OSError as error:
            raise unwritable(path, error) from error
        columns = [
            pa.array(self._names, pa.string()),
            pa.nulls(len(self._names), pa.string()),
            pa.array(self._offsets, pa.int64()),
            pa.array(self._sizes, pa.int64()),
        ]
        batch = pa.RecordBatch.from_arrays(columns, schema=SCAN_SCHEMA)
        return [
            FileFacts(PACK, len(self._names), self._size_bytes, ""),  # staged, never in a build
            stream_arrow(self._folder / PACK_INDEX, SCAN_SCHEMA, [batch]),
        ]


def pack_scan(folder: Path, root: str, staging: Path) -> WebScan:
    """Return the pack of a unit as a scan, for `merge_web`; `root` is the label of `staging`."""
    file = (folder / PACK).relative_to(staging).as_posix()
    return WebScan(root, file, folder / PACK_INDEX, None)
