"""Check the pictures of an examination: locate each key once, check its file, count by split.

Keys are located in windows and checked in units, so memory holds only the keys and the findings.
"""

import tempfile
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from instructify.build import Progress, Workers
from instructify.checking.picture_checks import (
    PictureFinding,
    PictureUnit,
    Wanted,
    run_picture_unit,
)
from instructify.checking.report import Example, Report, SplitReport
from instructify.checking.request import CheckRequest
from instructify.checking.survey import MOST_EXAMPLES
from instructify.pictures import (
    Location,
    Locator,
    Releases,
    Roots,
    WebMap,
    first_found,
    idle_folders,
    merge_web,
    plan_web,
    run_web,
    split_key,
    wanted_keys,
)

USUAL_LOSS_PERCENT = 1.0  # a dataset that may have more rejects is known to have dead links
_WINDOW_KEYS = 1 << 18  # keys of a window
_UNIT_KEYS = 2_000
_FINDINGS = pa.schema([(name, pa.string()) for name in PictureFinding._fields])


def check_pictures(
    request: CheckRequest,
    keys: Sequence[tuple[SplitReport, pa.Array]],
    report: Report,
    pool: Workers,
    progress: Progress,
    faults: Sequence[tuple[str, str, str]] = (),
) -> pa.Table:
    """Locate every distinct key and check its file; returns a table of findings.

    `faults` are those of pictures embedded in raw files, found while reading.
    """
    roots = Roots.resolve(request.roots.raw, request.roots.images)
    wanted, releases = wanted_keys(_by_release(request, keys))
    report.pictures = len(wanted)
    parts = [_table([PictureFinding(*fault) for fault in faults])]
    used_roots: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="instructify-check-") as scratch:
        web = _web_map(request, report, roots, Path(scratch), pool)
        locator = Locator(families=request.catalog.families, roots=roots, web=web)
        with progress.stage("pictures", len(wanted), "key") as bar:
            for start in range(0, len(wanted), _WINDOW_KEYS):
                window = wanted.slice(start, _WINDOW_KEYS).to_pylist()
                findings: list[PictureFinding] = []
                located = list(_located(request, locator, window, releases, start, findings))
                used_roots.update(picture.place.root for picture in located)
                bar.advance(len(window) - len(located))
                units = [
                    PictureUnit(
                        roots=roots, wanted=located[at : at + _UNIT_KEYS], deep=request.deep
                    )
                    for at in range(0, len(located), _UNIT_KEYS)
                ]
                results = pool.map(
                    run_picture_unit, units, lambda unit, _: bar.advance(len(unit.wanted))
                )
                findings += [finding for each in results for finding in each]
                parts.append(_table(findings))
    if len(wanted):
        _note_idle_folders(report, roots, used_roots)
    return pa.concat_tables([_FINDINGS.empty_table(), *parts])


def _note_idle_folders(report: Report, roots: Roots, used: AbstractSet[str]) -> None:
    row = report.splits[0]
    for folder in idle_folders(roots, used):
        example = Example(row.name, f"--images {folder}", "no picture of these splits is there")
        report.add("folder-without-effect", row, 1, [example])


def _table(findings: Sequence[PictureFinding]) -> pa.Table:
    columns = zip(*findings, strict=True) if findings else ((), (), ())
    return pa.table([pa.array(column, pa.string()) for column in columns], schema=_FINDINGS)


def _by_release(
    request: CheckRequest, keys: Sequence[tuple[SplitReport, pa.Array]]
) -> dict[str, pa.ChunkedArray]:
    releases: dict[str, list[pa.Array]] = {}
    for split, split_keys in keys:
        releases.setdefault(request.catalog.dataset(split.dataset).release, []).append(split_keys)
    return {name: pa.chunked_array(parts) for name, parts in releases.items()}


def _located(
    request: CheckRequest,
    locator: Locator,
    keys: Sequence[str],
    releases: Releases,
    start: int,
    findings: list[PictureFinding],
) -> Iterator[Wanted]:
    """Yield the pictures that have a file; the others go to `findings`."""
    families = request.catalog.families
    for number, key in enumerate(keys, start):
        place = first_found(locator, key, releases.names(number))
        if isinstance(place, Location):
            family = families[split_key(key).family]
            yield Wanted(key, family.media == "video", place)
        else:
            findings.append(PictureFinding(key, *place))


def _web_map(
    request: CheckRequest, report: Report, roots: Roots, scratch: Path, pool: Workers
) -> WebMap | None:
    """Map URLs to places in tars, for datasets with pictures in tars."""
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
        if scan.problem is not None:
            report.add("tar-damaged", row, 1, [Example(row.name, scan.file, scan.problem)])
    return merge_web(scans, scratch)


def note_findings(
    request: CheckRequest,
    report: Report,
    keys: Sequence[tuple[SplitReport, pa.Array]],
    findings: pa.Table,
) -> None:
    """Count each finding once for all splits together, and once for each split with its key."""
    by_cause: dict[str, list[tuple[SplitReport, pa.Table]]] = {}
    for split, split_keys in keys if findings.num_rows else ():
        rows = findings.filter(pc.is_in(findings["key"], value_set=split_keys))
        for entry in pc.value_counts(rows["cause"]).to_pylist():
            cause, count = entry["values"], entry["counts"]
            part = rows.filter(pc.equal(rows["cause"], cause))
            if cause == "picture-missing" and _is_expected(request, split, count):
                cause = "picture-gone"
            report.note(cause, split, count)
            by_cause.setdefault(cause, []).append((split, part))
    for cause, parts in by_cause.items():
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
