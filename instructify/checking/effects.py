"""Find inputs without effect and missing labels, as a conversion does."""

from collections.abc import Sequence

from instructify.build import (
    Covered,
    RawSplit,
    absent_fields,
    effects_of,
    idle_settings,
    unnamed_ocr,
)
from instructify.checking.report import Example, Report, SplitReport
from instructify.checking.request import CheckRequest
from instructify.checking.survey import Survey


def note_effects(
    request: CheckRequest,
    report: Report,
    raws: Sequence[tuple[RawSplit, SplitReport]],
    surveys: Sequence[Survey],
) -> None:
    """Add the findings about every split that could be read, and about all of them together."""
    covered: list[Covered] = []
    example: str | None = None
    for (raw, row), survey in zip(raws, surveys, strict=True):
        if survey.failure is not None:
            continue
        if example is None and len(survey.keys):
            example = survey.keys[0].as_py()
        split = Covered(
            raw=raw,
            ocr=request.ocr,
            records=survey.records,
            coverage=survey.coverage,
            vocabulary=survey.vocabulary,
        )
        covered.append(split)
        for effect in effects_of(split):
            finding = Example(row.name, effect.item, effect.detail)
            report.add(effect.cause, row, effect.number, [finding])
        if survey.records:
            for name, sentence in absent_fields(raw.dataset, survey.fields).items():
                report.add("field-without-value", row, 1, [Example(row.name, name, sentence)])
    _note_ocr(request, report, covered, example)
    _note_settings(request, report, [raw for raw, _ in raws])


def _note_ocr(
    request: CheckRequest, report: Report, covered: Sequence[Covered], example: str | None
) -> None:
    if request.ocr is None or not covered:
        return
    problem = unnamed_ocr(request.ocr, covered, example)
    group = report.groups.get("file-without-effect")
    known = group is not None and any(
        example.item == request.ocr.name for example in group.examples
    )
    if problem is not None and not known:
        row = report.splits[0]
        report.add("file-without-effect", row, 1, [Example(row.name, request.ocr.name, problem)])


def _note_settings(request: CheckRequest, report: Report, raws: Sequence[RawSplit]) -> None:
    for text, reason in idle_settings(request.settings, raws, ocr=request.ocr is not None):
        row = next(row for row in report.splits if text.startswith(f"{row.dataset}."))
        report.add("option-without-effect", row, 1, [Example(row.name, f"--set {text}", reason)])
