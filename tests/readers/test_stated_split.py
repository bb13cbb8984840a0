"""A file of another split in a split's place is refused: no evaluation data is trained on."""

import json
import shutil
from pathlib import Path

import pytest
from build_help import Commands, is_sentence

from instructify.readers.stated_split import other_split
from instructify.twins.make import make_twin

_A, _T = "aokvqa/aokvqa_v1p0_{}.json", "textvqa/TextVQA_0.5.1_{}.json"
_QUESTIONS = "vqav2/v2_OpenEnded_mscoco_{}2014_questions.json"
_ANNOTATIONS = "vqav2/v2_mscoco_{}2014_annotations.json"
_OKVQA = "okvqa/OpenEnded_mscoco_{}2014_questions.json"


@pytest.fixture(scope="module", name="releases")
def _releases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    raw = tmp_path_factory.mktemp("splits") / "raw"
    make_twin(["aokvqa", "textvqa", "textcaps", "vqav2", "okvqa"], raw, scale=0.1)
    return raw


@pytest.mark.parametrize(
    ("stated", "split", "is_other"),
    [
        ("val", "train", True),
        ("train", "val", True),
        ("val2014", "train", True),
        ("validation", "test", True),
        ("train2014", "train", False),
        ("test-dev2015", "testdev", False),
        ("validation", "val", False),
        ("minival", "train", False),
        (None, "train", False),
        (7, "train", False),
        ("val", "own_part", False),
    ],
)
def test_only_the_kind_of_split_counts(stated: object, split: str, is_other: bool) -> None:
    assert (other_split(stated, split) is not None) == is_other


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("aokvqa", [_A]),
        ("aokvqa_qg", [_A]),
        ("textvqa", [_T]),
        ("textcaps", ["textcaps/TextCaps_0.1_{}.json"]),
        ("vqav2", [_QUESTIONS, _ANNOTATIONS]),
        ("vqav2_qg", [_ANNOTATIONS]),
        ("okvqa", [_OKVQA]),
    ],
)
def test_the_file_of_val_in_the_place_of_train_is_refused(
    releases: Path, tmp_path: Path, command: Commands, name: str, files: list[str]
) -> None:
    raw = tmp_path / "raw"
    shutil.copytree(releases, raw, symlinks=True)
    for file in files:
        shutil.copy(raw / file.format("val"), raw / file.format("train"))
    line = ("convert", name, "--raw", raw, "--out", tmp_path / "b", "--split", "train")
    answer = command(*line, "--pictures", "none")
    assert answer.code in (1, 2)
    assert is_sentence(answer)
    assert "val" in answer.stderr
    assert "read for" in answer.stderr or "bad-value" in answer.stderr
    assert not (tmp_path / "b" / "manifest.json").exists()


def test_one_item_of_another_split_costs_one_reject(
    releases: Path, tmp_path: Path, command: Commands
) -> None:
    raw = tmp_path / "raw"
    shutil.copytree(releases, raw, symlinks=True)
    path = raw / _A.format("train")
    rows = json.loads(path.read_text())
    rows[1]["split"] = "val"
    del rows[2]["split"]  # nothing is stated
    path.write_text(json.dumps(rows))
    line = ("convert", "aokvqa", "--raw", raw, "--out", tmp_path / "b", "--split", "train")
    answer = command(*line, "--pictures", "none", "--max-rejects", "50", "--json")
    assert answer.code == 0, answer.stderr
    assert answer.json()["datasets"][0]["rejects"] == {"bad-value": 1}
