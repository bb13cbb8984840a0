"""Write the dataset card, which also makes `datasets.load_dataset(BUILD)` work.

The datasets library caches by the text of the card, not by the content of files, so each
configuration has the hash of its shards. The library also checks the row counts in the card.
"""

import hashlib
from typing import Any

import pyarrow as pa
import yaml

from instructify.build.manifest import DatasetEntry, Manifest, SplitEntry
from instructify.schema import SAMPLE_SCHEMA

_KEPT = {"store": "stored here", "reference": "in folders outside", "none": "not looked at"}


def render_card(manifest: Manifest) -> str:
    """Render README.md of a build; a pure function of the manifest."""
    shown = {name: entry for name, entry in sorted(manifest.datasets.items()) if _readable(entry)}
    header: dict[str, Any] = {
        "pretty_name": "InstructBLIP instruction samples",
        "task_categories": ["visual-question-answering", "image-to-text"],
        "configs": [_config(manifest, name, entry) for name, entry in shown.items()],
        "dataset_info": [_info(manifest, name, entry) for name, entry in shown.items()],
    }
    if header["configs"]:
        header["configs"][0]["default"] = True
    front = yaml.safe_dump(header, sort_keys=False, allow_unicode=True, width=120)
    return f"---\n{front}---\n\n{_body(manifest)}"


def _config(manifest: Manifest, name: str, entry: DatasetEntry) -> dict[str, Any]:
    shards = [shard for split in entry.splits.values() for shard in split.sample_shards]
    content = hashlib.sha256("".join(manifest.files[shard].sha256 for shard in shards).encode())
    return {
        "config_name": name,
        "description": f"{entry.title}, {entry.task}, {entry.role}; content {content.hexdigest()}",
        "data_files": [
            {"split": _split_name(split), "path": list(of.sample_shards)}
            for split, of in _readable(entry)
        ],
    }


def _readable(entry: DatasetEntry) -> list[tuple[str, SplitEntry]]:
    """Return the splits with samples; the datasets library does not load empty splits."""
    return [(name, of) for name, of in sorted(entry.splits.items()) if of.samples]


def _split_name(split: str) -> str:
    """Return a name of a split that the datasets library accepts: it reserves "all"."""
    return "all_splits" if split == "all" else split


def _info(manifest: Manifest, name: str, entry: DatasetEntry) -> dict[str, Any]:
    splits: list[dict[str, Any]] = [
        {
            "name": _split_name(split),
            "num_bytes": sum(manifest.files[shard].size_bytes for shard in of.sample_shards),
            "num_examples": of.samples,
        }
        for split, of in _readable(entry)
    ]
    return {
        "config_name": name,
        "features": [_feature(field) for field in SAMPLE_SCHEMA],
        "splits": splits,
        "download_size": sum(split["num_bytes"] for split in splits),
        "dataset_size": sum(split["num_bytes"] for split in splits),
    }


def _feature(field: pa.Field) -> dict[str, Any]:
    kind = field.type
    if pa.types.is_list(kind) and pa.types.is_struct(kind.value_type):
        return {"name": field.name, "list": [_feature(part) for part in kind.value_type]}
    if pa.types.is_list(kind):
        return {"name": field.name, "list": _dtype(kind.value_type)}
    return {"name": field.name, "dtype": _dtype(kind)}


def _dtype(kind: pa.DataType) -> str:
    if pa.types.is_dictionary(kind):
        return _dtype(kind.value_type)
    return {"float": "float32"}.get(str(kind), str(kind))


def _pictures(manifest: Manifest) -> str:
    """Describe how the pictures of each family are kept."""
    by_mode: dict[str, list[str]] = {}
    for name, mode in sorted(manifest.pictures.modes.items()):
        by_mode.setdefault(mode, []).append(name)
    parts = [f"{_KEPT[mode]}: {', '.join(by_mode[mode])}" for mode in _KEPT if by_mode.get(mode)]
    return f"Pictures {'; '.join(parts)}." if parts else "No pictures."


def _body(manifest: Manifest) -> str:
    lines = [
        "# Instruction samples",
        "",
        f"Made by instructify {manifest.instructify}. {_pictures(manifest)}",
        "",
        "| dataset | split | task | role | records | samples | rejects | licence |",
        "|---|---|---|---|---:|---:|---:|---|",
    ]
    for name, entry in sorted(manifest.datasets.items()):
        for split, of in sorted(entry.splits.items()):
            rejects = sum(of.rejects.values())
            lines.append(
                f"| {name} | {split} | {entry.task} | {entry.role} | {of.records} | "
                f"{of.samples} | {rejects} | {entry.licence} |"
            )
    first = next((name for name, entry in manifest.datasets.items() if _readable(entry)), "NAME")
    lines += [
        "",
        "```python",
        "import datasets",
        f'samples = datasets.load_dataset("<this folder>", "{first}")',
        "```",
        "",
        "Texts are in `samples/`, the records they were rendered from in `records/`, pictures once",
        "each in `pictures/`, what was left out and why in `rejects/`. `manifest.json` has the",
        "options, versions and hashes that everything was made from; its own sha256 is",
        f"`{hashlib.sha256(manifest.to_bytes()).hexdigest()}`.",
        "",
    ]
    return "\n".join(lines)
