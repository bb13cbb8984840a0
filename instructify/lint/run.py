"""Run all checks on a folder of templates, and on a build made with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from instructify._util.errors import UserError
from instructify._util.file_names import files_of
from instructify._util.resources import find
from instructify.build import Build
from instructify.catalog import Catalog
from instructify.lint.finding import Finding
from instructify.lint.pools import conflict_findings, pool_findings
from instructify.lint.prompts import Prompt, evaluation_findings, prompt_findings, read_prompts
from instructify.lint.renders import Real, render_findings
from instructify.lint.subject import read_subjects
from instructify.lint.texts import text_findings
from instructify.lint.usage import (
    Usage,
    draws_by_template,
    measure,
    real_records,
    usage_findings,
)
from instructify.lint.variety import Variety, varieties

PROTOCOLS = "protocols"


@dataclass(frozen=True, kw_only=True, slots=True)
class LintReport:
    """All findings, errors and warnings, in the order of files and lines."""

    findings: list[Finding]
    num_files: int
    num_templates: int
    varieties: Sequence[Variety]
    usage: Usage | None
    draws: Mapping[str, int]

    @property
    def num_errors(self) -> int:
        return sum(finding.severity == "error" for finding in self.findings)


def lint(
    folder: Path, catalog: Catalog, build: Build | None, *, added: Sequence[Path] = ()
) -> LintReport:
    """Check every template of a folder and of added folders; with a build, also its samples."""
    files = files_of(folder, "*.yaml")
    if not files:
        raise UserError(
            f"{folder} holds no template file; expected <task>.yaml, see docs/templates.md"
        )
    subjects, findings = read_subjects(files, catalog)
    for folder_added in added:
        joining = files_of(folder_added, "*.yaml")
        more, wrong = read_subjects(joining, catalog)
        findings += [*wrong, *conflict_findings(more, subjects)]
        keys = {subject.template.key for subject in subjects}
        subjects += [subject for subject in more if subject.template.key not in keys]
        files = [*files, *joining]
    read = {(subject.placed.node.file, subject.template.id) for subject in subjects}
    num_templates = len(
        read | {(finding.file, finding.template) for finding in findings if finding.template}
    )
    real: Real = {} if build is None else real_records(build)
    for subject in subjects:
        findings += text_findings(subject)
        findings += render_findings(subject, real)
    findings += pool_findings(subjects, catalog)
    prompts: list[Prompt] = []
    for at in (_protocols(folder), *(folder_added / PROTOCOLS for folder_added in added)):
        more_prompts, unread = read_prompts(at)
        prompts += more_prompts
        findings += unread
    findings += prompt_findings(prompts, catalog)
    findings += evaluation_findings(subjects, prompts, catalog)
    usage = None
    draws: Mapping[str, int] = {}
    if build is not None:
        usage = measure(build)
        draws = draws_by_template(usage, subjects)
        findings += usage_findings(usage, subjects, build.paths.root)
    return LintReport(
        findings=sorted(
            findings, key=lambda finding: (finding.file, finding.line or 0, finding.kind)
        ),
        num_files=len(files),
        num_templates=num_templates,
        varieties=list(varieties(subjects)),
        usage=usage,
        draws=draws,
    )


def _protocols(folder: Path) -> Path:
    """Return the folder of evaluation prompts: beside the templates if it exists, else ours."""
    protocols = folder / PROTOCOLS
    return protocols if protocols.is_dir() else find("templates") / PROTOCOLS
