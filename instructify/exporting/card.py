"""The card of a Hub folder: its configurations, and the source and licence of each dataset.

Texts and pictures may have different licences, so the table quotes the catalog.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from instructify import __version__
from instructify.build import DatasetEntry, content_key
from instructify.exporting.licences import withheld
from instructify.exporting.receipt import SplitReceipt

# Licences of the catalog, and their identifiers on the Hub.
_HUB_LICENCES = {
    "CC BY 4.0": "cc-by-4.0",
    "CC BY 2.0": "cc-by-2.0",
    "CC BY-NC-SA 4.0": "cc-by-nc-sa-4.0",
    "Apache-2.0": "apache-2.0",
}


def render_hub_card(
    entries: Mapping[str, DatasetEntry],
    splits: Mapping[str, Mapping[str, SplitReceipt]],
    build_sha256: str,
    options: Mapping[str, object],
) -> str:
    """Render README.md; datasets without samples are in the table only."""
    shown = {
        name: receipts
        for name, receipts in splits.items()
        if any(receipt.files for receipt in receipts.values())
    }
    header: dict[str, Any] = {
        "pretty_name": "Vision-language instruction samples",
        "task_categories": ["visual-question-answering", "image-to-text"],
        **_licence_lines([entries[name] for name in splits]),
        "configs": [
            _config(name, receipts, [build_sha256, dict(options)])
            for name, receipts in shown.items()
        ],
    }
    if header["configs"]:
        header["configs"][0]["default"] = True
    front = yaml.safe_dump(header, sort_keys=False, allow_unicode=True, width=120)
    return f"---\n{front}---\n\n{_body(entries, splits, build_sha256)}"


def _licence_lines(entries: Sequence[DatasetEntry]) -> dict[str, Any]:
    licences = {entry.licence for entry in entries}
    hub_name = _HUB_LICENCES.get(next(iter(licences))) if len(licences) == 1 else None
    return {"license": hub_name or "other"}


def _config(name: str, receipts: Mapping[str, SplitReceipt], made_from: object) -> dict[str, Any]:
    """Describe a configuration; `datasets` caches by the description, so it names the content."""
    files = {split: receipt.files for split, receipt in receipts.items() if receipt.files}
    return {
        "config_name": name,
        "description": f"content {content_key(f'hub {name}', [made_from, files])}",
        "data_files": [
            {"split": _split_name(split), "path": paths} for split, paths in files.items()
        ],
    }


def _split_name(split: str) -> str:
    """Return a split name that the `datasets` library allows: it reserves "all"."""
    return "all_splits" if split == "all" else split


def _body(
    entries: Mapping[str, DatasetEntry],
    splits: Mapping[str, Mapping[str, SplitReceipt]],
    build_sha256: str,
) -> str:
    lines = [
        "# Vision-language instruction samples",
        "",
        "Instructions and responses rendered from other people's datasets, with their pictures.",
        f"Made by instructify {__version__} from the build with the manifest `{build_sha256}`;",
        "`export.json` has options and counts. `sample_id` is `<dataset>/<split>/<raw id>#<draw>`.",
        "",
        "```python",
        "import datasets",
        f'datasets.load_dataset("<this repository>", "{next(iter(splits), "NAME")}")',
        "```",
        "",
        "| dataset | task | role | split | samples |",
        "|---|---|---|---|---:|",
    ]
    for name, receipts in splits.items():
        for split, receipt in receipts.items():
            facts = (name, entries[name].task, receipt.role, split, f"{receipt.written:,}")
            lines.append(f"| {' | '.join(facts)} |")
    lines += [
        "",
        "Held-out datasets are there to evaluate on; train on the others.",
        "",
        "## Licences",
        "",
        "Each dataset keeps the terms of its authors. Cite them, and mind that photographs may",
        "have other terms than the texts about them.",
        "",
        "| dataset | from | licence |",
        "|---|---|---|",
    ]
    for name in splits:
        entry = entries[name]
        lines.append(f"| {name} | [{_cell(entry.title)}]({entry.home}) | {_cell(entry.licence)} |")
    restricted = [name for name in splits if withheld(entries[name].licence) is not None]
    if restricted:
        lines += [
            "",
            f"Whoever made this export said that they may share: {', '.join(restricted)}.",
        ]
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split()) or "none stated"
