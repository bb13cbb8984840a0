"""`lint`: what is wrong with templates, by kind, and what a build made of them."""

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from instructify._util.terminal import paragraph
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
    """Lint and report; returns 1 if there are errors."""
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
        "findings": [{**one._asdict(), "to_do": one.to_do} for one in findings[:_LISTED]],
        "findings_left_out": max(0, len(findings) - _LISTED),
        "varieties": [one._asdict() for one in report.varieties],
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
    by_kind = sorted(report.findings, key=lambda one: (order[one.severity], one.kind))
    for (severity, kind), group in groupby(by_kind, key=lambda one: (one.severity, one.kind)):
        found = list(group)
        yield f"{severity} {kind}: {len(found):,}"
        yield from _group(found)
        yield ""
    if report.usage is None and any(one.self_bleu is not None for one in report.varieties):
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


def _group(found: Sequence[Finding]) -> Iterator[str]:
    for one in found[:_SHOWN]:
        line = "" if one.line is None else f":{one.line}"
        name = "" if one.template is None else f" {one.template}"
        yield paragraph(f"{Path(one.file).name}{line}{name}: {one.what}", "  - ", "    ")
    if len(found) > _SHOWN:
        yield f"  - and {len(found) - _SHOWN:,} more: --json"
    yield paragraph(found[0].to_do, "  > ", "    ")


def _variety_lines(varieties: Sequence[Variety]) -> Iterator[str]:
    """Say how varied each pool is; pools of one task with the same templates stand together."""
    yield f"{'pool':<46}{'templates':>10}{'openings':>10}{'self-BLEU':>11}"
    told: dict[Variety, list[str]] = {}
    for one in varieties:
        told.setdefault(one._replace(form=""), []).append(one.form)
    for one, forms in told.items():
        figure = "-" if one.self_bleu is None else f"{one.self_bleu:.1f}"
        pool = f"{one.task} {', '.join(forms)}"
        yield f"{pool:<46}{one.templates:>10}{one.openings:>10}{figure:>11}"


def _usage_lines(usage: Usage, report: LintReport) -> Iterator[str]:
    tasks = [use for use in usage.tasks if use.samples]
    if not tasks:
        yield "no split of the build has samples"
        return
    grams = "distinct 1/2/3-grams"
    yield f"{'task':<25}{'samples':>10}{'templates':>11}{'distinct':>10}{grams:>24}"
    for use in tasks:
        grams = " ".join(f"{share:.3f}" for share in use.ngrams)
        distinct = use.distinct / use.samples
        yield f"{use.task:<25}{use.samples:>10,}{use.drawn:>11}{distinct:>10.1%}{grams:>24}"
    yield ""
    over = f"cut at {INSTRUCTION_TOKENS}/{RESPONSE_TOKENS}"
    yield f"{'words: middle, 95 %, most':<25}{'instruction':>19}{'response':>19}{over:>17}"
    for use in tasks:
        cut = f"{use.instruction.over:.1%} / {use.response.over:.1%}"
        yield f"{use.task:<25}{_words(use.instruction):>19}{_words(use.response):>19}{cut:>17}"
    yield ""
    yield from _draw_lines(tasks, report)


def _words(lengths: Lengths) -> str:
    return f"{lengths.median:,} {lengths.p95:,} {lengths.most:,}"


def _draw_lines(tasks: Sequence[TaskUse], report: LintReport) -> Iterator[str]:
    """Sum up the draws of each task's templates; --json has every one."""
    yield f"{'draws of a template':<25}{'fewest':>10}{'most':>10}  drawn least"
    for use in tasks:
        own = {key: n for key, n in report.draws.items() if key.startswith(f"{use.task}/")}
        if own:
            least = min(own, key=lambda key: (own[key], key))
            name = least.removeprefix(f"{use.task}/")
            yield f"{use.task:<25}{own[least]:>10,}{max(own.values()):>10,}  {name[:33]}"
