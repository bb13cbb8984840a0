"""Make staged files part of a build atomically.

A commit first writes a note: the target of each staged file, the files to delete, and the new
manifest and card. Then it carries the note out. A process that is killed before the note is written
leaves the old build, and one that is killed after it leaves the new build. Readers show the new
build through the note without changing anything, and the next command that writes completes the
commit. A note may come from a stranger, so all of it is checked before any file is read or moved.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from instructify._util.errors import UserError
from instructify._util.outside import NotReadableError, check_inside, decode_json, read_regular
from instructify._util.shards import sync, unwritable, write_bytes
from instructify.build.checked import BadBuildError, check_file, check_moves, check_writable
from instructify.build.lock import write_lock
from instructify.build.manifest import Manifest, parse_manifest
from instructify.build.paths import CARD, MANIFEST, BuildPaths


class _Commit(msgspec.Struct, forbid_unknown_fields=True):
    moves: dict[str, str]  # name below the root => name below the staging folder
    removes: list[str]
    manifest: str
    card: str


class Pending(NamedTuple):
    """A commit whose note is written and checked, but that is not complete yet."""

    moves: Mapping[str, str]
    removes: Sequence[str]
    manifest: Manifest
    manifest_bytes: bytes
    card: bytes

    def path(self, name: str, paths: BuildPaths) -> Path:
        """Return the present path of a file of the new build: staged, or in its place."""
        staged = self.moves.get(name)
        if staged is not None and os.path.lexists(paths.staging / staged):
            return paths.staging / staged
        return paths.root / name


def commit(
    paths: BuildPaths,
    *,
    moves: Mapping[str, Path],
    removes: Sequence[str],
    manifest: bytes,
    card: str,
) -> None:
    """Put staged files in their places and replace manifest and card, atomically."""
    note = _Commit(
        moves={
            name: str(staged.relative_to(paths.staging)) for name, staged in sorted(moves.items())
        },
        removes=sorted(removes),
        manifest=manifest.decode(),
        card=card,
    )
    write_bytes(paths.commit, msgspec.json.encode(note))
    sync(paths.staging)
    finish_commit(paths)


def read_pending(paths: BuildPaths) -> Pending | None:
    """Read and check the note of a commit, if there is one, without changing anything."""
    try:
        data = read_regular(paths.commit)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UserError(f"{paths.commit} can't be read: {error.strerror}.") from error
    check_inside(paths.commit, paths.root)
    try:
        note = decode_json(data, _Commit)
        manifest = parse_manifest(note.manifest.encode(), paths.commit)
        check_moves(note.moves, note.removes, manifest)
    except (NotReadableError, BadBuildError, UnicodeEncodeError) as error:
        raise UserError(
            f"{paths.commit} is no commit of ours ({error}); delete {paths.staging} to have the "
            "build as it was before, and convert again."
        ) from error
    return Pending(
        moves=note.moves,
        removes=note.removes,
        manifest=manifest,
        manifest_bytes=note.manifest.encode(),
        card=note.card.encode(),
    )


def carry_out(paths: BuildPaths) -> None:
    """Complete an unfinished commit, if there is one, under the write lock."""
    if read_pending(paths) is None:
        return
    with write_lock(paths.lock):
        finish_commit(paths)


def finish_commit(paths: BuildPaths) -> None:
    """Complete an unfinished commit, if there is one; the caller holds the write lock.

    Also refuses a build with links out of it at places that are written.
    """
    check_writable(paths)
    pending = read_pending(paths)
    if pending is None:
        return
    for name, staged in pending.moves.items():
        check_file(paths.staging / staged, paths.root, pending.manifest.files[name])
    try:
        _carry_out(pending, paths)
    except OSError as error:
        raise unwritable(Path(error.filename or paths.root), error) from error
    paths.commit.unlink()


def _carry_out(pending: Pending, paths: BuildPaths) -> None:
    folders = {paths.root}
    for name, staged in pending.moves.items():
        target = paths.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        folders.add(target.parent)
        source = paths.staging / staged
        if source.exists():  # otherwise an earlier attempt moved it
            os.replace(source, target)
    for name, data in ((CARD, pending.card), (MANIFEST, pending.manifest_bytes)):
        beside = paths.staging / f"next-{name}"  # if there, since a kill may leave a part of it
        write_bytes(beside, data)
        os.replace(beside, paths.root / name)
    for name in pending.removes:
        (paths.root / name).unlink(missing_ok=True)
    for folder in folders:
        sync(folder)
