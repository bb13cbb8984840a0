"""`lint`: findings about templates by kind, and how a build uses the templates."""

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from instructify._util.terminal import paragraph
from instructify._util.text_table import FigureColumn, TextColumn, table_lines
from instructify._util.wording import counted
from instructify.build import Build
from instructify.catalog import load_catalog
from instructify.lint import (
    INSTRUCTION_TOKENS,
    RESPONSE_TOKENS,
    Finding,
    Lengths,
    LintReport,
    TaskUse,
    Usage,
    Variety,
    lint,
)
from instructify.templating import TemplateFolders

REPORT_FORMAT = 1
_SHOWN = 12  # of a kind, in the terminal
_LISTED = 1_000  # of all, in JSON


def run_lint(
    build: Path | None, templates: TemplateFolders, catalog_file: Path | None, *, as_json: bool
) -> int:
    """Lint and print the report; returns 1 if there are errors, else 0."""
    opened = None if build is None else Build.open(build)
    catalog = load_catalog(extra=catalog_file)
    report = lint(templates.base, catalog, opened, added=templates.added)
    if as_json:
        print(json.dumps(_as_json(report), indent=1))
    else:
        print("\n".join(_lines(report, " and ".join(map(str, templates.all)))))
    return 1 if report.num_errors else 0


def _as_json(report: LintReport) -> dict[str, object]:
    findings = report.findings
    usage = report.usage
    return {
        "format": REPORT_FORMAT,
        "files": report.num_files,
        "templates": report.num_templates,
        "errors": report.num_errors,
        "warnings": len(findings) - report.num_errors,
        "findings": [
            {**finding._asdict(), "to_do": finding.to_do} for finding in findings[:_LISTED]
        ],
        "findings_left_out": max(0, len(findings) - _LISTED),
        "varieties": [variety._asdict() for variety in report.varieties],
        "usage": None if usage is None else [_task_json(use) for use in usage.tasks],
        "draws": None if usage is None else dict(report.draws),
    }


def _task_json(use: TaskUse) -> dict[str, object]:
    return {
        **use._asdict(),
        "ngrams": list(use.ngrams),
        "instruction": use.instruction._asdict(),
        "response": use.response._asdict(),
    }


def _lines(report: LintReport, folder: str) -> Iterator[str]:
    order = {"error": 0, "warning": 1}
    by_kind = sorted(report.findings, key=lambda finding: (order[finding.severity], finding.kind))
    for (severity, kind), group in groupby(
        by_kind, key=lambda finding: (finding.severity, finding.kind)
    ):
        findings = list(group)
        yield f"{severity} {kind}: {len(findings):,}"
        yield from _group(findings)
        yield ""
    if report.usage is None and any(variety.self_bleu is not None for variety in report.varieties):
        yield from _variety_lines(report.varieties)
        yield ""
    if report.usage is not None:
        yield from _usage_lines(report.usage, report)
        yield ""
    warnings = len(report.findings) - report.num_errors
    both = f"{counted(report.num_errors, 'error')}, {counted(warnings, 'warning')}"
    yield paragraph(
        f"{counted(report.num_templates, 'template')} in {counted(report.num_files, 'file')} of "
        f"{folder}: {both if report.findings else 'clean'}"
    )


def _group(findings: Sequence[Finding]) -> Iterator[str]:
    for finding in findings[:_SHOWN]:
        line = "" if finding.line is None else f":{finding.line}"
        name = "" if finding.template is None else f" {finding.template}"
        yield paragraph(f"{Path(finding.file).name}{line}{name}: {finding.what}", "  - ", "    ")
    if len(findings) > _SHOWN:
        yield f"  - and {len(findings) - _SHOWN:,} more: --json"
    yield paragraph(findings[0].to_do, "  > ", "    ")


_VARIETY = (
    TextColumn("pool", 44),
    FigureColumn("templates", 9),
    FigureColumn("openings", 9),
    FigureColumn("self-BLEU", 10),
)


def _variety_lines(varieties: Sequence[Variety]) -> Iterator[str]:
    """Show how varied each pool is; pools of a task with the same templates share a row."""
    forms_of: dict[Variety, list[str]] = {}
    for variety in varieties:
        forms_of.setdefault(variety._replace(form=""), []).append(variety.form)
    rows = [
        [
            f"{variety.task} {', '.join(forms)}",
            *(str(variety.templates), str(variety.openings)),
            "-" if variety.self_bleu is None else f"{variety.self_bleu:.1f}",
        ]
        for variety, forms in forms_of.items()
    ]
    yield from table_lines(_VARIETY, rows)


def _usage_lines(usage: Usage, report: LintReport) -> Iterator[str]:
    tasks = [use for use in usage.tasks if use.samples]
    if not tasks:
        yield "no split of the build has samples"
        return
    yield from table_lines(_USE, [_use_row(use) for use in tasks])
    yield ""
    yield from table_lines(_WORDS, [_words_row(use) for use in tasks])
    yield ""
    yield from _draw_lines(tasks, report)


_USE = (
    TextColumn("task", 23),
    FigureColumn("samples", 9),
    FigureColumn("templates", 10),
    FigureColumn("distinct", 9),
    FigureColumn("distinct 1/2/3-grams", 23),
)
_WORDS = (
    TextColumn("words: middle, 95 %, most", 23),
    FigureColumn("instruction", 18),
    FigureColumn("response", 18),
    FigureColumn(f"cut at {INSTRUCTION_TOKENS}/{RESPONSE_TOKENS}", 16),
)


def _use_row(use: TaskUse) -> list[str]:
    grams = " ".join(f"{share:.3f}" for share in use.ngrams)
    return [
        use.task,
        *(f"{use.samples:,}", str(use.drawn), f"{use.distinct / use.samples:.1%}", grams),
    ]


def _words_row(use: TaskUse) -> list[str]:
    cut = f"{use.instruction.over:.1%} / {use.response.over:.1%}"
    return [use.task, _words(use.instruction), _words(use.response), cut]


def _words(lengths: Lengths) -> str:
    return f"{lengths.median:,} {lengths.p95:,} {lengths.most:,}"


def _draw_lines(tasks: Sequence[TaskUse], report: LintReport) -> Iterator[str]:
    """Summarize the draws of each task's templates; --json lists all."""
    columns = (
        TextColumn("draws of a template", 23),
        FigureColumn("fewest", 9),
        FigureColumn("most", 9),
        TextColumn("drawn least"),
    )
    yield from table_lines(columns, list(_draw_rows(tasks, report)))


def _draw_rows(tasks: Sequence[TaskUse], report: LintReport) -> Iterator[list[str]]:
    for use in tasks:
        draws = {key: n for key, n in report.draws.items() if key.startswith(f"{use.task}/")}
        if draws:
            least = min(draws, key=lambda key: (draws[key], key))
            name = least.removeprefix(f"{use.task}/")
            yield [use.task, f"{draws[least]:,}", f"{max(draws.values()):,}", name]
