"""Exports in pieces: by processes or parts, killed or run twice, the bytes are the same."""

import itertools
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from build_help import Commands, is_sentence
from export_help import export, tree

from instructify.build.workers import LocalWorkers
from instructify.exporting import planning, row_groups, rows, webdataset
from instructify.exporting.options import SHAPES

HERE = LocalWorkers(None)
CASES: dict[str, dict[str, Any]] = {
    "all": {},
    "first draws": {"draws": "first"},
    "limit": {"limit": 7},
    "text": {"pictures": False},
    "held-out": {"roles": ("held-out",), "splits": ("test",)},
}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files, row groups and units be small, so that there are many of each."""
    monkeypatch.setattr(row_groups, "GROUP_BYTES", 10_000)
    monkeypatch.setattr(row_groups, "GROUP_ROWS", 30)
    monkeypatch.setattr(webdataset, "MAX_SHARD_SAMPLES", 40)
    monkeypatch.setattr(planning, "MAX_SHARD_SAMPLES", 40)
    monkeypatch.setattr(planning, "FILES_A_PIECE", 2)
    monkeypatch.setattr(planning, "GROUPS_A_UNIT", 3)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != "hub"])
def test_pieces_give_the_bytes_of_one_process(
    odd_build: Path, tmp_path: Path, shape: str, case: str
) -> None:
    options = {"shape": shape, "shard_mb": 1, "shard_unit": 50_000, **CASES[case]}
    told = export(odd_build, tmp_path / "whole", **options)
    assert export(odd_build, tmp_path / "pieces", workers=HERE, **options) == told
    assert tree(tmp_path / "pieces") == tree(tmp_path / "whole")
    if shape in ("webdataset", "parquet") and case == "all":
        assert len(told.datasets["vqav2"]["train"].files) > 2 * planning.FILES_A_PIECE
