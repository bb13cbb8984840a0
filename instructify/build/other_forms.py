"""Look for a missing raw file in other forms: compressed, in another folder, or converted.

Only names are used, and the lists of contents of zip archives. The search is limited, since a raw
root may hold millions of pictures.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from instructify.catalog import Catalog, Dataset, RawFileSpec
from instructify.readers import COMPRESSED_SUFFIXES, zip_names

_MOST_ENTRIES = 20_000
_MOST_IN_FOLDER = 4_000
_MOST_DEPTH = 3
_MOST_ZIPS = 20
_TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
# Files that LAVIS makes of the releases under its own names, some from several files.
_LAVIS = frozenset(
    f"{name}{split}.json"
    for name in ("vqa", "okvqa", "aokvqa", "ocrvqa", "gqa", "textvqa", "vizwiz", "iconqa")
    for split in ("_train", "_val", "_val_eval", "_test", "_test_dev", "_testdev")
)


class _Entry(NamedTuple):
    """A file: its path, and its name relative to the raw root."""

    path: Path
    shown: str


def forms_at_hand(
    catalog: Catalog, dataset: Dataset, missing: Sequence[RawFileSpec], root: Path
) -> list[str]:
    """Return phrases that say where missing files may be, without repetition.

    The phrases follow "expected in FOLDER", to which "there" refers.

    Args:
        missing: missing files of a split of the dataset.
        root: the raw root; archives may be in it or in the folder of the release.
    """
    folder = root / dataset.release
    here = list(_files(folder, root))
    loose = list(_files(root, root, depth=0))
    zips = [entry for entry in (*here, *loose) if entry.shown.lower().endswith(".zip")][:_MOST_ZIPS]
    inside = {archive: {_base(name): name for name in zip_names(archive.path)} for archive in zips}
    get = catalog.release_of(dataset).get
    phrases: list[str] = []
    for spec in missing:
        names = spec.names_for(dataset.options)
        phrase = _elsewhere(here, names, folder, root) or _in_zip(inside, names)
        if phrase is not None:
            phrases.append(phrase)
    if not phrases:
        phrases += _unopened([*here, *loose], inside, get)
    if not phrases:
        phrases += _another_form(here)
    return list(dict.fromkeys(phrases))


def _elsewhere(
    here: Sequence[_Entry], names: Sequence[str], folder: Path, root: Path
) -> str | None:
    """Find a file whose name differs in case, or that is in another folder."""
    wanted = {_base(name): name for name in reversed(names) if PurePosixPath(name).suffix}
    for entry in here:
        base = _base(entry.shown)
        for suffix in ("", *COMPRESSED_SUFFIXES):
            name = wanted.get(base.removesuffix(suffix)) if base.endswith(suffix) else None
            if name is not None and PurePosixPath(name).parts[0] != "..":
                kept = PurePosixPath(entry.shown).suffix if suffix else ""
                place = _shown(folder / (name + kept), root)
                return f"found {entry.shown}; it is looked for as {place}, rename or move it"
    return None


def _in_zip(inside: dict[_Entry, dict[str, str]], names: Sequence[str]) -> str | None:
    for entry, members in inside.items():
        for name in names:
            if _base(name) in members:
                member = PurePosixPath(members[_base(name)]).name
                return f"found {entry.shown}, which holds {member}; unpack it there"
    return None


def _unopened(
    files: Sequence[_Entry], inside: dict[_Entry, dict[str, str]], get: str
) -> Iterator[str]:
    """List archives of the release whose contents can't be listed."""
    for entry in files:
        name = PurePosixPath(entry.shown).name
        if name not in get:
            continue
        if entry in inside and not inside[entry]:
            yield f"found {entry.shown}, which is no whole zip archive; fetch it again"
        elif name.lower().endswith(_TARS):
            yield f"found {entry.shown}; unpack it there"


def _another_form(here: Sequence[_Entry]) -> Iterator[str]:
    """Return the first file that has the release in a form that no reader supports."""
    for entry in here:
        base = _base(entry.shown)
        if base.endswith(".parquet"):
            yield (
                f"found {entry.shown}, a copy of the Hub in Parquet, which is another form; get "
                "the authors' files, or read it as a table of your own (docs/catalog.md)"
            )
            return
        if base in _LAVIS:
            yield (
                f"found {entry.shown}, a file of LAVIS in a form of its own; get the authors' files"
            )
            return


def _files(folder: Path, root: Path, depth: int = _MOST_DEPTH) -> Iterator[_Entry]:
    """Iterate over the files below a folder, sorted by name, those of the folder itself first."""
    left = _MOST_ENTRIES
    level = [folder]
    for _ in range(depth + 1):
        below: list[Path] = []
        for place in level:
            for path, is_folder in _listed(place):
                left -= 1
                if left < 0:
                    return
                if is_folder:
                    below.append(path)
                else:
                    yield _Entry(path, _shown(path, root))
        level = below


def _listed(folder: Path) -> list[tuple[Path, bool]]:
    """List a folder without links; empty if it has too many files to be one of annotations."""
    listed: list[tuple[Path, bool]] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if len(listed) == _MOST_IN_FOLDER:
                    break
                if entry.is_file() or entry.is_dir(follow_symlinks=False):
                    listed.append((Path(entry.path), not entry.is_file()))
    except OSError:
        return []
    return sorted(listed)


def _shown(path: Path, root: Path) -> str:
    name = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
    return name if name.isprintable() else ascii(name)


def _base(name: str) -> str:
    return PurePosixPath(name).name.lower()
