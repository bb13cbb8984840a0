"""`check`: every planted fault is named with its reason, nothing else is, and `convert` agrees."""

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from build_help import DATASETS, Answer, Commands, is_sentence, ledger, start
from damage import DATASETS as DAMAGED
from damage import Planted, make_damaged, make_hidden

from instructify.build.progress import Progress
from instructify.build.raw import RawRoots
from instructify.build.workers import LocalWorkers
from instructify.catalog.load import load_catalog
from instructify.catalog.splits import Expected
from instructify.checking.causes import CAUSES, cause_of
from instructify.checking.examination import examine
from instructify.checking.request import CheckRequest
from instructify.rejects import REASONS

PICTURE_CAUSES = {cause for cause in REASONS if cause.startswith(("picture-", "not-a-", "clip-"))}


class Damaged(NamedTuple):
    raw: Path
    planted: list[Planted]


@pytest.fixture(scope="module", name="damaged")
def _damaged(tmp_path_factory: pytest.TempPathFactory) -> Damaged:
    """A spoiled raw root; not to be changed."""
    raw = tmp_path_factory.mktemp("damaged") / "raw"
    return Damaged(raw, make_damaged(raw))


def groups(answer: Answer) -> Mapping[str, Any]:
    return {group["cause"]: group for group in answer.json()["groups"]}


def is_named(planted: Planted, found: Mapping[str, Any]) -> bool:
    examples = found.get(planted.cause, {"examples": []})["examples"]
    return any(
        planted.item in example["item"] and planted.words in example["detail"]
        for example in examples
    )


def test_every_planted_fault_is_named_with_its_reason(damaged: Damaged, command: Commands) -> None:
    answer = command("check", *DAMAGED, "--raw", damaged.raw, "--json")
    assert answer.code == 1
    found = groups(answer)
    assert [one for one in damaged.planted if not is_named(one, found)] == []
    for group in found.values():
        assert group["mend"].endswith(".")
        assert group["count"] == len(group["examples"])
        assert group["severity"] == CAUSES.get(group["cause"], cause_of(group["cause"])).severity


def test_nothing_but_what_was_planted_is_a_fault(damaged: Damaged, command: Commands) -> None:
    found = groups(command("check", *DAMAGED, "--raw", damaged.raw, "--json"))
    faults = {cause: group["count"] for cause, group in found.items()}
    wanted: dict[str, int] = {}
    for planted in damaged.planted:
        wanted[planted.cause] = wanted.get(planted.cause, 0) + 1
    del faults["slice"], wanted["slice"], faults["picture-gone"]
    # The cut WebP file stands under a JPEG's name, as do the meme's TIFF and some photographs.
    assert faults.pop("suffix-differs") == wanted.pop("suffix-differs") + 1
    assert faults == wanted


def test_a_conversion_rejects_what_check_names(
    damaged: Damaged, command: Commands, tmp_path: Path
) -> None:
    names = ("vqav2", "hateful_memes", "msvd_qa")
    answer = command("check", *names, "--raw", damaged.raw, "--json")
    told = {
        (cause, example["item"])
        for cause, group in groups(answer).items()
        if group["severity"] == "fault" and cause in PICTURE_CAUSES | {"path-outside-root"}
        for example in group["examples"]
        if cause != "clip-truncated"
    }
    line = ("--raw", damaged.raw, "--out", tmp_path / "build", "--max-rejects", 100)
    assert command("convert", *names, *line).code == 0
    rejected = {
        (row["reason"], row["detail"].partition(": ")[0])
        for name in names
        for row in ledger(tmp_path / "build", name)
        if row["field"] == "pictures"
    }
    assert rejected == told


def test_damage_between_the_ends_is_found_by_decoding(command: Commands, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    make_damaged(raw)
    planted = make_hidden(raw)
    line = ("check", "vqav2", "hateful_memes", "--raw", raw, "--json")
    shallow = groups(command(*line))
    deep = groups(command(*line, "--deep", "--jobs", 2))
    assert not any(is_named(one, shallow) for one in planted)
    assert all(is_named(one, deep) for one in planted)
    for cause, group in shallow.items():
        assert group["count"] <= deep[cause]["count"], cause


def test_a_whole_raw_root_has_no_fault(raw_root: Path, command: Commands) -> None:
    for more in ([], ["--deep"]):
        answer = command("check", *DATASETS, "--raw", raw_root, "--json", *more)
        assert answer.code == 0
        assert answer.json()["faults"] == 0
        assert set(groups(answer)) <= {"slice"}
    told = command("check", *DATASETS, "--raw", raw_root)
    assert told.code == 0
    assert "\nno faults, " in told.stdout


def test_records_are_those_of_a_conversion(
    raw_root: Path, whole_build: Path, command: Commands
) -> None:
    rows = command("check", *DATASETS, "--raw", raw_root, "--json").json()["splits"]
    done = command("convert", *DATASETS, "--raw", raw_root, "--out", whole_build, "--json").json()
    assert {(row["name"], row["split"]): (row["records"], row["pictures"]) for row in rows} == {
        (row["name"], row["split"]): (row["records"], row["pictures"]) for row in done["datasets"]
    }


def test_processes_do_not_change_the_findings(damaged: Damaged, command: Commands) -> None:
    line = ("check", *DAMAGED, "--raw", damaged.raw, "--json")
    one, two = command(*line).json(), command(*line, "--jobs", 2).json()
    assert {**one, "wall_s": 0} == {**two, "wall_s": 0}


def test_it_fits_eighty_columns(damaged: Damaged, command: Commands) -> None:
    told = command("check", *DAMAGED, "--raw", damaged.raw)
    assert told.code == 1
    assert told.stderr == ""
    wide = [line for line in told.stdout.splitlines() if len(line) > 80]
    assert [line for line in wide if max(map(len, line.split())) < 60] == []
    assert len(told.stdout.splitlines()) < 200
    assert "http://images.cocodataset.org/zips/train2014.zip" in told.stdout


@pytest.mark.parametrize(
    ("records", "exact", "state"),
    [
        (0, True, "complete"),
        (-1, True, "more"),
        (1, True, "slice"),
        (1, False, "complete"),
        (200, False, "slice"),
    ],
)
def test_counts_against_official_ones(
    raw_root: Path, records: int, exact: bool, state: str
) -> None:
    """The official count is set to what the twin holds, and so many more."""
    report = _examined(raw_root, None)
    held = report.splits[0].records
    assert held
    official = Expected(records=held + records, pictures=None, exact=exact, when={})
    again = _examined(raw_root, official)
    assert again.splits[0].state == state
    assert ("slice" in again.groups) == (state == "slice")
    assert ("more-records" in again.groups) == (state == "more")


def _examined(raw: Path, official: Expected | None) -> Any:
    catalog = load_catalog()
    dataset = catalog.dataset("vqav2")
    splits = tuple(
        dataclasses.replace(split, expected=(official,) if official else ())
        for split in dataset.splits
    )
    dataset = dataclasses.replace(dataset, splits=splits)
    request = CheckRequest(
        catalog=catalog, datasets=[dataset], roots=RawRoots(raw=raw), split="train"
    )
    return examine(request, LocalWorkers(None), Progress(shown=False))


def test_a_slice_is_a_fault_where_all_is_wanted(raw_root: Path, command: Commands) -> None:
    line = ("check", "vqav2", "--raw", raw_root)
    assert command(*line).code == 0
    strict = command(*line, "--complete")
    assert strict.code == 1
    assert "fault slice: 2 splits" in strict.stdout
    assert "v2_Questions_Train_mscoco.zip" in strict.stdout


def test_nothing_there_at_all(command: Commands, tmp_path: Path) -> None:
    told = command("check", "--all", "--raw", tmp_path)
    assert told.code == 1
    assert "file-missing" in told.stdout
    assert len(told.stdout.splitlines()) < 120
    value = command("check", "--all", "--raw", tmp_path, "--json").json()
    assert len(value["how_to_get"]) == len(load_catalog().releases)
    assert all(row["records"] is None for row in value["splits"])


def test_the_answer_vocabulary_is_missed(raw_root: Path, command: Commands, tmp_path: Path) -> None:
    raw = Path(shutil.copytree(raw_root / "msvd_qa", tmp_path / "msvd_qa")).parent
    (raw / "msvd_qa" / "train_qa.json").unlink()
    answer = command("check", "msvd_qa", "--raw", raw, "--json")
    assert answer.code == 0
    assert groups(answer)["vocabulary-missing"]["examples"][0]["item"] == "train_qa.json"


def test_a_conversion_offers_the_check(raw_root: Path, command: Commands, tmp_path: Path) -> None:
    """What its messages tell one to run is a command that runs and says more."""
    raw = Path(shutil.copytree(raw_root / "vqav2", tmp_path / "raw root" / "vqav2")).parent
    (raw / "vqav2" / "v2_mscoco_val2014_annotations.json").unlink()
    out = ("--out", tmp_path / "build")
    some = command("convert", "vqav2", "--raw", raw, *out, "--pictures", "none")
    assert some.code == 0
    none = command("convert", "gqa", "--raw", raw, *out)
    assert none.code == 2
    lossy = command("convert", "vqav2", "--raw", raw, "--out", tmp_path / "other")
    assert lossy.code == 1
    for answer, name in ((some, "vqav2"), (none, "gqa"), (lossy, "vqav2")):
        line = f"instructify check {name} --raw '{raw}'"
        assert answer is lossy or answer.stderr.strip().endswith(line)
        assert line in answer.stderr
        assert command("check", name, "--raw", raw).code == 1


def test_the_offered_check_looks_at_the_same_options(command: Commands, tmp_path: Path) -> None:
    line = ("--raw", tmp_path, "--set", "vsr.variant=random")
    told = command("convert", "vsr", *line, "--out", tmp_path / "build", "--split", "val").stderr
    offered = told.splitlines()[-1].partition("instructify ")[2].split()
    assert offered[-4:] == ["--split", "val", "--set", "vsr.variant=random"]
    found = groups(command(*offered, "--json"))
    assert "random/dev.jsonl" in found["file-missing"]["examples"][0]["item"]


@pytest.mark.parametrize("line", [["vqa2"], [], ["vqav2", "--split", "trian"], ["vqav2", "--x"]])
def test_mistakes_are_one_sentence(raw_root: Path, command: Commands, line: list[str]) -> None:
    told = command("check", *line, "--raw", raw_root)
    assert told.code == 2
    assert is_sentence(told)


def test_a_reader_that_leaves(raw_root: Path) -> None:
    process = start("check", "vqav2", "--raw", raw_root)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait(60) in (0, 1)


def test_causes_stand_before_their_consequences(
    command: Commands, raw_root: Path, tmp_path: Path
) -> None:
    raw = tmp_path / "raw"
    shutil.copytree(raw_root / "vqav2", raw / "vqav2")
    cut = raw / "vqav2" / "v2_OpenEnded_mscoco_train2014_questions.json"
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    answer = command("check", "vqav2", "--raw", raw)
    told = [line.split()[1] for line in answer.stdout.splitlines() if line.startswith("fault")]
    assert told[0] == "cut-off:"
    assert told[-1] == "picture-missing:"
    found = answer.stdout.index
    assert found("fault cut-off") < found("fault bad-value") < found("fault picture-missing")
    order = [group["cause"] for group in groups_in_order(command, raw)]
    assert order.index("cut-off") < order.index("bad-value") < order.index("picture-missing")


def groups_in_order(command: Commands, raw: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = command("check", "vqav2", "--raw", raw, "--json").json()["groups"]
    return found


def test_without_pictures_only_files_and_records_are_looked_at(
    command: Commands, raw_root: Path, tmp_path: Path
) -> None:
    shutil.copytree(raw_root / "vqav2", tmp_path / "vqav2")
    line = ("check", "vqav2", "--raw", tmp_path)
    assert "picture-missing" in groups(command(*line, "--json"))
    answer = command(*line, "--json", "--no-pictures")
    assert answer.code == 0
    assert set(groups(answer)) == {"slice"}
    assert answer.json()["pictures"] == 0
    assert all(split["pictures"] > 0 for split in answer.json()["splits"])
    assert "and no picture of" in " ".join(command(*line, "--no-pictures").stdout.split())


@pytest.mark.parametrize(
    ("name", "split"), [("coco_caption", "train"), ("flickr30k", "test"), ("gqa", "train")]
)
def test_files_of_which_any_one_is_enough_are_joined_by_or_in_both_commands(
    command: Commands, tmp_path: Path, name: str, split: str
) -> None:
    (tmp_path / "raw").mkdir()
    line = (name, "--split", split, "--raw", tmp_path / "raw")
    refused = command("convert", *line, "--out", tmp_path / "build")
    assert refused.code == 2
    (example,) = groups(command("check", *line, "--json"))["file-missing"]["examples"]
    assert example["item"] in refused.stderr
    assert " or " in example["item"]
    assert " and " not in refused.stderr.partition(" expected in ")[0]


def test_files_that_are_all_needed_are_joined_by_and(command: Commands, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    line = ("iconqa", "--raw", tmp_path / "raw")
    refused = command("convert", *line, "--out", tmp_path / "build").stderr
    found = groups(command("check", *line, "--json"))["file-missing"]["examples"]
    items = [one["item"] for one in found]
    assert len(items) == 2
    assert ", and ".join(items) in refused


def test_a_picture_folder_that_supplies_no_picture_is_a_line(
    command: Commands, raw_root: Path, tmp_path: Path
) -> None:
    raw, pictures, idle = tmp_path / "raw", tmp_path / "pictures", tmp_path / "idle"
    shutil.copytree(raw_root / "vqav2", raw / "vqav2")
    shutil.copytree(raw_root / "coco", pictures / "coco")
    idle.mkdir()
    line = ("vqav2", "--split", "val", "--raw", raw, "--images", pictures, "--images", idle)
    found = groups(command("check", *line, "--json"))["folder-without-effect"]
    assert found["severity"] == "note"
    assert [one["item"] for one in found["examples"]] == [f"--images {idle.resolve()}"]
    for mode in ("reference", "store"):
        for _ in range(2):  # the second run looks at no picture anew
            answer = command("convert", *line, "--out", tmp_path / mode, "--pictures", mode)
            assert answer.code == 0
            assert f"--images {idle.resolve()} has no effect" in answer.stderr
            assert f"--images {pictures.resolve()} has" not in answer.stderr
    answer = command("convert", *line, "--out", tmp_path / "none", "--pictures", "none")
    assert answer.stderr.count("has no effect with --pictures none") == 2


def test_check_counts_an_ocr_file_for_the_line_that_convert_names(
    command: Commands, raw_root: Path, tmp_path: Path
) -> None:
    shutil.copytree(raw_root / "vqav2", tmp_path / "raw" / "vqav2")
    ocr = tmp_path / "ocr.jsonl"
    ocr.write_text('{"picture": "vqav2/1", "tokens": ["a"]}\n')
    line = ("vqav2", "--raw", tmp_path / "raw", "--ocr", ocr)
    found = groups(command("check", *line, "--no-pictures", "--json"))["file-without-effect"]
    assert (found["severity"], found["count"]) == ("fault", 1)
    assert "'vqav2/1'" in found["examples"][0]["detail"]
    assert command("convert", *line, "--out", tmp_path / "b", "--pictures", "none").code == 2
    lost = command("convert", *line[:1], "--raw", tmp_path / "raw", "--out", tmp_path / "c")
    assert lost.code == 1
    assert "--ocr" not in lost.stderr
