"""The examination: files, then records, then the pictures that records name.

The code is that of a conversion. Nothing is written except scans of img2dataset tars, in a
temporary folder.
"""

import re
from collections.abc import Iterator

import pyarrow.compute as pc

from instructify.build import (
    LookedFor,
    Progress,
    RawSplit,
    Workers,
    candidate_values,
    check_raw_root,
    file_names,
    forms_at_hand,
    how_to_get,
    look_for_files,
)
from instructify.catalog import Dataset
from instructify.checking.effects import note_effects
from instructify.checking.pictures import check_pictures, note_findings
from instructify.checking.report import Example, Report, SplitReport
from instructify.checking.request import CheckRequest
from instructify.checking.survey import Survey, SurveyUnit, run_survey
from instructify.rejects import Reject

_GETTABLE = (
    "file-missing",
    "file-optional",
    "file-without-effect",
    "label-missing",
    "vocabulary-missing",
    "picture-missing",
    "slice",
)


def examine(request: CheckRequest, pool: Workers, progress: Progress) -> Report:
    """Find the problems that a conversion of these datasets would have."""
    check_raw_root(request.roots)
    report = Report(strict=request.complete)
    raws = list(_find_files(request, report))
    units = [_unit(request, raw) for raw, _ in raws]
    with progress.stage("records", len(units), "split") as bar:
        surveys = pool.map(run_survey, units, lambda *_: bar.advance())
    for (_, split), survey in zip(raws, surveys, strict=True):
        _note_survey(report, split, survey)
    note_effects(request, report, raws, surveys)
    keys = [(split, survey.keys) for (_, split), survey in zip(raws, surveys, strict=True)]
    if request.pictures:
        lying = [
            (split, survey.keys.filter(pc.invert(pc.is_in(survey.keys, survey.embedded))))
            for (_, split), survey in zip(raws, surveys, strict=True)
        ]
        faults = [fault for survey in surveys for fault in survey.faults]
        findings = check_pictures(request, lying, report, pool, progress, faults)
        report.pictures += sum(len(survey.embedded) for survey in surveys)
        note_findings(request, report, keys, findings)
    report.how_to_get = _steps(request, report)
    return report


def _unit(request: CheckRequest, raw: RawSplit) -> SurveyUnit:
    candidates = raw.dataset.candidates
    vocabulary = None
    if candidates is not None and candidates.kind == "vocabulary":
        vocabulary, _ = candidate_values(request.catalog, raw.dataset, request.roots, 0)
    return SurveyUnit(
        raw=raw,
        roots=request.roots,
        ocr=request.ocr,
        vocabulary=vocabulary,
        decode=request.pictures,
    )


def _find_files(request: CheckRequest, report: Report) -> Iterator[tuple[RawSplit, SplitReport]]:
    """Report the files of every split; yield the splits that can be read."""
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
    if looked.missing:
        examples = []
        for specs in looked.wanted():
            seen = forms_at_hand(request.catalog, dataset, specs, request.roots.raw)
            detail = "; ".join([f"expected in {folder}", *seen])
            examples.append(Example(row.name, file_names(dataset, specs), detail))
        report.add("file-missing", row, len(examples), examples)
    needed = any(not spec.optional for spec in dataset.split(row.split).files)
    if needed and looked.optional and not looked.missing:
        examples = [
            Example(row.name, file_names(dataset, [spec]), f"would lie in {folder}")
            for spec in looked.optional
        ]
        report.add("file-optional", row, len(examples), examples)


def _note_vocabulary(request: CheckRequest, report: Report, dataset: Dataset) -> None:
    """Report splits that were not requested but whose answers are needed as candidates."""
    if dataset.candidates is None or dataset.candidates.kind != "vocabulary":
        return
    rows = [row for row in report.splits if row.dataset == dataset.name]
    for name in dataset.candidates.splits:
        looked = look_for_files(dataset, dataset.split(name), request.roots)
        if looked.missing and name not in {row.split for row in rows}:
            detail = f"expected in {request.roots.release(dataset.release)}"
            names = " and ".join(looked.missing_names(dataset))
            example = Example(rows[-1].name, names, detail)
            report.add("vocabulary-missing", rows[-1], 1, [example])


def _note_survey(report: Report, split: SplitReport, survey: Survey) -> None:
    if survey.failure is not None:
        named = (file for file in split.files.values() if survey.failure.startswith(file))
        example = Example(split.name, next(named, ""), survey.failure)
        report.add("file-unreadable", split, 1, [example])
        return
    split.records, split.rejects = survey.records, survey.rejects
    split.pictures = len(survey.keys)
    for reason, count in survey.rejects.items():
        rejects = [reject for reject in survey.examples if reject.reason == reason]
        report.add(reason, split, count, [_example(split, reject) for reject in rejects])
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


def _steps(request: CheckRequest, report: Report) -> dict[str, str]:
    """Return how to get every incomplete release, and the releases that it refers to."""
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
