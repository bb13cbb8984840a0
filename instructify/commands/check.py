"""`check`: what would go wrong in a conversion, by cause, and how to get or fix each file."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from instructify._util.terminal import paragraph, shortened
from instructify._util.text_table import FigureColumn, TextColumn, table_lines
from instructify._util.wording import counted
from instructify.build import (
    EngineOptions,
    Progress,
    RawRoots,
    ocr_side_file,
    open_workers,
    with_settings,
)
from instructify.catalog import load_catalog
from instructify.checking import (
    CheckRequest,
    Example,
    Group,
    Report,
    SplitReport,
    cause_of,
    examine,
)
from instructify.commands.convert import chosen_datasets, with_all_own

REPORT_FORMAT = 1
_SHOWN_EXAMPLES = 2
_SHOWN_SPLITS = 6
_SHOWN_RELEASES = 4
_DETAIL_CHARS = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckOptions:
    """The options of `check`; `groups` holds the flags --held-in, --held-out and --all."""

    names: Sequence[str] = ()
    groups: tuple[bool, bool, bool] = (False, False, False)
    raw: Path
    images: Sequence[Path] = ()
    split: str | None = None
    settings: Sequence[str] = ()
    deep: bool = False
    complete: bool = False
    pictures: bool = True
    ocr: Path | None = None
    jobs: int = 1
    every_own: bool = False
    catalog_file: Path | None = None


def run_check(options: CheckOptions, *, as_json: bool) -> int:
    """Examine the raw files and print the report; returns 1 if there are faults, else 0."""
    start = time.monotonic()
    request = check_request(options)
    report = checked(request, options.jobs)
    wall_s = time.monotonic() - start
    print(_as_json(report, wall_s) if as_json else "\n".join(_lines(request, report, wall_s)))
    return 1 if report.of("fault") else 0


def check_request(options: CheckOptions) -> CheckRequest:
    """Turn options into a request.

    Raises:
        UserError: an option names something that does not exist.
    """
    catalog = load_catalog(extra=options.catalog_file)
    names = with_all_own(catalog, options.names, options.catalog_file, options.every_own)
    chosen = chosen_datasets(catalog, names, options.groups, what="check")
    return CheckRequest(
        catalog=catalog,
        datasets=with_settings(catalog, chosen, options.settings),
        roots=RawRoots(raw=options.raw, images=tuple(options.images)),
        split=options.split,
        deep=options.deep,
        complete=options.complete,
        pictures=options.pictures,
        ocr=None if options.ocr is None else ocr_side_file(options.ocr),
        settings=tuple(options.settings),
    )


def checked(request: CheckRequest, jobs: int = 1) -> Report:
    """Examine the raw files with `jobs` processes."""
    with open_workers(EngineOptions(jobs=jobs)) as pool:
        return examine(request, pool, Progress.for_terminal())


def _as_json(report: Report, wall_s: float) -> str:
    value = {
        "format": REPORT_FORMAT,
        "splits": [_split_json(report, split) for split in report.splits],
        "groups": [_group_json(group) for group in (*report.of("fault"), *report.of("note"))],
        "how_to_get": dict(report.how_to_get),
        "pictures": report.pictures,
        "faults": sum(group.count for group in report.of("fault")),
        "notes": sum(group.count for group in report.of("note")),
        "wall_s": round(wall_s, 3),
    }
    return json.dumps(value, indent=1)


def _split_json(report: Report, split: SplitReport) -> dict[str, object]:
    official = split.official
    return {
        "name": split.dataset,
        "split": split.split,
        "files": split.files,
        "state": split.state,
        "records": split.records,
        "official_records": official and official.records,
        "official_is_exact": official and official.exact,
        "pictures": split.pictures,
        "official_pictures": official and official.pictures,
        "faults": report.faults_of(split),
        "causes": dict(sorted(split.causes.items())),
    }


def _group_json(group: Group) -> dict[str, object]:
    cause = cause_of(group.cause)
    return {
        "cause": group.cause,
        "severity": group.severity,
        "what": cause.what,
        "mend": cause.mend,
        "count": group.count,
        "splits": group.splits,
        "examples": [example._asdict() for example in group.examples],
        "examples_left_out": max(0, group.count - len(group.examples)),
    }


def _lines(request: CheckRequest, report: Report, wall_s: float) -> Iterator[str]:
    yield from table_lines(_COLUMNS, [_row(report, split) for split in report.splits])
    for group in (*report.of("fault"), *report.of("note")):
        yield ""
        yield from _group_lines(group)
    yield from _steps(report)
    yield ""
    yield paragraph(_summary(request, report, wall_s))


_COLUMNS = (
    TextColumn("dataset", 17),
    TextColumn("split", 8, floor=8),
    FigureColumn("records", 10),
    FigureColumn("official", 12),
    FigureColumn("pictures", 10),
    FigureColumn("faults", 8),
    TextColumn("", floor=None),
)


def _row(report: Report, split: SplitReport) -> list[str]:
    records = "not read" if split.records is None else f"{split.records:,}"
    official = split.official.records if split.official else None
    expected = "-" if official is None else f"{official:,}"
    about = "~" if split.official and not split.official.exact and official is not None else ""
    faults = report.faults_of(split)
    slice_ = "slice" if split.state == "slice" else ""
    counts = (records, about + expected, f"{split.pictures:,}", str(faults or "-"))
    return [split.dataset, split.split, *counts, slice_]


def _group_lines(group: Group) -> Iterator[str]:
    cause = cause_of(group.cause)
    yield paragraph(
        f"{group.severity} {group.cause}: {counted(group.count, cause.unit)}, {cause.what}",
        "",
        "  ",
    )
    if group.cause not in ("slice", "more-records", "no-record"):
        shown = [f"{name} {count:,}" for name, count in group.splits.items()][:_SHOWN_SPLITS]
        left = len(group.splits) - len(shown)
        yield paragraph(
            ", ".join(shown) + (f" and {counted(left, 'more split')}" if left else ""),
            "  in ",
            "    ",
        )
    for example in group.examples[:_SHOWN_EXAMPLES]:
        yield paragraph(_example_line(example), "  - ", "    ")
    left = group.count - min(_SHOWN_EXAMPLES, len(group.examples))
    if left > 0:
        yield f"  - and {left:,} more"
    yield paragraph(cause.mend, "  > ", "    ")


def _example_line(example: Example) -> str:
    named = example.item in example.detail
    item = "" if named else f" {example.item}"
    return shortened(f"{example.split}{item}: {example.detail}", _DETAIL_CHARS)


def _steps(report: Report) -> Iterator[str]:
    """Print how to get the files that are missing, as the catalog describes it."""
    shown = list(report.how_to_get.items())[:_SHOWN_RELEASES]
    for release, text in shown:
        yield ""
        yield f"how to get {release}:"
        for line in text.splitlines():
            indent = "  " + " " * (len(line) - len(line.lstrip()))
            yield paragraph(line, indent, indent + "  ", cut=False)
    left = [name for name in report.how_to_get if name not in dict(shown)]
    if left:
        yield ""
        yield paragraph(
            f"how to get {', '.join(left)}: see `instructify catalog NAME` of the dataset, "
            "or `how_to_get` with --json"
        )


def _summary(request: CheckRequest, report: Report, wall_s: float) -> str:
    faults = sum(group.count for group in report.of("fault"))
    notes = sum(group.count for group in report.of("note"))
    records = sum(split.records or 0 for split in report.splits)
    fault_text = counted(faults, "fault") if faults else "no faults"
    pictures = counted(report.pictures, "picture") if request.pictures else "no picture"
    return (
        f"{fault_text}, {counted(notes, 'note')} in {counted(records, 'record')} and {pictures} of "
        f"{request.roots.raw}, {wall_s:.1f} s; all of them: --json"
    )
