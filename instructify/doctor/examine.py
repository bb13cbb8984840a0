"""The examination: files, then records, then the pictures that records name.

Everything is asked of the parts that a conversion is made of; nothing is written but the scans of
img2dataset tars, into a folder that goes with the run.
"""

import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from instructify.build.progress import Progress
from instructify.build.raw import (
    LookedFor,
    RawRoots,
    RawSplit,
    check_raw_root,
    how_to_get,
    look_for_files,
)
from instructify.build.workers import Workers
from instructify.catalog_model import Catalog, Dataset, RawFileSpec
from instructify.doctor.looks import Look, LookUnit, Wanted, run_look
from instructify.doctor.report import Example, Report, SplitReport
from instructify.doctor.survey import MOST_EXAMPLES, Survey, SurveyUnit, run_survey
from instructify.pictures.keys import split_key
from instructify.pictures.locate import Locator
from instructify.pictures.probing import Releases, first_found, wanted_keys
from instructify.pictures.roots import Location, Roots
from instructify.pictures.tars import WebMap, merge_web, plan_web, run_web
from instructify.rejects import Reject

USUAL_LOSS_PERCENT = 1.0  # a dataset that may lose more is known to have gaps on the net
_WINDOW_KEYS = 1 << 18  # located before they are looked at
_UNIT_KEYS = 2_000
_TAR_BLOCK = 512
_LOOKS = pa.schema([(name, pa.string()) for name in Look._fields])
_GETTABLE = ("file-missing", "file-optional", "vocabulary-missing", "picture-missing", "slice")


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckRequest:
    """What is to be examined; datasets have their options set."""

    catalog: Catalog
    datasets: Sequence[Dataset]
    roots: RawRoots
    split: str | None = None
    deep: bool = False
    complete: bool = False


def examine(request: CheckRequest, pool: Workers, progress: Progress) -> Report:
    """Find what a conversion of these datasets would stumble over."""
    check_raw_root(request.roots)
    report = Report(strict=request.complete)
    raws = list(_find_files(request, report))
    units = [SurveyUnit(raw=raw, roots=request.roots) for raw, _ in raws]
    with progress.stage("records", len(units), "split") as bar:
        surveys = pool.map(run_survey, units, lambda *_: bar.advance())
    for (_, split), survey in zip(raws, surveys, strict=True):
        _note_survey(report, split, survey)
    keys = [(split, survey.keys) for (_, split), survey in zip(raws, surveys, strict=True)]
    looks = _look_at_pictures(request, keys, report, pool, progress)
    _note_looks(request, report, keys, looks)
    report.how_to_get = _steps(request, report)
    return report


def _find_files(request: CheckRequest, report: Report) -> Iterator[tuple[RawSplit, SplitReport]]:
    """Note the files of every split; yield the splits that can be read."""
    for dataset in request.datasets:
        names = [request.split] if request.split is not None else list(dataset.default_splits)
        for name in names:
            split = dataset.split(name)
            looked = look_for_files(dataset, split, request.roots)
            row = SplitReport(
                dataset=dataset.name,
                split=name,
                files={role: file.name for role, file in sorted(looked.files.items())},
                official=split.expected_for(dataset.options),
            )
            report.splits.append(row)
            _note_files(request, report, dataset, row, looked)
            if not looked.missing:
                yield RawSplit(dataset=dataset, split=split, files=looked.files), row
        _note_vocabulary(request, report, dataset)


def _note_files(
    request: CheckRequest, report: Report, dataset: Dataset, row: SplitReport, looked: LookedFor
) -> None:
    folder = request.roots.release(dataset.release)
    alternatives = bool(looked.missing) and all(spec.optional for spec in looked.missing)
    if alternatives:  # any one of them would do
        names = _names(dataset, looked.missing)
        report.add("file-missing", row, 1, [Example(row.name, names, f"expected in {folder}")])
    elif looked.missing:
        examples = [
            Example(row.name, _names(dataset, [spec]), f"expected in {folder}")
            for spec in looked.missing
        ]
        report.add("file-missing", row, len(examples), examples)
    needed = any(not spec.optional for spec in dataset.split(row.split).files)
    if needed and looked.optional and not looked.missing:
        examples = [
            Example(row.name, _names(dataset, [spec]), f"would lie in {folder}")
            for spec in looked.optional
        ]
        report.add("file-optional", row, len(examples), examples)


def _names(dataset: Dataset, specs: Sequence[RawFileSpec], most: int = 3) -> str:
    names = [name for spec in specs for name in spec.names_for(dataset.options)]
    more = f" or {len(names) - most} other names" if len(names) > most else ""
    return " or ".join(names[:most]) + more


def _note_vocabulary(request: CheckRequest, report: Report, dataset: Dataset) -> None:
    """Note splits that nobody asked for and whose answers are still needed, as candidates."""
    if dataset.candidates is None or dataset.candidates.kind != "vocabulary":
        return
    own = [row for row in report.splits if row.dataset == dataset.name]
    for name in dataset.candidates.splits:
        looked = look_for_files(dataset, dataset.split(name), request.roots)
        if looked.missing and name not in {row.split for row in own}:
            detail = f"expected in {request.roots.release(dataset.release)}"
            example = Example(own[-1].name, _names(dataset, looked.missing), detail)
            report.add("vocabulary-missing", own[-1], 1, [example])


def _note_survey(report: Report, split: SplitReport, survey: Survey) -> None:
    if survey.failure is not None:
        named = (file for file in split.files.values() if survey.failure.startswith(file))
        example = Example(split.name, next(named, ""), survey.failure)
        report.add("file-unreadable", split, 1, [example])
        return
    split.records, split.rejects = survey.records, survey.rejects
    split.pictures = len(survey.keys)
    for reason, count in survey.rejects.items():
        own = [reject for reject in survey.examples if reject.reason == reason]
        report.add(reason, split, count, [_example(split, reject) for reject in own])
    if not survey.records and not survey.rejects:
        report.add("no-record", split, 1, [Example(split.name, "", "no record")])
    elif split.state in ("slice", "more") and split.official is not None:
        about = "" if split.official.exact else "about "
        detail = f"{survey.records:,} of {about}{split.official.records:,} records"
        cause = "slice" if split.state == "slice" else "more-records"
        report.add(cause, split, 1, [Example(split.name, "", detail)])


def _example(split: SplitReport, reject: Reject) -> Example:
    position = "" if reject.position is None else f", item {reject.position}"
    field = "" if reject.field is None else f"{reject.field}: "
    return Example(split.name, f"{reject.source}{position}", f"{field}{reject.detail}")


def _look_at_pictures(
    request: CheckRequest,
    keys: Sequence[tuple[SplitReport, pa.Array]],
    report: Report,
    pool: Workers,
    progress: Progress,
) -> pa.Table:
    """Locate every distinct key and look at its file; a table of what is to be said of some."""
    roots = Roots.resolve(request.roots.raw, request.roots.images)
    wanted, releases = wanted_keys(_by_release(request, keys))
    report.pictures = len(wanted)
    parts: list[pa.Table] = []
    with tempfile.TemporaryDirectory(prefix="instructify-check-") as scratch:
        web = _web_map(request, report, roots, Path(scratch), pool)
        locator = Locator(families=request.catalog.families, roots=roots, web=web)
        with progress.stage("pictures", len(wanted), "key") as bar:
            for start in range(0, len(wanted), _WINDOW_KEYS):
                window = wanted.slice(start, _WINDOW_KEYS).to_pylist()
                looks: list[Look] = []
                located = list(_located(request, locator, window, releases, start, looks))
                bar.advance(len(window) - len(located))
                units = [
                    LookUnit(roots=roots, wanted=located[at : at + _UNIT_KEYS], deep=request.deep)
                    for at in range(0, len(located), _UNIT_KEYS)
                ]
                found = pool.map(run_look, units, lambda unit, _: bar.advance(len(unit.wanted)))
                looks += [look for each in found for look in each]
                parts.append(_table(looks))
    return pa.concat_tables([_LOOKS.empty_table(), *parts])


def _table(looks: Sequence[Look]) -> pa.Table:
    columns = zip(*looks, strict=True) if looks else ((), (), ())
    return pa.table([pa.array(column, pa.string()) for column in columns], schema=_LOOKS)


def _by_release(
    request: CheckRequest, keys: Sequence[tuple[SplitReport, pa.Array]]
) -> dict[str, pa.ChunkedArray]:
    releases: dict[str, list[pa.Array]] = {}
    for split, own in keys:
        releases.setdefault(request.catalog.dataset(split.dataset).release, []).append(own)
    return {name: pa.chunked_array(parts) for name, parts in releases.items()}


def _located(
    request: CheckRequest,
    locator: Locator,
    keys: Sequence[str],
    releases: Releases,
    start: int,
    looks: list[Look],
) -> Iterator[Wanted]:
    """Yield the pictures that have a file; the others go to `looks`."""
    families = request.catalog.families
    for number, key in enumerate(keys, start):
        place = first_found(locator, key, releases.names(number))
        if isinstance(place, Location):
            family = families[split_key(key).family]
            yield Wanted(key, family.media == "video", place)
        else:
            looks.append(Look(key, *place))


def _web_map(
    request: CheckRequest, report: Report, roots: Roots, scratch: Path, pool: Workers
) -> WebMap | None:
    """Map urls to places in tars, where a dataset keeps its pictures so."""
    families = {
        family.name: dataset
        for dataset in request.datasets
        for family in request.catalog.families_of(dataset)
        if family.tars
    }
    if not families:
        return None
    known = {name: request.catalog.families[name] for name in families}
    scans = pool.map(run_web, plan_web(known, roots, scratch))
    owner = next(iter(families.values())).name
    row = next(split for split in report.splits if split.dataset == owner)
    for scan in scans:
        problem = scan.problem or _missing_end(roots.path(scan.root, scan.file))
        if problem is not None:
            report.add("tar-damaged", row, 1, [Example(row.name, scan.file, problem)])
    return merge_web(scans, scratch)


def _missing_end(tar: Path) -> str | None:
    """Look for the empty block that ends a tar; one that breaks off between members has none."""
    if tar.is_dir():
        return None
    with tar.open("rb") as handle:
        handle.seek(max(0, tar.stat().st_size - _TAR_BLOCK))
        end = handle.read(_TAR_BLOCK)
    return "its end is missing" if len(end) < _TAR_BLOCK or any(end) else None


def _note_looks(
    request: CheckRequest,
    report: Report,
    keys: Sequence[tuple[SplitReport, pa.Array]],
    looks: pa.Table,
) -> None:
    """Count each finding once for all splits together, and once for each split that names it."""
    found: dict[str, list[tuple[SplitReport, pa.Table]]] = {}
    for split, own in keys if looks.num_rows else ():
        rows = looks.filter(pc.is_in(looks["key"], value_set=own))
        for entry in pc.value_counts(rows["cause"]).to_pylist():
            cause, count = entry["values"], entry["counts"]
            part = rows.filter(pc.equal(rows["cause"], cause))
            if cause == "picture-missing" and _is_expected(request, split, count):
                cause = "picture-gone"
            report.note(cause, split, count)
            found.setdefault(cause, []).append((split, part))
    for cause, parts in found.items():
        group = report.groups[cause]
        distinct = pc.unique(pa.chunked_array([c for _, t in parts for c in t["key"].chunks]))
        group.count += len(distinct)
        group.examples = _examples(parts)


def _is_expected(request: CheckRequest, split: SplitReport, missing: int) -> bool:
    allowed = request.catalog.dataset(split.dataset).max_rejects_percent
    return allowed > USUAL_LOSS_PERCENT and 100 * missing <= allowed * split.pictures


def _examples(parts: Sequence[tuple[SplitReport, pa.Table]]) -> list[Example]:
    seen: dict[str, Example] = {}
    for split, table in parts:
        for row in table.slice(0, MOST_EXAMPLES).to_pylist():
            seen.setdefault(row["key"], Example(split.name, row["key"], row["detail"]))
    return list(seen.values())[:MOST_EXAMPLES]


def _steps(request: CheckRequest, report: Report) -> dict[str, str]:
    """Say how to get every release that lacks something, and those that it sends one to."""
    steps: dict[str, str] = {}
    for split in report.splits:
        lacking = [c for c in _GETTABLE if c in split.causes]
        if any(report.groups[cause].severity == "fault" for cause in lacking):
            _add_steps(request, request.catalog.dataset(split.dataset), steps)
    return steps


def _add_steps(request: CheckRequest, dataset: Dataset, steps: dict[str, str]) -> None:
    if dataset.release in steps:
        return
    steps[dataset.release] = how_to_get(request.catalog, dataset, request.roots)
    for name in re.findall(r"`instructify catalog (\w+)`", steps[dataset.release]):
        if name in request.catalog.datasets:
            _add_steps(request, request.catalog.dataset(name), steps)
