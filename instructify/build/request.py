"""The request of a `convert` command, resolved and checked before any work is done."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from instructify._util.errors import UserError
from instructify._util.file_names import is_empty, real_path
from instructify.build.engine_options import EngineOptions
from instructify.build.manifest import PictureMode
from instructify.build.raw import FilesMissingError, RawRoots, RawSplit, check_raw_root, find_split
from instructify.catalog import Catalog, Dataset
from instructify.readers import RawFile
from instructify.templating import TemplateSet


@dataclass(frozen=True, kw_only=True, slots=True)
class ConvertRequest:
    """The inputs of a conversion; the options of datasets are set."""

    catalog: Catalog
    catalog_sha256: str
    datasets: tuple[Dataset, ...]
    roots: RawRoots
    out: Path
    templates: TemplateSet
    templates_folder: str
    split: str | None = None
    draws: int | None = None
    seed: int = 0
    engine: EngineOptions = field(default_factory=EngineOptions)
    limit: int | None = None
    pictures: PictureMode | None = None  # None: as in the build, or else in the catalog
    ocr: Path | None = None
    settings: Sequence[str] = ()  # the --set texts, which are already applied to the datasets
    max_rejects: float | None = None  # percent; None: each dataset's own
    allow_empty: bool = False  # commit even without samples
    catalog_file: Path | None = None  # the user's own catalog, for advice that names it


def ocr_file(request: ConvertRequest) -> RawFile | None:
    """Return the OCR side file of a request, if any."""
    return None if request.ocr is None else ocr_side_file(request.ocr)


def ocr_side_file(path: Path) -> RawFile:
    """Check that an OCR side file exists."""
    if not path.is_file():
        raise UserError(f"--ocr {path} is not a file; give JSON lines or a Rosetta file.")
    return RawFile(path.name, path)


def find_splits(request: ConvertRequest) -> list[RawSplit]:
    """Find the raw files of all requested splits; raises UserError listing all missing files.

    Default splits of a dataset that were not downloaded are skipped, unless no split is left. A
    split that was requested by name must exist.
    """
    check_raw_root(request.roots)
    _check_out(request)
    splits: list[RawSplit] = []
    missing: dict[str, UserError] = {}
    for dataset in request.datasets:
        names = [request.split] if request.split is not None else list(dataset.default_splits)
        here: list[RawSplit] = []
        for name in names:
            try:
                here.append(
                    find_split(request.catalog, dataset, dataset.split(name), request.roots)
                )
            except UserError as error:
                missing.setdefault(dataset.name, error)
        if here:
            missing.pop(dataset.name, None)
        splits += here
    if missing:
        sentence = _missing_sentence(missing, some_found=bool(splits))
        lacking = [n for n, error in missing.items() if isinstance(error, FilesMissingError)]
        if lacking:
            sentence += f"\nEverything that is missing: {check_line(request, lacking)}"
        raise UserError(sentence)
    return splits


def check_line(request: ConvertRequest, names: Sequence[str]) -> str:
    """Return the `check` command with the inputs of a conversion."""
    roots = request.roots
    words = ["instructify", "check", *names, "--raw", str(roots.raw)]
    for folder in roots.images:
        words += ["--images", str(folder)]
    if request.ocr is not None:
        words += ["--ocr", str(request.ocr)]
    if request.split is not None:
        words += ["--split", request.split]
    if request.catalog_file is not None:
        words += ["--catalog", str(request.catalog_file)]
    for dataset in (dataset for dataset in request.datasets if dataset.name in names):
        usual = request.catalog.dataset(dataset.name).options
        for option, value in dataset.options.items():
            if value != usual.get(option):
                text = str(value).lower() if isinstance(value, bool) else str(value)
                words += ["--set", f"{dataset.name}.{option}={text}"]
    return shlex.join(words)


def _missing_sentence(missing: dict[str, UserError], *, some_found: bool) -> str:
    first = str(next(iter(missing.values())))
    if len(missing) == 1:
        return first
    hint = "; to leave them out, name the others" if some_found else ""
    return f"nothing was found of {', '.join(missing)}{hint}. The first: {first}"


def _check_out(request: ConvertRequest) -> None:
    out = real_path(request.out)
    for folder in (request.roots.raw, *request.roots.images):
        inside: Sequence[Path] = real_path(folder).parents
        if out == real_path(folder) or out in inside:
            raise UserError(f"--out {request.out} holds the raw data; choose another folder.")
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {request.out} is a file; choose a folder.")
    if out.is_dir() and not is_empty(out) and not (out / "manifest.json").exists():
        if (out / ".staging").exists() or (out / ".lock").exists():
            return
        raise UserError(
            f"--out {request.out} holds other files and no build; choose an empty folder."
        )
