"""Check everything that is read from a build, since a build may come from a stranger.

Only the manifest and the note of a commit name files. Every name in them must have one of the few
forms that this package writes, so that no name leads out of the build, and every count is limited
by the bytes in the files. Hashes prove the content; see docs/security.md.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from instructify._util.errors import UserError
from instructify._util.outside import check_inside, check_links, check_regular, is_below
from instructify.build.paths import (
    CANDIDATES,
    CARD,
    LOCK,
    MANIFEST,
    STAGING,
    BuildPaths,
    rejects_name,
)
from instructify.pictures import MOST_PARTS

if TYPE_CHECKING:  # this module checks the manifest when it is read
    from instructify.build.manifest import FileEntry, Manifest

_NAME = re.compile(r"[a-z0-9_]{1,200}")
_FILE = re.compile(
    r"(records|samples)/[a-z0-9_]{1,200}/[a-z0-9_]{1,200}-[0-9]{5,9}\.arrow"
    r"|rejects/[a-z0-9_]{1,200}\.jsonl"
    r"|pictures/((index|problems)-[0-9]{3}|[0-9]{5,9})-[0-9a-f]{8}\.arrow"
    r"|candidates\.arrow"
)
_WRITTEN = ("records", "samples", "pictures", "rejects", STAGING, LOCK, MANIFEST, CARD, CANDIDATES)


class BadBuildError(ValueError):
    """A manifest or commit note has contents that this package does not write."""


def is_build_file(name: str) -> bool:
    """Whether a commit may put a file of this name into a build."""
    return _FILE.fullmatch(name) is not None


def is_name(name: str) -> bool:
    """Whether a dataset or split may have a name."""
    return _NAME.fullmatch(name) is not None


def check_manifest(manifest: "Manifest") -> None:
    """Check every name and count of a manifest; raises BadBuildError."""
    for name, entry in manifest.files.items():
        if not is_build_file(name):
            raise BadBuildError(f"it names {name!r}, which is no file of a build")
        if entry.rows > entry.size_bytes:
            raise BadBuildError(f"{name} cannot hold {entry.rows:,} rows in its bytes")
    for name in _named(manifest):
        if name not in manifest.files:
            raise BadBuildError(f"{name!r} has no entry")
    for dataset, of in manifest.datasets.items():
        _check_name(dataset)
        for split in of.splits:
            _check_name(split)
    _check_shards(manifest)


def check_moves(moves: Mapping[str, str], removes: Iterable[str], manifest: "Manifest") -> None:
    """Check the names of a commit against its new manifest; raises BadBuildError."""
    for name, staged in moves.items():
        if name not in manifest.files:
            raise BadBuildError(f"it brings {name!r}, which its manifest does not name")
        if not is_below(staged) or not staged.endswith((".arrow", ".jsonl")):
            raise BadBuildError(f"it takes {staged!r}, which is no name below the staging folder")
    for name in removes:
        if not is_build_file(name) or name in manifest.files:
            raise BadBuildError(f"it removes {name!r}, which no commit of this build may remove")


def check_file(path: Path, root: Path, entry: "FileEntry | None") -> None:
    """Refuse a file that is a link out of the build, a pipe or a device, or of another size.

    A missing file is not refused here; opening it gives a better error.
    """
    try:
        facts = check_regular(path)
    except FileNotFoundError:
        return
    check_inside(path, root)
    if entry is not None and facts.st_size != entry.size_bytes:
        raise UserError(
            f"{path} is damaged: it has {facts.st_size:,} bytes and should have "
            f"{entry.size_bytes:,}; `instructify verify {root}` says what else is."
        )


def check_writable(paths: BuildPaths) -> None:
    """Refuse to write into a build with links out of it at places that are written."""
    check_links(paths.root, _WRITTEN)


def _check_shards(manifest: "Manifest") -> None:
    """Check that shards are in the folder of their dataset and belong to one split."""
    seen: set[str] = set()
    for dataset, entry in manifest.datasets.items():
        for split, of in entry.splits.items():
            for kind, shards in (("records", of.record_shards), ("samples", of.sample_shards)):
                for name in shards:
                    if not name.startswith(f"{kind}/{dataset}/{split}-") or name in seen:
                        raise BadBuildError(f"{name!r} is no shard of {kind} of {dataset}/{split}")
                    seen.add(name)
    pictures = manifest.pictures
    for name in pictures.stores:
        if not name.startswith("pictures/") or not name[9].isdigit():
            raise BadBuildError(f"{name!r} is no shard of pictures")
    for stem, parts in (("index", pictures.index), ("problems", pictures.problems)):
        _check_parts(stem, parts)
    if len(pictures.index) != len(pictures.problems):
        raise BadBuildError("the picture index and its problems are not of one number of parts")
    for name in pictures.families:
        _check_name(name)


def _check_parts(stem: str, parts: Sequence[str]) -> None:
    """Check that the parts of ranges of keys are complete, in order, and each once."""
    for number, name in enumerate(parts):
        if not name.startswith(f"pictures/{stem}-{number:03}-"):
            raise BadBuildError(f"{name!r} is no part {number} of the picture {stem}")
    if len(parts) & (len(parts) - 1) or len(parts) > MOST_PARTS:
        raise BadBuildError(f"a picture {stem} has no {len(parts)} parts")


def _named(manifest: "Manifest") -> Iterator[str]:
    """Return every file that other entries of the manifest name."""
    pictures = manifest.pictures
    yield from (*pictures.index, *pictures.problems, *pictures.stores)
    for name, dataset in manifest.datasets.items():
        yield rejects_name(name)
        for split in dataset.splits.values():
            yield from (*split.record_shards, *split.sample_shards)


def _check_name(name: str) -> None:
    if not is_name(name):
        raise BadBuildError(f"{name!r} is no name of a dataset or split")
