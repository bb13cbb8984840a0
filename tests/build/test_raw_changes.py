"""A raw file that changes while it is read makes no build: its hash would be of other bytes."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import instructify
from instructify._util.errors import UserError
from instructify.build import records
from instructify.build.records_unit import RecordsUnit

FILE = "vqav2/v2_OpenEnded_mscoco_train2014_questions.json"


def _replace(path: Path) -> None:
    other = path.with_suffix(".new")
    other.write_bytes(path.read_bytes().replace(b"?", b"!", 1))
    os.replace(other, path)


def _shrink(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _touch_same_size(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"?", b"!", 1))


CHANGES: dict[str, Callable[[Path], None]] = {
    "it vanishes": Path.unlink,
    "it shrinks": _shrink,
    "it is replaced": _replace,
    "it is written to": _touch_same_size,
}


@pytest.mark.parametrize("how", CHANGES)
def test_a_raw_file_that_changes_while_it_is_read_makes_no_build(
    raw_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    raw, out = tmp_path / "raw", tmp_path / "b"
    shutil.copytree(raw_root / "vqav2", raw / "vqav2")
    write = records._write

    def changing(unit: RecordsUnit, *rest: object) -> object:
        written = write(unit, *rest)  # type: ignore[arg-type]
        if unit.split == "train":
            CHANGES[how](raw / FILE)
        return written

    monkeypatch.setattr(records, "_write", changing)
    with pytest.raises(UserError, match="changed while it was read"):
        instructify.convert(["vqav2"], raw=raw, out=out, pictures="none")
    assert not (out / "manifest.json").exists()
