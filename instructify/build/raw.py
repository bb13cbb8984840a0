"""Find the raw files of a split, and check the options of its reader.

Files are opened only to hash them. The error for missing files says what was expected, where it was
searched and how to get it.
"""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from instructify._util.errors import UserError, did_you_mean
from instructify._util.file_names import is_stray, is_text, real_path
from instructify._util.shards import hash_file
from instructify.build.manifest import RawSource
from instructify.build.other_forms import forms_at_hand
from instructify.catalog import Catalog, Dataset, RawFileSpec, Split, is_glob
from instructify.readers import (
    COMPRESSED_SUFFIXES,
    READERS,
    Option,
    OptionValue,
    RawFile,
    ReadContext,
    Reader,
    files_in,
)

_TEXT_SUFFIXES = (".json", ".jsonl", ".csv", ".tsv", ".token", ".txt")

_MOST_NAMES = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class RawRoots:
    """The folders that a user gave: the raw root and more folders of pictures."""

    raw: Path
    images: tuple[Path, ...] = ()

    def release(self, name: str) -> Path:
        return self.raw / name


@dataclass(frozen=True, kw_only=True, slots=True)
class RawSplit:
    """A split whose raw files were found."""

    dataset: Dataset
    split: Split
    files: Mapping[str, RawFile]


class FilesMissingError(UserError):
    """Raw files of a split are missing."""


class LookedFor(NamedTuple):
    """The raw files of a split that exist, by role, and those that are missing."""

    files: Mapping[str, RawFile]
    missing: Sequence[RawFileSpec]  # without these the split can't be read
    optional: Sequence[RawFileSpec]

    @property
    def any_one(self) -> bool:
        """Whether any one of the missing files is enough."""
        return bool(self.missing) and all(spec.optional for spec in self.missing)

    def missing_names(self, dataset: Dataset) -> list[str]:
        """Return each missing file, with its possible names joined by "or".

        If any one of the missing files is enough, there is one entry.
        """
        return [file_names(dataset, specs) for specs in self.wanted()]

    def wanted(self) -> list[Sequence[RawFileSpec]]:
        """List the missing files; of each entry, any one file is enough."""
        return [self.missing] if self.any_one else [[spec] for spec in self.missing]


def check_raw_root(roots: RawRoots) -> None:
    """Refuse a raw root that is not a folder."""
    for folder in (roots.raw, *roots.images):
        if not folder.is_dir():
            raise UserError(
                f"{folder} is not a folder; --raw names the folder that holds one folder per "
                "release, --images a folder with pictures."
            )


def find_split(catalog: Catalog, dataset: Dataset, split: Split, roots: RawRoots) -> RawSplit:
    """Find the raw files of a split; raises UserError with missing files and how to get them."""
    looked = look_for_files(dataset, split, roots)
    if looked.missing:
        sentence = _missing_sentence(catalog, dataset, split, roots, looked)
        raise FilesMissingError(sentence)
    return RawSplit(dataset=dataset, split=split, files=looked.files)


def look_for_files(dataset: Dataset, split: Split, roots: RawRoots) -> LookedFor:
    """Look for the raw files of a split; returns which exist and which are missing."""
    files: dict[str, RawFile] = {}
    missing: list[RawFileSpec] = []
    optional: list[RawFileSpec] = []
    for spec in split.files:
        if spec.many:
            several, lacking = _find_all(roots, dataset, spec)
            files |= several
            missing += [dataclasses.replace(spec, names=(name,)) for name in lacking]
            continue
        place = _find(roots, dataset, spec)
        if place is not None:
            files[spec.role] = place
        else:
            (optional if spec.optional else missing).append(spec)
    if not missing and not files:
        missing, optional = list(split.files), []
    return LookedFor(files, missing, optional)


def file_names(dataset: Dataset, specs: Sequence[RawFileSpec]) -> str:
    """List files of which any one is enough, only the first of many."""
    names = [name for spec in specs for name in spec.names_for(dataset.options)]
    more = len(names) - _MOST_NAMES
    return " or ".join(names[:_MOST_NAMES]) + (f" or {more} other names" if more > 0 else "")


def how_to_get(catalog: Catalog, dataset: Dataset, roots: RawRoots) -> str:
    """Return the lines of the catalog that say how to get the release of a dataset."""
    return catalog.release_of(dataset).get.rstrip().replace("{raw}", str(roots.raw))


def read_context(raw: RawSplit, roots: RawRoots, seed: int, limit: int | None) -> ReadContext:
    """Make the context of the reader of a split."""
    return ReadContext(
        dataset=raw.dataset.name,
        split=raw.split.name,
        options=option_values(raw.dataset),
        files=raw.files,
        folders=(roots.release(raw.dataset.release), *roots.images),
        seed=seed,
        limit=limit,
    )


def _find_all(
    roots: RawRoots, dataset: Dataset, spec: RawFileSpec
) -> tuple[dict[str, RawFile], list[str]]:
    """Find all files of own data that a spec names, also by globs and folders.

    Also returns the names without a file. A folder of classes, which has no columns, stands for
    itself, even if there is a table in it.
    """
    found_files: list[RawFile] = []
    lacking: list[str] = []
    is_classes = spec.role == "folder" and not dataset.options.get("column_picture")
    for name in spec.names:
        names = _fitting(roots.release(dataset.release), name) if is_glob(name) else [name]
        places = [_find(roots, dataset, dataclasses.replace(spec, names=(name,))) for name in names]
        there = [place for place in places if place is not None]
        files = there if is_classes else [file for place in there for file in files_in(place)]
        found_files += files
        lacking += [] if files else [name]
    named = {
        f"{spec.role}-{at:05d}" if at else spec.role: file for at, file in enumerate(found_files)
    }
    return named, lacking


def _fitting(folder: Path, pattern: str) -> list[str]:
    """List the files that match a glob, below a folder or beside it."""
    up = "../" if pattern.startswith("../") else ""
    start = folder.parent if up else folder
    paths = sorted(start.glob(pattern.removeprefix(up)))
    return [
        up + path.relative_to(start).as_posix()
        for path in paths
        if path.is_file() and not is_stray(path.name)
    ]


def _find(roots: RawRoots, dataset: Dataset, spec: RawFileSpec) -> RawFile | None:
    names = spec.names_for(dataset.options)
    texts = [name for name in names if PurePosixPath(name).suffix.lower() in _TEXT_SUFFIXES]
    packed = [f"{name}{suffix}" for suffix in COMPRESSED_SUFFIXES for name in texts]
    for name in (*names, *packed):
        path = real_path(roots.release(dataset.release) / name)
        if path.is_file() or path.is_dir():  # opening a pipe or device could block forever
            root = real_path(roots.raw)
            shown = path.relative_to(root) if path.is_relative_to(root) else Path(name)
            if not is_text(str(shown)):  # the target of a link; records hold the name as text
                shown = Path(name)
            return RawFile(shown.as_posix(), path)
    return None


def _missing_sentence(
    catalog: Catalog,
    dataset: Dataset,
    split: Split,
    roots: RawRoots,
    looked: LookedFor,
) -> str:
    folder = roots.release(dataset.release)
    names = ", and ".join(looked.missing_names(dataset))
    there = "" if folder.is_dir() else " (that folder does not exist)"
    steps = how_to_get(catalog, dataset, roots)
    seen = "".join(
        f"; {form}" for form in forms_at_hand(catalog, dataset, looked.missing, roots.raw)
    )
    return (
        f"{dataset.name} {split.name}: {names} expected in {folder}{there}{seen}. How to get it:\n"
        f"{steps}"
    )


def hash_source(role: str, file: RawFile) -> RawSource:
    """Hash a raw file (about 1 GB a second).

    A folder is hashed by the names of all files in it, since the names of class folders are labels,
    and by the content of its JSON files.
    """
    if file.path.is_dir():
        inside = sorted(
            path for path in file.path.rglob("*") if path.is_file() and not is_stray(path.name)
        )
        parts = "".join(
            f"{path.relative_to(file.path)} {hash_file(path) if path.suffix == '.json' else ''}\n"
            for path in inside
        )
        digest = hashlib.sha256(parts.encode("utf-8", "surrogateescape")).hexdigest()
        return RawSource(role, file.name, sum(path.stat().st_size for path in inside), digest)
    return RawSource(role, file.name, file.path.stat().st_size, hash_file(file.path))


def reader_of(dataset: Dataset) -> Reader:
    """Return the reader that the catalog names for a dataset."""
    if dataset.reader not in READERS:
        raise UserError(
            f"{dataset.name} names the reader '{dataset.reader}'; "
            f"{did_you_mean(dataset.reader, READERS)}"
        )
    return READERS[dataset.reader]


def with_settings(
    catalog: Catalog, datasets: Sequence[Dataset], settings: Sequence[str]
) -> list[Dataset]:
    """Apply `--set dataset.option=value` texts to the datasets that are converted."""
    changed = {dataset.name: dataset for dataset in datasets}
    for text in settings:
        name, dot, assignment = text.partition(".")
        option, equals, value = assignment.partition("=")
        if not (dot and equals and option):
            raise UserError(
                f"--set {text}: expected dataset.option=value, as in vsr.variant=random"
            )
        catalog.dataset(name)
        if name not in changed:
            raise UserError(
                f"--set {text}: {name} is not converted here; name it or leave this out"
            )
        dataset = changed[name]
        if option not in dataset.options:
            raise UserError(
                f"--set {text}: {name} has no option '{option}'; "
                f"{did_you_mean(option, dataset.options)}"
            )
        declared = reader_of(dataset).options.get(option)
        if declared is None:
            raise UserError(f"--set {text}: the option can only be changed in the catalog")
        changed[name] = dataset.with_options({option: _typed(value, declared, text)})
    for dataset in changed.values():
        _check_options(dataset)
    return [changed[dataset.name] for dataset in datasets]


def option_values(dataset: Dataset) -> dict[str, OptionValue]:
    """Return the options of a dataset as values for its reader."""
    return {
        name: value
        for name, value in dataset.options.items()
        if isinstance(value, str | int | bool)
    }


def _typed(value: str, option: Option, text: str) -> OptionValue:
    if option.kind == "bool":
        if value not in ("true", "false"):
            raise UserError(f"--set {text}: expected true or false")
        return value == "true"
    if option.kind == "int":
        if not value.isdecimal():
            raise UserError(f"--set {text}: expected a whole number, 0 or more")
        return int(value)
    if option.choices and value not in option.choices:
        raise UserError(f"--set {text}: {did_you_mean(value, option.choices)}")
    return value


def _check_options(dataset: Dataset) -> None:
    """Check the options, and the defaults of the catalog, which a user may have written."""
    declared = reader_of(dataset).options
    for name, value in dataset.options.items():
        option = declared.get(name)
        if option is None:
            continue
        _typed(
            str(value).lower() if isinstance(value, bool) else str(value),
            option,
            f"{dataset.name}.{name}={value}",
        )
