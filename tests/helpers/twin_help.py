"""Reads twins as the build does: the catalog names the files, the readers' table the reader."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from reader_help import Outcome, run_reader

from instructify._util.yaml_lines import Scalar
from instructify.catalog.load import load_catalog
from instructify.catalog.splits import RawFileSpec
from instructify.readers import READERS
from instructify.readers.base import OptionValue


def load(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def read_split(root: Path, name: str, split: str, **given: OptionValue) -> Outcome:
    """Read one split of a dataset from a raw root, with the catalog's options unless given."""
    dataset = load_catalog().dataset(name).with_options(given)
    if dataset.reader not in READERS:
        pytest.skip(f"there is no reader '{dataset.reader}' yet")
    folder = root / dataset.release
    options = {k: v for k, v in dataset.options.items() if isinstance(v, str | int | bool)}
    files = {}
    for spec in dataset.split(split).files:
        found = _first(folder, spec, dataset.options)
        assert found or spec.optional, f"{name} {split}: no {spec.role} in the twin"
        if found:
            files[spec.role] = found
    return run_reader(
        READERS[dataset.reader],
        files,
        dataset=name,
        split=split,
        options=options,
        folders=(folder,),
    )


def _first(folder: Path, spec: RawFileSpec, options: Mapping[str, Scalar]) -> Path | None:
    paths = (folder / name for name in spec.names_for(options))
    return next((path for path in paths if path.is_file()), None)
