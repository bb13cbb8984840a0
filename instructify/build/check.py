"""Check a build against its manifest, byte by byte, for missing, changed and extra files."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from instructify._util.errors import UserError
from instructify._util.file_names import is_stray
from instructify._util.outside import read_regular
from instructify._util.shards import hash_file
from instructify._util.wording import counted
from instructify.build.card import render_card
from instructify.build.checked import check_file
from instructify.build.manifest import FileEntry
from instructify.build.opened import Build
from instructify.build.paths import CARD, MANIFEST
from instructify.pictures import (
    LOCAL_FOLDER,
    check_index,
    count_other_contents,
    read_index,
    stored_hashes,
)


class Finding(NamedTuple):
    """A fault of a file in a build."""

    file: str
    what: str


def check_build(build: Build) -> Iterator[Finding]:
    """Yield the faults of a build file by file; reads every byte (about 1 GB a second)."""
    stores = set(build.manifest.pictures.stores)
    for name, entry in build.manifest.files.items():
        finding = _check_file(build, name, entry)
        if finding is not None:
            yield finding
        if name in stores:  # at once, while the bytes are still in the system's memory
            yield from _check_store(build, name)
    yield from _check_counts(build)
    yield from _check_index(build)
    yield from _check_unlisted(build)
    manifest, card = _manifest_and_card(build)
    if manifest != build.manifest.to_bytes():
        yield Finding(MANIFEST, "was changed after the build")
    if card != render_card(build.manifest).encode():
        yield Finding(f"{CARD} or {MANIFEST}", "was changed: the two do not go together")


def _manifest_and_card(build: Build) -> tuple[bytes, bytes]:
    """Read manifest and card from the build or, if it has an unfinished commit, from that."""
    if build.pending is not None:
        return build.pending.manifest_bytes, build.pending.card
    card = build.paths.card
    return read_regular(build.paths.manifest), read_regular(card) if card.is_file() else b""


def _check_file(build: Build, name: str, entry: FileEntry) -> Finding | None:
    path = build.place(name)
    if not path.exists():
        return Finding(name, "is missing")
    try:
        check_file(path, build.paths.root, None)
    except UserError:
        return Finding(name, "is no regular file of the build, or a link out of it")
    size = path.stat().st_size
    if size != entry.size_bytes:
        return Finding(name, f"has {counted(size, 'byte')} and should have {entry.size_bytes:,}")
    if hash_file(path) != entry.sha256:
        return Finding(name, "was changed after the build")
    return None


def _check_index(build: Build) -> Iterator[Finding]:
    """Check names and places in the picture index, which may be hostile in an intact build."""
    for name in build.manifest.pictures.index:
        if build.place(name).is_file():
            try:
                index = read_index(build.path(name))
                check_index(index)
            except UserError as error:
                yield Finding(name, str(error).split("; ")[0])
            else:
                yield from _check_places(build, name, index)


def _check_places(build: Build, name: str, index: pa.Table) -> Iterator[Finding]:
    """Check the place of each stored picture against the shards of the store."""
    stored = index.filter(pc.is_valid(index["shard"])).select(["sha256", "shard", "row"])
    for shard in pc.unique(stored["shard"]).to_pylist():
        file = f"pictures/{shard}"
        of = stored.filter(pc.equal(stored["shard"], shard))
        if file not in build.manifest.pictures.stores:
            yield Finding(name, f"names {file}, which the build does not have")
        elif build.place(file).is_file() and not _are_there(of, build.place(file)):
            yield Finding(name, f"names rows of {file} that hold other pictures, or none")


def _are_there(places: pa.Table, shard: Path) -> bool:
    try:
        hashes = stored_hashes(shard)
    except UserError:  # `_check_store` says so
        return True
    rows = places["row"].filter(pc.less(places["row"], len(hashes)))
    return len(rows) == len(places) and hashes.take(rows).equals(places["sha256"])


def _check_store(build: Build, name: str) -> Iterator[Finding]:
    """Check the bytes of pictures of the store against their hashes, as reading and `export` do."""
    path = build.place(name)
    if path.is_file():
        try:
            others = count_other_contents(path)
        except UserError as error:
            yield Finding(name, f"is no shard of pictures ({error})")
        else:
            if others:
                yield Finding(name, f"holds {counted(others, 'picture')} of another hash")


def _check_unlisted(build: Build) -> Iterator[Finding]:
    """Report shards that the manifest does not name; other files in a build are ignored."""
    for folder in ("records", "samples", "pictures"):
        for path in sorted((build.paths.root / folder).rglob("*.arrow")):
            name = path.relative_to(build.paths.root).as_posix()
            if name in build.manifest.files or LOCAL_FOLDER in Path(name).parents:
                continue
            if is_stray(path.name):
                continue
            if build.pending is None or name not in build.pending.removes:
                yield Finding(name, "is not named by the manifest")


def _check_counts(build: Build) -> Iterator[Finding]:
    files = build.manifest.files
    for dataset, entry in build.manifest.datasets.items():
        for split, of in entry.splits.items():
            for kind, shards, rows in (
                ("records", of.record_shards, of.records),
                ("samples", of.sample_shards, of.samples),
            ):
                held = sum(files[name].rows for name in shards if name in files)
                if held != rows:
                    yield Finding(
                        f"{kind}/{dataset}/{split}", f"holds {counted(held, 'row')}, not {rows:,}"
                    )
