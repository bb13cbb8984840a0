"""The chain from a raw file to a sample, every link of it made again and held against the build.

Source file, item, record, template, choices, pictures, sample: each step says what it found, and
whether it is the same as what the build holds, differs, or could not be checked.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from instructify.build.manifest import DatasetEntry, RawSource, SplitEntry, content_key
from instructify.build.opened import Build
from instructify.build.raw import RawRoots, find_split, hash_source
from instructify.build.records import RecordsUnit, read_chunks
from instructify.catalog_model import Catalog, Dataset
from instructify.errors import UserError
from instructify.pictures.roots import load_roots
from instructify.raw_items import raw_item
from instructify.readers.base import RawFile
from instructify.rendered_again import RecordPlace, render_row, render_text, split_spec
from instructify.templates import PARTS, Template, TemplateSet

State = Literal["same", "differs", "not checked"]
_AROUND = 30


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainRequest:
    """A sample, and where to find what it was made from."""

    build: Build
    sample_id: str
    catalog: Catalog
    templates: TemplateSet
    raw: Path | None = None  # None: where the conversion found it, if that is known
    ocr: Path | None = None


class Step(NamedTuple):
    """A link of the chain; `facts` are shown, `detail` says why it differs or was not checked."""

    name: str
    state: State
    detail: str
    facts: Mapping[str, Any]


class Explanation(NamedTuple):
    sample: Mapping[str, Any]
    steps: list[Step]

    @property
    def differs(self) -> bool:
        return any(step.state == "differs" for step in self.steps)


def explain(request: ExplainRequest) -> Explanation:
    """Follow a sample back to its raw file and make it again."""
    build = request.build
    sample = build.sample(request.sample_id)
    entry, split = build.dataset(sample["dataset"]), build.split(sample["dataset"], sample["split"])
    place = _record_place(build, sample, split)
    raw = _raw_root(request)
    dataset = _dataset(request.catalog, sample["dataset"], entry)
    files = None if raw is None else _files(request, dataset, sample["split"], raw)
    steps = [
        _source_step(sample, split, files, raw),
        _item_step(sample, split, files),
        _record_step(request, dataset, sample["split"], split, place, files, raw),
        _template_step(request, sample, entry, split),
        _choices_step(sample, split, place.record),
        *_picture_steps(build, sample),
        _sample_step(request, sample, entry, split, place),
    ]
    return Explanation(sample, steps)


def first_difference(stored: object, made: object) -> str:
    """Say where two values part; texts by their first differing byte."""
    if not isinstance(stored, str) or not isinstance(made, str):
        return f"the build has {stored!r:.80}, made again it is {made!r:.80}"
    one, other = stored.encode(), made.encode()
    at = next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
    parts = [
        text[max(0, at - _AROUND) : at + _AROUND].decode("utf-8", "replace")
        for text in (one, other)
    ]
    return f"from byte {at} on: the build has {parts[0]!r}, made again it is {parts[1]!r}"


def _record_place(build: Build, sample: Mapping[str, Any], split: SplitEntry) -> RecordPlace:
    records = build.records(sample["dataset"], sample["split"])
    row = records.find("record_id", sample["record_id"])
    if row is None:
        raise UserError(
            f"{build.paths.root} has no record '{sample['record_id']}', though a sample of it; see "
            f"`instructify verify {build.paths.root}`."
        )
    inside = row
    for shard in split.record_shards:
        rows = build.manifest.files[shard].rows
        if inside < rows:
            return RecordPlace(shard, inside, records[row])
        inside -= rows
    raise AssertionError("a row lies in one of the shards")


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
            f"{name} is not in our catalog; give the catalog that it was converted with as "
            "--catalog."
        )
    return catalog.dataset(name).with_options(entry.options)


def _files(
    request: ExplainRequest, dataset: Dataset, split: str, raw: Path
) -> Mapping[str, RawFile] | None:
    try:
        roots = RawRoots(raw=raw)
        return find_split(request.catalog, dataset, dataset.split(split), roots).files
    except UserError:  # those files are not below this folder
        return None


def _source_step(
    sample: Mapping[str, Any],
    split: SplitEntry,
    files: Mapping[str, RawFile] | None,
    raw: Path | None,
) -> Step:
    """Check every raw file of the split, the record's own first."""
    sources = sorted(split.raw, key=lambda one: (one.name != sample["source"], one.role))
    facts = {one.name: f"{one.size_bytes:,} bytes, sha256 {one.sha256[:16]}" for one in sources}
    if split.ocr is not None:
        facts[f"--ocr {split.ocr.name}"] = f"sha256 {split.ocr.sha256[:16]}"
    if raw is None:
        return Step("source", "not checked", "the raw root is not known; give --raw", facts)
    if files is None:
        return Step("source", "not checked", f"the raw files are not below {raw}", facts)
    for one in sources:
        fault = _source_fault(one, files.get(one.role))
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


def _item_step(
    sample: Mapping[str, Any], split: SplitEntry, files: Mapping[str, RawFile] | None
) -> Step:
    reader = split.reader.partition("@")[0]
    facts: dict[str, Any] = {"file": sample["source"], "position": sample["position"]}
    file = next((f for f in (files or {}).values() if f.name == sample["source"]), None)
    if file is None:
        return Step("item", "not checked", "without the raw file", facts)
    item = raw_item(file, reader, sample["position"], sample["form"])
    if item is None:
        return Step("item", "differs", "there is nothing readable at that position", facts)
    return Step("item", "same", "", {**facts, "item": item})


def _record_step(
    request: ExplainRequest,
    dataset: Dataset,
    name: str,
    split: SplitEntry,
    place: RecordPlace,
    files: Mapping[str, RawFile] | None,
    raw: Path | None,
) -> Step:
    """Read the split again until the record comes up, and compare it field by field."""
    record = place.record
    facts = {
        "reader": split.reader,
        "options": dict(dataset.options),
        "record": {key: value for key, value in record.items() if value is not None},
    }
    if files is None or raw is None:
        return Step("record", "not checked", "without the raw files", facts)
    if split.ocr is not None and request.ocr is None:
        return Step("record", "not checked", f"give --ocr {split.ocr.name} to read it again", facts)
    unit = RecordsUnit(
        dataset=dataset,
        split=name,
        files=files,
        roots=RawRoots(raw=raw),
        ocr=None if request.ocr is None else RawFile(request.ocr.name, request.ocr),
        seed=split.seed,
        limit=split.limit,
        folder=raw,
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
            found: Mapping[str, Any] = chunk.records.slice(row, 1).to_pylist()[0]
            return found
    return None


def _pool(request: ExplainRequest, entry: DatasetEntry, split: SplitEntry) -> tuple[Template, ...]:
    return request.templates.for_task(entry.task, split.prompts)


def _is_same_pool(pool: tuple[Template, ...], split: SplitEntry) -> bool:
    return content_key("templates", [one.sha256 for one in pool]) == split.templates_sha256


def _template_step(
    request: ExplainRequest, sample: Mapping[str, Any], entry: DatasetEntry, split: SplitEntry
) -> Step:
    """Look the template up and check that its text is still the one that was rendered."""
    facts: dict[str, Any] = {
        "template": sample["template"],
        "sha256": sample["template_sha256"],
        "folder": split.templates_folder,
    }
    template = _template(_pool(request, entry, split), sample)
    if template is None:
        detail = f"{request.templates.folder} has no such template any more"
        return Step("template", "differs", detail, facts)
    facts |= {part: getattr(template, part) for part in PARTS if getattr(template, part)}
    if template.sha256 != sample["template_sha256"]:
        return Step("template", "differs", "its text is another one now", facts)
    return Step("template", "same", "", facts)


def _template(pool: tuple[Template, ...], sample: Mapping[str, Any]) -> Template | None:
    return next((one for one in pool if one.key == sample["template"]), None)


def _choices_step(sample: Mapping[str, Any], split: SplitEntry, record: Mapping[str, Any]) -> Step:
    """Tell what was chosen: the draw, the answer among the references, the order of options."""
    facts: dict[str, Any] = {
        "draw": f"{sample['draw']} of {split.draws}",
        "seed": split.seed,
    }
    choice, references = record["answer_choice"], record["references"]
    if choice is not None:
        chosen = references[choice] if references and choice < len(references) else None
        facts["answer_choice"] = f"{choice}: {chosen!r}"
        if chosen != record["answer"]:
            return Step("choices", "differs", "the chosen reference is not the answer", facts)
    facts["option_order"] = sample["option_order"] or "as published"
    return Step("choices", "same", "", facts)


def _picture_steps(build: Build, sample: Mapping[str, Any]) -> Iterator[Step]:
    """Say what the index has of each picture, and check that the bytes are those."""
    store = build.pictures()
    for key in sample["pictures"]:
        facts: dict[str, Any] = {"key": key}
        if store is None or key not in store:
            yield Step("picture", "not checked", "the build has no such picture", facts)
            continue
        known = store.facts(key)
        facts |= {name: value for name, value in known._asdict().items() if value is not None}
        if known.phash is not None:
            facts["phash"] = f"{known.phash:016x}"
        try:
            digest = hashlib.sha256(store.bytes(key)).hexdigest()
        except UserError as error:
            yield Step("picture", "not checked", str(error), facts)
            continue
        if digest != known.sha256:
            yield Step("picture", "differs", "its bytes are others than the index says", facts)
        else:
            yield Step("picture", "same", "", facts)


def _sample_step(
    request: ExplainRequest,
    sample: Mapping[str, Any],
    entry: DatasetEntry,
    split: SplitEntry,
    place: RecordPlace,
) -> Step:
    """Render the record again and compare every field of the sample."""
    pool = _pool(request, entry, split)
    if _is_same_pool(pool, split):
        spec = split_spec(request.catalog, sample, entry, split, pool)
        again = render_row(request.build, spec, place, sample["sample_id"])
        if again is None:
            return Step("sample", "differs", "the record gives no such sample any more", {})
        return _compared(sample, again, {"made by": "choice of the template and rendering"})
    template = _template(pool, sample)
    facts = {"made by": "rendering alone: the task has other templates now, so the choice differs"}
    if template is None:
        return Step("sample", "differs", f"{sample['template']} is gone", facts)
    again = render_text(request.build, request.catalog, sample, entry, place, template)
    return _compared(sample, again, facts)


def _compared(
    sample: Mapping[str, Any], again: Mapping[str, Any], facts: Mapping[str, Any]
) -> Step:
    for field in sorted(again, key=lambda name: name not in PARTS):
        if again[field] != sample[field]:
            detail = f"{field}, {first_difference(sample[field], again[field])}"
            return Step("sample", "differs", detail, facts)
    return Step("sample", "same", "", {**facts, "fields": len(again)})


def explanation_value(explanation: Explanation) -> dict[str, Any]:
    """Shape an explanation for JSON."""
    steps = [step._asdict() for step in explanation.steps]
    return {
        "sample_id": explanation.sample["sample_id"],
        "differs": explanation.differs,
        "steps": msgspec.to_builtins(steps),
        "sample": dict(explanation.sample),
    }
