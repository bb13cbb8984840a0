"""The index files of Megatron-Energon beside the tars, as `energon prepare` (7.4) makes them.

Each tar gets a `.tar.idx` of sample offsets. `.nv-meta/` holds the shard counts, the splits, an
SQLite index of all samples and their parts, its id, and `dataset.yaml` with the type of a sample:
VQASample if each has one picture, VidQASample if each has one clip, else CrudeSample.
"""

import json
import os
import struct
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from instructify.exporting.energon_rows import Part, Rows, SampleRow

META = ".nv-meta"
DATABASE = "index.sqlite"
ANSWER, VIDEO_ANSWER, CRUDE = "VQASample", "VidQASample", "CrudeSample"
_ENERGON = {"__module__": "megatron.energon"}
_ENERGON_SPLITS = ("train", "val", "test")  # that its loaders read
_NAMESPACE = uuid.UUID("6f1f5f6e-52d3-5d0b-8d2a-8c1f5d1f7a10")  # of ids made from content


class EnergonIndex:
    """Collects the index of one dataset while its tars are written, or while pieces are adopted.

    Args:
        rows: takes the samples; None if the SQLite index exists already.
    """

    def __init__(self, folder: Path, rows: Rows | None) -> None:
        self._folder = folder
        self._rows = rows
        self._counts: dict[str, int] = {}
        self._splits: dict[str, list[str]] = {}
        self._offsets: list[int] = []
        self._shard = ""
        self._all_have_one = True  # whether each sample has exactly one picture or clip

    def begin_shard(self, split: str, name: str) -> None:
        self._shard = name
        self._splits.setdefault(split, []).append(name)
        self._offsets = []

    def add(self, key: str, offset: int, size_bytes: int, members: Sequence[Part]) -> None:
        """Add one sample: its extent in the tar, and its files, of which the last is the JSON."""
        assert self._rows is not None
        place = (len(self._counts), len(self._offsets))
        self._rows.add(SampleRow(*place, key, offset, size_bytes, members))
        self._offsets.append(offset)
        self._all_have_one = self._all_have_one and len(members) == 2

    def end_shard(self, offset: int) -> None:
        """Write the sample offsets of a shard; `offset` is the end of its last member."""
        ends = [*self._offsets, offset]
        offsets_file(self._folder / self._shard).write_bytes(struct.pack(f"<{len(ends)}Q", *ends))
        self._counts[self._shard] = len(self._offsets)

    def adopt(self, split: str, names: Sequence[str], *, all_have_one: bool) -> None:
        """Add tars of a split whose rows are in the SQLite index, and whose offset files exist."""
        self._splits.setdefault(split, []).extend(names)
        for name in names:
            self._counts[name] = count_samples(self._folder / name)
        self._all_have_one = self._all_have_one and all_have_one

    def close_rows(self) -> None:
        """Finish the file of rows."""
        if self._rows is not None:
            self._rows.close()

    def write_meta(self, *, is_video: bool, identity: str) -> str:
        """Write the other files of `.nv-meta`, and return the class of the samples in Energon."""
        meta = self._folder / META
        info = {"energon_version": None, "shard_counts": self._counts}
        (meta / ".info.json").write_text(json.dumps(info, indent=2) + "\n", "utf-8")
        (meta / "index.uuid").write_text(str(uuid.uuid5(_NAMESPACE, identity)), "utf-8")
        splits = {name: self._splits.get(name, []) for name in (*_ENERGON_SPLITS, *self._splits)}
        _write_yaml(meta / "split.yaml", {"split_parts": splits, "exclude": []})
        kind = CRUDE
        if self._all_have_one:
            kind = VIDEO_ANSWER if is_video else ANSWER
        _write_yaml(meta / "dataset.yaml", _described(kind))
        return kind


def offsets_file(tar: Path) -> Path:
    """Return the path of the file of sample offsets of a tar."""
    return tar.with_name(f"{tar.name}.idx")


def count_samples(tar: Path) -> int:
    """Count the samples of a tar by the size of its offset file, whose last offset is an end."""
    return samples_by_size(os.path.getsize(offsets_file(tar)))


def samples_by_size(size_bytes: int) -> int:
    """Return how many samples an offset file of this size has."""
    return size_bytes // struct.calcsize("<Q") - 1


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
