"""`import` writes an entry exactly where a conversion by it works, and else says what it lacks."""

import json
from pathlib import Path

import pytest
from shape_makers import MAKERS, Maker, dump, dump_csv, photos

from instructify._util.errors import UserError
from instructify.catalog import load_catalog
from instructify.commands.import_data import run_import

FAST = ("llava_two_pictures", "choices_in_columns", "coco_captions", "image_folder_classes")
AMBIGUOUS = ("csv_from_pandas",)  # two tables that nothing tells apart


def imported(folder: Path, out: Path, name: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Import a shape and return the lines of its entry."""
    MAKERS[name](folder / name)
    run_import([folder / name], name=None, task=None, out=out)
    printed = capsys.readouterr().out
    assert f"next: instructify convert {name} --catalog {out} --raw {folder} --out BUILD" in printed
    assert printed.count("asked:") <= 3
    assert "asked:" in printed
    assert name in load_catalog(extra=out).datasets
    return out.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("name", FAST)
def test_a_shape_is_understood(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = imported(tmp_path, tmp_path / "mine.yaml", name, capsys)
    assert len(lines) - 2 <= 10


@pytest.mark.heavy
@pytest.mark.parametrize("name", sorted(set(MAKERS) - set(AMBIGUOUS)))
def test_every_shape_is_understood(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = imported(tmp_path, tmp_path / "mine.yaml", name, capsys)
    assert len(lines) - 2 <= 10


def test_a_second_import_adds_to_the_file_and_a_taken_name_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine.yaml"
    for name in ("csv_questions", "llava_json"):
        MAKERS[name](tmp_path / name)
    run_import([tmp_path / "csv_questions"], name=None, task=None, out=out)
    run_import([tmp_path / "llava_json" / "chat.json"], name="talks", task=None, out=out)
    assert list(load_catalog(extra=out).datasets)[-2:] == ["csv_questions", "talks"]
    before = out.read_bytes()
    with pytest.raises(UserError, match="has a dataset 'talks' already"):
        run_import([tmp_path / "llava_json"], name="talks", task=None, out=out)
    assert out.read_bytes() == before


def _odd_columns(folder: Path) -> list[tuple[str | None, ...]]:
    photos(folder)
    dump_csv(folder / "train.csv", [{"img": "0.jpg", "what": "Is it?", "who": "me"}])
    return []


def _no_picture_files(folder: Path) -> list[tuple[str | None, ...]]:
    folder.mkdir()
    dump_csv(folder / "train.csv", [{"image": "9.jpg", "question": "Is it?", "answer": "me"}])
    return []


def _bad_index(folder: Path) -> list[tuple[str | None, ...]]:
    photos(folder)
    row = {"image": "0.jpg", "question": "Who?", "choices": ["a", "b"], "answer_index": 7}
    dump(folder / "train.json", [row])
    return []


def _marks_without_pictures(folder: Path) -> list[tuple[str | None, ...]]:
    folder.mkdir()
    turns = [{"from": "human", "value": "<image> Who?"}, {"from": "gpt", "value": "Me."}]
    (folder / "chat.json").write_text(json.dumps([{"conversations": turns}]))
    return []


@pytest.mark.parametrize(
    ("maker", "says"),
    [
        (_odd_columns, "has the columns img, what, who"),
        (_no_picture_files, "names pictures such as '9.jpg'"),
        (_bad_index, "'7' points past the 2 choices"),
        (_marks_without_pictures, "1 mark <image> in 'conversations' and 0 pictures"),
    ],
)
def test_what_cannot_be_converted_is_said_and_nothing_is_written(
    tmp_path: Path, maker: Maker, says: str
) -> None:
    maker(tmp_path / "mine")
    with pytest.raises(UserError) as error:
        run_import([tmp_path / "mine"], name=None, task=None, out=tmp_path / "mine.yaml")
    assert says in str(error.value)
    assert not (tmp_path / "mine.yaml").exists()
