"""The chain of steps from a raw file to a sample, each made again and compared with the build.

The steps are source file, item, record, template, choices, pictures and sample. Each returns its
facts, and whether the result equals the build, differs from it, or could not be checked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from instructify._util.errors import UserError
from instructify.build import Build, DatasetEntry, SplitEntry
from instructify.catalog import Catalog, Dataset
from instructify.explaining.from_build import choices_step, picture_steps
from instructify.explaining.from_raw import item_step, raw_files, record_step, source_step
from instructify.explaining.from_templates import sample_step, template_step
from instructify.explaining.rendering import RecordPlace
from instructify.explaining.step import Step
from instructify.pictures import load_roots
from instructify.templating import TemplateSet


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainRequest:
    """A sample, and the places of the files that it was made from."""

    build: Build
    sample_id: str
    catalog: Catalog
    templates: TemplateSet
    raw: Path | None = None  # None: the raw root of the conversion, if it is known
    ocr: Path | None = None


class Explanation(NamedTuple):
    sample: Mapping[str, Any]
    steps: list[Step]

    @property
    def differs(self) -> bool:
        return any(step.state == "differs" for step in self.steps)


def explain(request: ExplainRequest) -> Explanation:
    """Trace a sample back to its raw file and make it again."""
    build = request.build
    sample = build.sample(request.sample_id)
    entry, split = build.dataset(sample["dataset"]), build.split(sample["dataset"], sample["split"])
    place = _record_place(build, sample, split)
    raw = _raw_root(request)
    dataset = _dataset(request.catalog, sample["dataset"], entry)
    files = None if raw is None else raw_files(request.catalog, dataset, sample["split"], raw)
    steps = [
        source_step(sample, split, files, raw),
        item_step(sample, split, files),
        record_step(dataset, sample["split"], split, place.record, files, raw, request.ocr),
        template_step(request.templates, sample, entry, split),
        choices_step(sample, split, place.record),
        *picture_steps(build, sample),
        sample_step(build, request.catalog, request.templates, sample, entry, split, place),
    ]
    return Explanation(sample, steps)


def _record_place(build: Build, sample: Mapping[str, Any], split: SplitEntry) -> RecordPlace:
    records = build.records(sample["dataset"], sample["split"])
    row = records.find("record_id", sample["record_id"])
    if row is None:
        raise UserError(
            f"{build.paths.root} has a sample but no record of '{sample['record_id']}'; see "
            f"`instructify verify {build.paths.root}`."
        )
    inside = row
    for shard in split.record_shards:
        rows = build.manifest.files[shard].rows
        if inside < rows:
            return RecordPlace(shard, inside, records[row])
        inside -= rows
    raise AssertionError("the row is in none of the shards")


def _raw_root(request: ExplainRequest) -> Path | None:
    if request.raw is not None:
        if not request.raw.is_dir():
            raise UserError(f"--raw {request.raw} is not a folder; give the raw root.")
        return request.raw
    noted = load_roots(request.build.paths.root)
    return noted.raw if noted is not None and noted.raw.is_dir() else None


def _dataset(catalog: Catalog, name: str, entry: DatasetEntry) -> Dataset:
    if name not in catalog.datasets:
        raise UserError(
            f"{name} is not in the built-in catalog; give the catalog of its conversion with "
            "--catalog."
        )
    return catalog.dataset(name).with_options(entry.options)


def explanation_value(explanation: Explanation) -> dict[str, Any]:
    """Return an explanation as plain values for JSON."""
    steps = [step._asdict() for step in explanation.steps]
    return {
        "sample_id": explanation.sample["sample_id"],
        "differs": explanation.differs,
        "steps": msgspec.to_builtins(steps),
        "sample": dict(explanation.sample),
    }
