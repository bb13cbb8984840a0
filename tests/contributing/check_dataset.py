"""Say what a dataset of catalog.yaml still lacks, in sentences, for whoever adds it.

Run: python tests/contributing/check_dataset.py NAME [--raw DIR] (`make check-dataset NAME=...
RAW=DIR`). Exit code 1 where something is missing; what is only useful is said and costs nothing.
With a raw root, or where the release has a twin, the dataset is also converted, verified and
explained: each of some samples is made again from the item that its position names.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from typer.testing import CliRunner

from instructify._util.errors import UserError
from instructify._util.resources import find
from instructify.build import Build
from instructify.catalog import Dataset, load_catalog
from instructify.cli import app
from instructify.explaining import ExplainRequest, explain
from instructify.protocols import load_protocols, protocol_folder
from instructify.readers import READERS
from instructify.templating import fitting, load_templates
from instructify.twins import WRITERS, make_twin

_TESTS = Path(__file__).parents[1]
_EXPLAINED = 5  # samples a split


class Finding(NamedTuple):
    """What is missing; `is_needed` is false where the dataset is whole without it."""

    text: str
    is_needed: bool = True


def findings(name: str, raw: Path | None) -> Iterator[Finding]:
    """Look through the places of a dataset, then at what a conversion gives."""
    catalog = load_catalog()
    if name not in catalog.datasets:
        yield Finding(f"catalog.yaml has no dataset '{name}': write an entry under `datasets:`")
        return
    entry = catalog.dataset(name)
    places = [*_reader(entry), *_templates(entry), *_protocol(entry)]
    yield from places
    yield from _useful(entry)
    if not any(finding.is_needed for finding in places):
        yield from _converted(entry, raw)


def _reader(entry: Dataset) -> Iterator[Finding]:
    if entry.reader not in READERS:
        yield Finding(
            f"there is no reader '{entry.reader}': define `READER = Reader(name=\"{entry.reader}\","
            f" ...)` in instructify/readers/{entry.reader}.py"
        )
        return
    reader = READERS[entry.reader]
    for option in sorted(entry.options.keys() ^ reader.options.keys()):
        where = "the catalog" if option in reader.options else f"the reader {reader.name}"
        yield Finding(f"option '{option}' is not in {where}: both have to list it")


def _templates(entry: Dataset) -> Iterator[Finding]:
    folder = find("templates")
    try:
        templates = load_templates(folder).for_task(entry.task)
    except UserError as error:
        yield Finding(f"{error}: write templates/{entry.task}.yaml (docs/templates.md)")
        return
    for form in entry.forms:
        if not fitting(templates, form):
            yield Finding(
                f"templates/{entry.task}.yaml has no template for the form '{form}'; "
                "docs/templates.md says how one is written"
            )


def _protocol(entry: Dataset) -> Iterator[Finding]:
    if entry.metric is None:
        return
    path = protocol_folder() / f"{entry.name}.yaml"
    if not path.is_file():
        yield Finding(
            f"there is no templates/protocols/{entry.name}.yaml: "
            "without it `eval` doesn't know how to ask (docs/evaluation.md)"
        )
        return
    for protocol in load_protocols(load_catalog(), entry.name):
        for setting, source in protocol.sources.items():
            if source == "ours" and not protocol.note:
                text = f"{protocol.name}: '{setting}' is our choice; a `note` may say why"
                yield Finding(text, is_needed=False)
                break


def _useful(entry: Dataset) -> Iterator[Finding]:
    counted = {split.name for split in entry.splits if split.expected}
    for split in entry.splits:
        if split.name not in counted:
            text = f"split '{split.name}' has no `expected` count: `check` can't tell what is gone"
            yield Finding(text, is_needed=False)
    if entry.release not in WRITERS:
        yield Finding(
            f"the release '{entry.release}' has no twin (instructify/twins/make.py): "
            "tests that make twins leave the dataset out",
            is_needed=False,
        )
    texts = (path.read_text("utf-8") for path in (_TESTS / "readers").glob("*.py"))
    if not any(f'"{entry.reader}"' in text for text in texts):
        text = f"no test in tests/readers speaks of '{entry.reader}': what does it reject?"
        yield Finding(text, is_needed=False)


def _converted(entry: Dataset, raw: Path | None) -> Iterator[Finding]:
    if raw is None and entry.release not in WRITERS:
        yield Finding("nothing was converted: give --raw DIR (RAW=DIR)", is_needed=False)
        return
    with tempfile.TemporaryDirectory(prefix="check-dataset-") as name:
        folder = Path(name)
        if raw is None:
            raw = folder / "raw"
            make_twin([entry.release], raw, scale=0.3)
        build = folder / "build"
        line = ("convert", entry.name, "--raw", raw, "--out", build, "--max-rejects", "100")
        for command, says in ((line, "it can't be converted"), (("verify", build), "not whole")):
            done = CliRunner().invoke(app, [str(word) for word in command])
            if done.exit_code:
                yield Finding(f"{says}: {done.exception if done.exception else done.output}")
                return
        yield from _explained(entry, build, raw)


def _explained(entry: Dataset, folder: Path, raw: Path) -> Iterator[Finding]:
    build = Build.open(folder)
    for split in build.dataset(entry.name).splits:
        rows = build.records(entry.name, split).select(["record_id", "form"])
        forms = {str(form) for form in rows.column("form").to_pylist()}
        for form in sorted(forms - set(entry.forms)):
            yield Finding(f"split '{split}' has records of the form '{form}': name it in `forms`")
        for record in rows.column("record_id").to_pylist()[:: max(1, len(rows) // _EXPLAINED)]:
            explanation = explain(
                ExplainRequest(
                    build=build,
                    sample_id=f"{record}#0",
                    catalog=load_catalog(),
                    templates=load_templates(find("templates")),
                    raw=raw,
                    ocr=None,
                )
            )
            differing = [step.name for step in explanation.steps if step.state == "differs"]
            if differing:
                links = " and ".join(differing)
                yield Finding(f"{record} can't be made again from its raw item: {links} differs")
                return


def main() -> int:
    """Print the findings; returns 1 where something that is needed is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--raw", type=lambda text: Path(text).resolve())
    given = parser.parse_args()
    try:
        found = list(findings(given.name, given.raw))
    except UserError as error:
        found = [Finding(str(error))]
    for finding in found:
        end = "" if finding.text.endswith("?") else "."
        print(f"{'missing' if finding.is_needed else 'note   '}  {finding.text}{end}")
    needed = sum(finding.is_needed for finding in found)
    print(f"{given.name}: {needed or 'nothing'} missing" if needed else f"{given.name} is whole")
    return 1 if needed else 0


if __name__ == "__main__":
    sys.exit(main())
