"""Makes staged files part of a build in one decision.

A commit is first written down whole (which staged file goes where, what goes away, the new
manifest and card) and then carried out. The note is the decision: killed before it, the old build
stands; killed after it, the next command that opens the build carries it out to the end.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from instructify._util.errors import UserError
from instructify._util.shards import sync, unwritable, write_bytes
from instructify.build.paths import CARD, MANIFEST, BuildPaths


class _Commit(msgspec.Struct):
    moves: dict[str, str]  # name below the root => name below the staging folder
    removes: list[str]
    manifest: str
    card: str


def commit(
    paths: BuildPaths,
    *,
    moves: Mapping[str, Path],
    removes: Sequence[str],
    manifest: bytes,
    card: str,
) -> None:
    """Put staged files in their places and replace manifest and card; all of it or nothing."""
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


def finish_commit(paths: BuildPaths) -> None:
    """Carry out a commit that was decided, if there is one. Needs the write lock."""
    try:
        note = msgspec.json.decode(paths.commit.read_bytes(), type=_Commit)
    except FileNotFoundError:
        return
    except msgspec.DecodeError as error:
        raise UserError(f"{paths.commit} is damaged; delete it and convert again.") from error
    try:
        _carry_out(note, paths)
    except OSError as error:
        raise unwritable(Path(error.filename or paths.root), error) from error
    paths.commit.unlink()


def _carry_out(note: _Commit, paths: BuildPaths) -> None:
    folders = {paths.root}
    for name, staged in note.moves.items():
        target = paths.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        folders.add(target.parent)
        source = paths.staging / staged
        if source.exists():  # else an earlier attempt moved it
            os.replace(source, target)
    for name, text in ((CARD, note.card), (MANIFEST, note.manifest)):
        beside = paths.staging / f"next-{name}"  # there, since a kill may leave a part of it
        write_bytes(beside, text.encode())
        os.replace(beside, paths.root / name)
    for name in note.removes:
        (paths.root / name).unlink(missing_ok=True)
    for folder in folders:
        sync(folder)
