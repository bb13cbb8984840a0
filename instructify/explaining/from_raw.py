"""The steps that need the raw files: source, item, record."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from instructify._util.errors import UserError
from instructify.build import (
    RawRoots,
    RawSource,
    RecordsUnit,
    SplitEntry,
    find_split,
    hash_source,
    read_chunks,
)
from instructify.catalog import Catalog, Dataset
from instructify.explaining.raw_positions import raw_item
from instructify.explaining.step import Step, first_difference
from instructify.readers import RawFile


def raw_files(
    catalog: Catalog, dataset: Dataset, split: str, raw: Path
) -> Mapping[str, RawFile] | None:
    """Find the raw files of a split; None if they are not below this folder."""
    try:
        roots = RawRoots(raw=raw)
        return find_split(catalog, dataset, dataset.split(split), roots).files
    except UserError:
        return None


def source_step(
    sample: Mapping[str, Any],
    split: SplitEntry,
    files: Mapping[str, RawFile] | None,
    raw: Path | None,
) -> Step:
    """Check every raw file of the split, the file of the record first."""
    sources = sorted(split.raw, key=lambda source: (source.name != sample["source"], source.role))
    facts = {
        source.name: f"{source.size_bytes:,} bytes, sha256 {source.sha256[:16]}"
        for source in sources
    }
    if split.ocr is not None:
        facts[f"--ocr {split.ocr.name}"] = f"sha256 {split.ocr.sha256[:16]}"
    if raw is None:
        return Step("source", "not checked", "the raw root is not known; give --raw", facts)
    if files is None:
        return Step("source", "not checked", f"the raw files are not below {raw}", facts)
    for source in sources:
        fault = _source_fault(source, files.get(source.role))
        if fault is not None:
            return Step("source", "differs", fault, facts)
    return Step("source", "same", "", facts)


def _source_fault(source: RawSource, file: RawFile | None) -> str | None:
    if file is None:
        return f"{source.name} is gone"
    if file.name != source.name:
        return f"{source.name} was read, now {file.name} is found first"
    if hash_source(source.role, file).sha256 != source.sha256:
        return f"{source.name} has changed since the conversion"
    return None


def item_step(
    sample: Mapping[str, Any], split: SplitEntry, files: Mapping[str, RawFile] | None
) -> Step:
    """Read the item at the position of the sample in its raw file."""
    reader = split.reader.partition("@")[0]
    facts: dict[str, Any] = {"file": sample["source"], "position": sample["position"]}
    file = next((f for f in (files or {}).values() if f.name == sample["source"]), None)
    if file is None:
        return Step("item", "not checked", "without the raw file", facts)
    item = raw_item(file, reader, sample["position"], sample["form"])
    if item is None:
        return Step("item", "differs", "there is nothing readable at that position", facts)
    return Step("item", "same", "", {**facts, "item": item})


def record_step(
    dataset: Dataset,
    name: str,
    split: SplitEntry,
    record: Mapping[str, Any],
    files: Mapping[str, RawFile] | None,
    raw: Path | None,
    ocr: Path | None,
) -> Step:
    """Read the split again up to the record, and compare the record field by field."""
    facts = {
        "reader": split.reader,
        "options": dict(dataset.options),
        "record": {key: value for key, value in record.items() if value is not None},
    }
    if files is None or raw is None:
        return Step("record", "not checked", "without the raw files", facts)
    if split.ocr is not None and ocr is None:
        return Step("record", "not checked", f"give --ocr {split.ocr.name} to read it again", facts)
    unit = RecordsUnit(
        dataset=dataset,
        split=name,
        files=files,
        roots=RawRoots(raw=raw),
        ocr=None if ocr is None else RawFile(ocr.name, ocr),
        seed=split.seed,
        limit=split.limit,
        staging=raw,
    )
    again = _read_record(unit, record["record_id"])
    if again is None:
        return Step("record", "differs", "the reader no longer gives this record", facts)
    for field, value in record.items():
        if again[field] != value:
            detail = f"{field}: {first_difference(value, again[field])}"
            return Step("record", "differs", detail, facts)
    return Step("record", "same", "", facts)


def _read_record(unit: RecordsUnit, record_id: str) -> Mapping[str, Any] | None:
    for chunk in read_chunks(unit):
        row = chunk.records.column("record_id").index(record_id).as_py()
        if row >= 0:
            record: Mapping[str, Any] = chunk.records.slice(row, 1).to_pylist()[0]
            return record
    return None
