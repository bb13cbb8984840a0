"""The text of the catalog for a terminal of 80 columns: a list of all datasets, or all about one.

Plain text without colours or control codes, so that it can be piped. Programs use
`Dataset.summary()`.
"""

import re
import textwrap
from collections.abc import Iterable, Mapping

from instructify._util.text_table import TextColumn, table_lines
from instructify._util.yaml_lines import Scalar
from instructify.catalog.candidates import Candidates
from instructify.catalog.model import Catalog, Dataset
from instructify.catalog.splits import Expected, RawFileSpec, Split

WIDTH = 80

_GROUPS = {
    ("held-in", None): "held-in",
    ("held-out", "task-seen"): "held-out, the task is seen in training",
    ("held-out", "task-unseen"): "held-out, the whole task is unseen",
    ("held-out", None): "held-out",
}
_DIGITS = re.compile(r"\d+")


def catalog_lines(catalog: Catalog) -> str:
    """List all datasets, held-in ones first, a line each."""
    lines: list[str] = []
    for (role, cluster), title in _GROUPS.items():
        datasets = [dataset for dataset in catalog.select(role=role) if dataset.cluster == cluster]
        if datasets:
            lines += [f"{title} ({len(datasets)})", *_overview(datasets), ""]
    lines.append("`instructify catalog NAME` tells all about one: files, how to get them, options.")
    return "\n".join(lines)


def dataset_lines(catalog: Catalog, name: str, *, help_of: Mapping[str, str] | None = None) -> str:
    """Describe a dataset; `help_of` explains its options, as its reader declares them."""
    dataset = catalog.dataset(name)
    release = catalog.release_of(dataset)
    task = catalog.tasks[dataset.task]
    metric = catalog.metrics[dataset.metric].title if dataset.metric else "none"
    role = f"{dataset.role}, {dataset.cluster}" if dataset.cluster else dataset.role
    lines = [f"{dataset.name}: {dataset.title}", "=" * len(f"{dataset.name}: {dataset.title}")]
    lines += [
        *_pair("task", f"{task.title} ({task.name})"),
        *_pair("role", role),
        *_pair("release", release.title),
        *_pair("home", release.home),
        *_pair("licence", release.licence),
        *(_pair("citation", release.citation) if release.citation else []),
        *_pair("metric", metric),
        *_pair("forms", ", ".join(_forms(dataset))),
        *_pair("candidates", _candidates(dataset.candidates)),
        *_pair("rejects", f"up to {dataset.max_rejects_percent:g} % are tolerated"),
    ]
    if dataset.note:
        lines += ["", *textwrap.wrap(dataset.note, WIDTH)]
    lines += ["", f"Files below RAW/{release.name} (RAW is the folder given as --raw)"]
    for split in dataset.splits:
        lines += _split_lines(split, dataset)
    lines += ["", "How to get them", *_get_lines(release.get)]
    lines += ["", "Pictures are looked for as", *_picture_lines(catalog, dataset)]
    lines += ["", *_option_lines(dataset, help_of or {})]
    lines += ["", "Convert it", f"  instructify convert {dataset.name} --raw RAW --out BUILD"]
    return "\n".join(lines)


_COLUMNS = (
    TextColumn("name", 18),
    TextColumn("task", 24),
    TextColumn("converted", 11, floor=11),
    TextColumn("metric", floor=None),
)


def _overview(datasets: Iterable[Dataset]) -> list[str]:
    rows = [
        (dataset.name, dataset.task, " ".join(dataset.default_splits), dataset.metric or "-")
        for dataset in datasets
    ]
    return list(table_lines(_COLUMNS, rows))


def _pair(label: str, text: str) -> list[str]:
    wrapped = textwrap.wrap(text, WIDTH - 12, break_long_words=False, break_on_hyphens=False)
    return [f"{label:<11} {wrapped[0]}", *(f"{'':<11} {line}" for line in wrapped[1:])]


def _forms(dataset: Dataset) -> list[str]:
    return [
        form if factor == 1 else f"{form} (weight x {factor:g})"
        for form, factor in dataset.forms.items()
    ]


def _candidates(candidates: Candidates | None) -> str:
    if candidates is None:
        return "none, the answer is free"
    if candidates.kind == "record":
        return "the choices of each record"
    if candidates.kind == "fixed":
        return ", ".join(candidates.values)
    amount = f"the {candidates.top} most frequent answers" if candidates.top else "all answers"
    given = f" given at least {candidates.min_count} times" if candidates.min_count > 1 else ""
    return f"{amount} of {', '.join(candidates.splits)}{given}"


def _split_lines(split: Split, dataset: Dataset) -> list[str]:
    marks = [] if split.labelled else ["no answers: for inference only"]
    if split.name in dataset.default_splits:
        marks.insert(0, "default")
    expected = split.expected_for(dataset.options)
    if expected is not None:
        marks.append(_counts(expected, dataset.media))
    lines = [f"  {split.name}" + (f"  ({'; '.join(marks)})" if marks else "")]
    any_of = all(spec.optional for spec in split.files)
    if any_of and len(split.files) > 1:
        lines.append("    any of")
    for group in _numbered(split.files):
        lines += _file_lines(group, dataset.options, any_of=any_of)
    return lines


def _numbered(specs: Iterable[RawFileSpec]) -> list[list[RawFileSpec]]:
    """Group adjacent names that differ only in a number."""
    groups: list[list[RawFileSpec]] = []
    for spec in specs:
        shape = [_DIGITS.sub("", name) for name in spec.names]
        if groups and shape == [_DIGITS.sub("", name) for name in groups[-1][0].names]:
            groups[-1].append(spec)
        else:
            groups.append([spec])
    return groups


def _counts(expected: Expected, media: str) -> str:
    about = "" if expected.exact else "about "
    parts = []
    if expected.records is not None:
        parts.append(f"{about}{expected.records:,} records")
    if expected.pictures is not None:
        parts.append(f"{expected.pictures:,} {'clips' if media == 'video' else 'pictures'}")
    return ", ".join(parts)


def _file_lines(
    group: list[RawFileSpec], options: Mapping[str, Scalar], *, any_of: bool
) -> list[str]:
    first, *others = group[0].names_for(options)
    may = "  (optional)" if group[0].optional and not any_of else ""
    indent = "      " if any_of else "    "
    lines = [f"{indent}{first}{may}", *(f"{indent}  or {name}" for name in others)]
    if len(group) > 1:
        lines.append(f"{indent}  ... to {group[-1].names_for(options)[0]}")
    return lines


def _get_lines(get: str) -> list[str]:
    lines: list[str] = []
    for line in get.replace("{raw}", "RAW").splitlines():
        indent = "  " + " " * (len(line) - len(line.lstrip()))
        lines += textwrap.wrap(
            line.strip(),
            WIDTH,
            initial_indent=indent,
            subsequent_indent=indent + "    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    return lines


def _picture_lines(catalog: Catalog, dataset: Dataset) -> list[str]:
    lines = []
    for family in catalog.families_of(dataset):
        folders = [dataset.release, *(f for f in family.folders if f != dataset.release)]
        lines += [f"  RAW/{folders[0]}/{pattern}" for pattern in family.patterns]
        if folders[1:]:
            lines.append(f"    and the same below RAW/{', RAW/'.join(folders[1:])}")
        lines += [f"  in the tars RAW/{folders[0]}/{tar} of img2dataset" for tar in family.tars]
    return [*lines, "  and the same below each --images folder"]


def _option_lines(dataset: Dataset, help_of: Mapping[str, str]) -> list[str]:
    if not dataset.options:
        return ["It has no options"]
    lines = [f"Options, with their defaults (--set {dataset.name}.OPTION=VALUE)"]
    for option, value in dataset.options.items():
        if value == "":
            continue  # not set: a column that an own table does not have
        shown = str(value).lower() if isinstance(value, bool) else value
        lines.append(f"  {option}={shown}")
        indent = " " * 6
        help_text = help_of.get(option, "")
        lines += textwrap.wrap(help_text, WIDTH, initial_indent=indent, subsequent_indent=indent)
    return lines
