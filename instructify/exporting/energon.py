"""The index files of Megatron-Energon beside the tars, as `energon prepare` (7.4) makes them.

Each tar gets a `.tar.idx` of sample offsets. `.nv-meta/` holds the shard counts, the splits, an
SQLite index of all samples and their parts, its id, and `dataset.yaml` with the type of a sample:
VQASample if each has one picture, VidQASample if each has one clip, else CrudeSample.
"""

import errno
import json
import sqlite3
import struct
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import yaml

META = ".nv-meta"
ANSWER, VIDEO_ANSWER, CRUDE = "VQASample", "VidQASample", "CrudeSample"
_ENERGON = {"__module__": "megatron.energon"}
_HELD_ROWS = 4_096
_ENERGON_SPLITS = ("train", "val", "test")  # that its loaders read
_NAMESPACE = uuid.UUID("6f1f5f6e-52d3-5d0b-8d2a-8c1f5d1f7a10")  # of ids made from content

# The statements of SqliteIndexWriter in energon's flavors/webdataset/indexing.py.
_TABLES = (
    "CREATE TABLE samples (tar_file_id INTEGER NOT NULL, sample_key TEXT NOT NULL UNIQUE, "
    "sample_index INTEGER NOT NULL, byte_offset INTEGER, byte_size INTEGER)",
    "CREATE TABLE sample_parts (tar_file_id INTEGER, sample_index INTEGER, part_name TEXT, "
    "content_byte_offset INTEGER, content_byte_size INTEGER)",
)
_INDICES = (
    "CREATE INDEX idx_samples_by_tar_and_idx ON samples(tar_file_id, sample_index)",
    "CREATE INDEX idx_sample_parts_seq "
    "ON sample_parts(tar_file_id, sample_index, content_byte_offset)",
    "CREATE INDEX idx_sample_parts_full ON sample_parts"
    "(tar_file_id, sample_index, part_name, content_byte_offset, content_byte_size)",
)
_SAMPLES_OF = (
    "SELECT sample_key, sample_index, byte_offset, byte_size FROM samples "
    "WHERE tar_file_id = ? ORDER BY rowid"
)
_PARTS_OF = (
    "SELECT sample_index, part_name, content_byte_offset, content_byte_size FROM sample_parts "
    "WHERE tar_file_id = ? ORDER BY rowid"
)

Part = tuple[str, int, int]  # name after the key, offset of its bytes in the tar, number of bytes


class EnergonIndex:
    """Collects the index of one dataset while its tars are written."""

    def __init__(self, folder: Path, *, is_video: bool, identity: str) -> None:
        self._folder = folder
        self._is_video = is_video
        self._identity = identity
        (folder / META).mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(folder / META / "index.sqlite", isolation_level=None)
        # The file is not read before it is complete, so it needs no journal.
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE"):
            self._database.execute(f"PRAGMA {pragma}").fetchall()
        self._database.execute("BEGIN")
        for statement in _TABLES:
            self._database.execute(statement)
        self._samples: list[tuple[int, str, int, int, int]] = []
        self._parts: list[tuple[int, int, str, int, int]] = []
        self._counts: dict[str, int] = {}
        self._splits: dict[str, list[str]] = {}
        self._offsets: list[int] = []
        self._shard = ""
        self._contents_seen: set[int] = set()

    def begin_shard(self, split: str, name: str) -> None:
        self._shard = name
        self._splits.setdefault(split, []).append(name)
        self._offsets = []

    def add(
        self, key: str, offset: int, size_bytes: int, members: Sequence[Part], contents: int
    ) -> None:
        """Add one sample: its extent in the tar, its files, its number of pictures."""
        shard, number = len(self._counts), len(self._offsets)
        self._samples.append((shard, key, number, offset, size_bytes))
        self._parts += [(shard, number, *member) for member in members]
        self._offsets.append(offset)
        self._contents_seen.add(contents)
        if len(self._samples) >= _HELD_ROWS:
            self._flush()

    def end_shard(self, offset: int) -> None:
        """Write the sample offsets of a shard; `offset` is the end of its last member."""
        ends = [*self._offsets, offset]
        path = self._folder / f"{self._shard}.idx"
        path.write_bytes(struct.pack(f"<{len(ends)}Q", *ends))
        self._counts[self._shard] = len(self._offsets)

    def adopt(self, folder: Path, split: str, names: Sequence[str]) -> None:
        """Add the samples of tars whose index another process made in `folder`, in its order."""
        database = sqlite3.connect(folder / META / "index.sqlite")
        with closing(database), self._as_os_error():
            for number, name in enumerate(names):
                self.begin_shard(split, name)
                parts = database.execute(_PARTS_OF, (number,))
                members: dict[int, list[Part]] = {}
                for sample, *part in parts:
                    members.setdefault(sample, []).append((part[0], part[1], part[2]))
                for key, sample, offset, size in database.execute(_SAMPLES_OF, (number,)):
                    self.add(key, offset, size, members[sample], len(members[sample]) - 1)
                end = (folder / f"{name}.idx").read_bytes()[-8:]
                self.end_shard(*struct.unpack("<Q", end))

    def close(self) -> str:
        """Write `.nv-meta`, and return the class of the samples in Energon."""
        self._flush()
        with self._as_os_error():
            for statement in _INDICES:
                self._database.execute(statement)
            self._database.execute("COMMIT")
            self._database.close()
        meta = self._folder / META
        info = {"energon_version": None, "shard_counts": self._counts}
        (meta / ".info.json").write_text(json.dumps(info, indent=2) + "\n", "utf-8")
        (meta / "index.uuid").write_text(str(uuid.uuid5(_NAMESPACE, self._identity)), "utf-8")
        splits = {name: self._splits.get(name, []) for name in (*_ENERGON_SPLITS, *self._splits)}
        _write_yaml(meta / "split.yaml", {"split_parts": splits, "exclude": []})
        kind = self._kind()
        _write_yaml(meta / "dataset.yaml", _described(kind))
        return kind

    def _kind(self) -> str:
        if self._contents_seen != {1}:
            return CRUDE
        return VIDEO_ANSWER if self._is_video else ANSWER

    def _flush(self) -> None:
        with self._as_os_error():
            insert = "INSERT INTO {} VALUES (?, ?, ?, ?, ?)"
            self._database.executemany(insert.format("samples"), self._samples)
            self._database.executemany(insert.format("sample_parts"), self._parts)
        self._samples, self._parts = [], []

    @contextmanager
    def _as_os_error(self) -> Iterator[None]:
        """Raise errors of SQLite, such as a full disk, as OSError like those of other files."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise OSError(errno.EIO, str(error)) from error


def write_blend(path: Path, datasets: Sequence[str], split: str) -> None:
    """Write a metadataset with one pass over each of these datasets."""
    blend = [{"repetitions": 1, "path": name, "split_part": split} for name in datasets]
    splits = {split: {"blend_epochized": blend}}
    _write_yaml(path, {**_ENERGON, "__class__": "MetadatasetV2", "splits": splits})


def _described(kind: str) -> dict[str, Any]:
    if kind == CRUDE:
        return {
            **_ENERGON,
            "__class__": "CrudeWebdataset",
            "subflavors": {"crude_type": "instructify"},
        }
    is_video = kind == VIDEO_ANSWER
    suffixes = "avi,mp4,webm,mkv,flv" if is_video else "jpg,png,webp,gif,bmp"
    return {
        "sample_type": {**_ENERGON, "__class__": kind},
        "field_map": {
            "video" if is_video else "image": suffixes,
            "context": "json[instruction]",
            "answers": "json[answers]",
        },
    }


def _write_yaml(path: Path, value: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(value, sort_keys=False), "utf-8")
