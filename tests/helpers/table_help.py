"""Reads an own table that a test writes, and holds what comes to what readers promise."""

import io
import tarfile
from pathlib import Path
from typing import NamedTuple

from instructify.catalog.load import load_catalog
from instructify.readers.base import CHUNK_ROWS, RawFile, ReadContext
from instructify.readers.table import READER
from instructify.rejects import REASONS, Reject
from instructify.schema import RECORD_SCHEMA


class Read(NamedTuple):
    records: list[dict[str, object]]
    rejects: list[Reject]


def run(raw: Path, entry: str) -> Read:
    """Read the default split of an own dataset `mine`, whose files lie below raw/mine."""
    lines = "".join(f"    {line}\n" for line in entry.strip().splitlines())
    path = raw / "mine.yaml"
    path.write_text(f"format: 1\ndatasets:\n  mine:\n{lines}", encoding="utf-8")
    dataset = load_catalog(extra=path).dataset("mine")
    split = dataset.split(dataset.default_splits[0])
    files = {
        spec.role: RawFile(f"mine/{spec.names[0]}", raw / "mine" / spec.names[0])
        for spec in split.files
    }
    options = {name: value for name, value in dataset.options.items() if value is not None}
    assert options.keys() == READER.options.keys()
    context = ReadContext(
        dataset="mine",
        split=split.name,
        options={name: str(value) for name, value in options.items()},
        files=files,
        folders=(raw / "mine",),
        seed=0,
    )
    records: list[dict[str, object]] = []
    rejects: list[Reject] = []
    for chunk in READER.read(context):
        assert chunk.records.schema == RECORD_SCHEMA
        assert chunk.records.num_rows <= 2 * CHUNK_ROWS
        records += chunk.records.to_pylist()
        rejects += chunk.rejects
    assert all(reject.reason in REASONS for reject in rejects)
    return Read(records, rejects)


def put(raw: Path, name: str, content: str | bytes) -> None:
    path = raw / "mine" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def reasons(read: Read) -> list[tuple[int | None, str | None, str]]:
    return [(reject.position, reject.field, reject.reason) for reject in read.rejects]


def shard(folder: Path, *members: tuple[str, bytes]) -> RawFile:
    """Write a tar of these members."""
    path = folder / "s.tar"
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return RawFile("s.tar", path)
