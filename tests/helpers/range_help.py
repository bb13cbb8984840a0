"""Reads a split by one reader and range by range, in this process, and gives back all bytes."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from instructify._util.errors import UserError
from instructify.build.engine_options import EngineOptions
from instructify.build.paths import unit_folder
from instructify.build.progress import Progress
from instructify.build.range_stage import with_ranges
from instructify.build.raw import RawRoots
from instructify.build.records import run_records
from instructify.build.records_unit import RecordsUnit
from instructify.build.workers import LocalWorkers
from instructify.catalog import Dataset, load_catalog
from instructify.readers import RawFile

CATALOG = load_catalog()


class Outcome:
    """The files of a unit, or what it was refused for; `by_ranges`: whether ranges were used."""

    def __init__(self, unit: RecordsUnit) -> None:
        self.by_ranges = unit.made is not None
        self.refused = ""
        self.files: dict[str, bytes] = {}
        try:
            receipt = run_records(unit)
        except UserError as error:
            self.refused = str(error)
            return
        folder = unit_folder(unit.staging, receipt.key)
        self.files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def unit_of(
    dataset: str | Dataset,
    split: str,
    files: Mapping[str, Path],
    staging: Path,
    limit: int | None = None,
    options: Mapping[str, str | int] | None = None,
) -> RecordsUnit:
    """Make the unit of a split."""
    staging.mkdir(parents=True, exist_ok=True)
    known = CATALOG.dataset(dataset) if isinstance(dataset, str) else dataset
    return RecordsUnit(
        dataset=replace(known, options={**known.options, **(options or {})}),
        split=split,
        files={role: RawFile(path.name, path) for role, path in files.items()},
        roots=RawRoots(raw=staging.parent, images=()),
        ocr=None,
        seed=0,
        limit=limit,
        staging=staging,
    )


def both(
    dataset: str | Dataset,
    split: str,
    files: Mapping[str, Path],
    scratch: Path,
    range_bytes: int,
    limit: int | None = None,
    options: Mapping[str, str | int] | None = None,
) -> tuple[Outcome, Outcome]:
    """Read a split both ways."""
    outcomes = []
    for jobs in (1, 2):
        unit = unit_of(dataset, split, files, scratch / f"staging-{jobs}", limit, options)
        engine, progress = EngineOptions(jobs=jobs), Progress(shown=False)
        (unit,) = with_ranges([unit], engine, LocalWorkers(None), progress, range_bytes)
        outcomes.append(Outcome(unit))
    return outcomes[0], outcomes[1]
