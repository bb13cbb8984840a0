"""Convert a new dataset split by split, and look at what the build has of it.

A split that is not a default one is left out where its files are not there. Errors of the reader
are given with the line that raised them.
"""

import tempfile
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path

from finding import Finding
from positions import misplaced
from typer.testing import CliRunner

from instructify._util.errors import UserError
from instructify._util.resources import find
from instructify.build import Build
from instructify.catalog import Dataset, Split, load_catalog
from instructify.cli import app
from instructify.explaining import ExplainRequest, explain
from instructify.metrics import Prediction, choose_scoring, score
from instructify.protocols import Protocol, load_protocols, read_questions
from instructify.templating import TemplateFolders, load_templates
from instructify.twins import WRITERS, make_twin

_EXPLAINED = 5  # samples a split
_OF_SCORES = ("auc", "mrr")  # metrics of numbers, not of texts
_READERS = Path("instructify") / "readers"


def converted(entry: Dataset, raw: Path | None) -> Iterator[Finding]:
    """Convert the release at `raw`, or its twin, and judge the build."""
    if raw is None and entry.release not in WRITERS:
        yield Finding("nothing was converted: give --raw DIR (RAW=DIR)", is_needed=False)
        return
    with tempfile.TemporaryDirectory(prefix="check-dataset-") as name:
        folder = Path(name)
        if raw is None:
            raw = folder / "raw"
            make_twin([entry.release], raw, scale=0.3)
        findings = list(_splits_converted(entry, raw, folder / "build"))
        yield from findings
        if any(finding.is_needed for finding in findings):
            return
        what = _failure("verify", folder / "build")
        if what is not None:
            yield Finding(f"the build is not whole: {what}")
            return
        build = Build.open(folder / "build")
        yield from _counts(entry, build)
        yield from _explained(entry, build, raw)
        yield from _asked(entry, build)


def _splits_converted(entry: Dataset, raw: Path, build: Path) -> Iterator[Finding]:
    for split in entry.splits:
        absent = _absent(entry, split, raw)
        if absent is not None and split.name not in entry.default_splits:
            text = f"split '{split.name}' was not converted: there is no {absent}"
            yield Finding(text, is_needed=False)
            continue
        line = ("convert", entry.name, "--split", split.name, "--raw", raw, "--out", build)
        # A twin or an excerpt may have no item of a split that is converted only on request.
        empty = () if split.name in entry.default_splits else ("--allow-empty",)
        what = _failure(*line, "--max-rejects", "100", *empty)
        if what is not None:
            yield Finding(f"split '{split.name}' can't be converted: {what}")


def _absent(entry: Dataset, split: Split, raw: Path) -> Path | None:
    """Return where the first file of a split is expected that is not there."""
    for spec in split.files:
        paths = [raw / entry.release / name for name in spec.names_for(entry.options)]
        if not spec.optional and not any(path.is_file() for path in paths):
            return paths[0]
    return None


def _failure(*line: object) -> str | None:
    """Run a command and say why it fails; None where it doesn't."""
    done = CliRunner().invoke(app, [str(word) for word in line])
    if not done.exit_code:
        return None
    error = done.exception
    if isinstance(error, UserError):
        return str(error).rstrip(".")
    if error is None or isinstance(error, SystemExit):
        return " ".join(done.output.split()).rstrip(".")
    frames = traceback.extract_tb(error.__traceback__)
    in_readers = [frame for frame in frames if str(_READERS) in frame.filename]
    frame = (in_readers or frames)[-1]
    return f"{type(error).__name__}: {error}, in {Path(frame.filename).name}, line {frame.lineno}"


def _counts(entry: Dataset, build: Build) -> Iterator[Finding]:
    """Say what was left out, and how many records the catalog expects."""
    for name, split in build.dataset(entry.name).splits.items():
        for form in sorted(split.forms.keys() - set(entry.forms)):
            yield Finding(f"split '{name}' has records of the form '{form}': name it in `forms`")
        if split.rejects:
            counts = ", ".join(f"{reason} {count}" for reason, count in split.rejects.items())
            allowed = f"`convert` allows {entry.max_rejects_percent:g} % without --max-rejects"
            yield Finding(f"split '{name}' has rejects: {counts}; {allowed}", is_needed=False)
        expected = next(part for part in entry.splits if part.name == name).expected_for(
            entry.options
        )
        if expected is not None and expected.records not in (None, split.records):
            text = (
                f"split '{name}' gives {split.records} records; `expected` has {expected.records}"
            )
            yield Finding(text, is_needed=False)


def _explained(entry: Dataset, build: Build, raw: Path) -> Iterator[Finding]:
    catalog, templates = load_catalog(), load_templates(find("templates"))
    for split in build.dataset(entry.name).splits:
        yield from misplaced(entry, build, split, raw)
        samples = build.samples(entry.name, split).select(["sample_id"]).column("sample_id")
        for sample in samples.to_pylist()[:: max(1, len(samples) // _EXPLAINED)]:
            explanation = explain(
                ExplainRequest(
                    build=build,
                    sample_id=sample,
                    catalog=catalog,
                    templates=templates,
                    raw=raw,
                    ocr=None,
                )
            )
            differing = [step.name for step in explanation.steps if step.state == "differs"]
            if differing:
                links = " and ".join(differing)
                yield Finding(f"{sample} can't be made again from its raw item: {links} differs")
                break


def _asked(entry: Dataset, build: Build) -> Iterator[Finding]:
    """Ask the questions of each protocol, and score the answers of the dataset itself."""
    if entry.metric is None:
        return
    labelled = {split.name for split in entry.splits if split.labelled}
    for protocol in load_protocols(load_catalog(), entry.name):
        if protocol.instruction is None and protocol.prompt == "instruction":
            continue  # the wording is the paper's, and the user's to write down
        split = build.dataset(entry.name).splits.get(protocol.split)
        if split is None or not split.samples:
            text = f"{protocol.name} was not tried: there is no sample of '{protocol.split}'"
            yield Finding(text, is_needed=False)
            continue
        try:
            yield from _right_answers(build, protocol, protocol.split in labelled)
        except UserError as error:
            yield Finding(str(error).rstrip("."))


def _right_answers(build: Build, protocol: Protocol, is_labelled: bool) -> Iterator[Finding]:
    questions = read_questions(build, protocol, load_catalog(), TemplateFolders.of())
    failed = questions.skipped.get("prompt failed", 0)
    if failed:
        text = f"{protocol.name}: `instruction` can't be filled for {failed} records"
        yield Finding(f"{text}; which field do they lack?")
    if not is_labelled:
        return
    if not questions.labelled:
        yield Finding(
            f"{protocol.name}: no record of '{protocol.split}' has what {protocol.metric} needs"
        )
        return
    if protocol.metric in _OF_SCORES:
        return
    responses = _responses(build, protocol)
    scoring = choose_scoring(
        protocol.dataset,
        protocol.metric,
        protocol.variant,
        form=protocol.form,
        vocabulary=questions.vocabulary,
    )
    # Caption sets have references and no target.
    items = [row.item for row in questions.rows if row.item.id in responses or row.item.references]
    if not items:
        return
    answers = [responses.get(item.id) or item.references[0] for item in items]
    given = [Prediction(item.id, text) for item, text in zip(items, answers, strict=True)]
    result = score(scoring, items, given)
    for note in result.notes:
        yield Finding(f"{protocol.name}: {note}", is_needed=False)
    by = f"by {result.metric}, variant {result.variant}"
    text = f"{protocol.name}: the targets of '{protocol.split}' score {result.value:.2f} {by}"
    yield Finding(text, is_needed=result.value == 0)


def _responses(build: Build, protocol: Protocol) -> Mapping[str, str]:
    """Return the target of each record that has one."""
    rows = build.samples(protocol.dataset, protocol.split).select(["record_id", "response"])
    pairs = zip(
        rows.column("record_id").to_pylist(), rows.column("response").to_pylist(), strict=True
    )
    return {record: response for record, response in pairs if response is not None}
