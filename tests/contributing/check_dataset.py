"""Say what a dataset of catalog.yaml still lacks, in sentences, for whoever adds it.

Run: python tests/contributing/check_dataset.py NAME [--raw DIR] (`make check-dataset NAME=...
RAW=DIR`). Exit code 1 where something is missing; what is only useful is said and costs nothing.
With a raw root, or where the release has a twin, the dataset is also converted, verified and
explained: each of some samples is made again from the item that its position names.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from conversion import converted
from finding import Finding

from instructify._util.errors import UserError
from instructify._util.resources import find
from instructify.catalog import Dataset, load_catalog
from instructify.protocols import load_protocols, protocol_folders
from instructify.readers import READERS
from instructify.templating import fitting, load_templates
from instructify.twins import WRITERS

_TESTS = Path(__file__).parents[1]


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
        yield from converted(entry, raw)


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
    if not (folder / f"{entry.task}.yaml").is_file():
        text = f"there is no templates/{entry.task}.yaml; docs/templates.md says how it is written"
        yield Finding(text)
        return
    try:
        templates = load_templates(folder).for_task(entry.task)
    except UserError as error:
        yield Finding(str(error).rstrip("."))
        return
    for form in entry.forms:
        if not fitting(templates, form):
            yield Finding(
                f"templates/{entry.task}.yaml has no template for the form '{form}'; "
                "docs/templates.md says how one is written"
            )


def _protocol(entry: Dataset) -> Iterator[Finding]:
    if entry.metric is None:
        text = "`metric` is null: the dataset is evaluated without a score"
        yield Finding(text, is_needed=False)
        return
    path = protocol_folders().base / f"{entry.name}.yaml"
    if not path.is_file():
        yield Finding(
            f"there is no templates/protocols/{entry.name}.yaml: "
            "without it `eval` doesn't know how to ask (docs/evaluation.md)"
        )
        return
    try:
        protocols = load_protocols(load_catalog(), entry.name)
    except UserError as error:
        yield Finding(str(error).rstrip("."))
        return
    for protocol in protocols:
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


def main() -> int:
    """Print the findings; returns 1 where something that is needed is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--raw", type=lambda text: Path(text).resolve())
    given = parser.parse_args()
    try:
        found = list(findings(given.name, given.raw))
    except UserError as error:
        found = [Finding(str(error).rstrip("."))]
    for finding in found:
        end = "" if finding.text.endswith("?") else "."
        print(f"{'missing' if finding.is_needed else 'note   '}  {finding.text}{end}")
    needed = sum(finding.is_needed for finding in found)
    print(f"{given.name}: {needed or 'nothing'} missing" if needed else f"{given.name} is whole")
    return 1 if needed else 0


if __name__ == "__main__":
    sys.exit(main())
