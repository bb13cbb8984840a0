"""`overlap` finds pictures that were planted, says what it could not compare, keeps its result."""

import base64
import io
import json
import os
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from build_help import Commands, is_sentence, tree
from photographs import encoded, scene
from PIL import Image

from instructify._util.errors import UserError
from instructify.build import Build, engine_options
from instructify.commands.overlap import run_overlap
from instructify.overlap import Overlap, read_overlaps, unwaived
from instructify.overlap.waivers import leaked_pairs
from instructify.recipe.model import Waiver
from instructify.recipe.read import load_waivers
from instructify.twins.make import make_twin

NAMES = ("coco_caption", "vqav2", "vsr", "visdial", "hateful_memes", "msvd_qa")
QUESTION = 'is <script>alert("1")</script> this a question that nobody else would ask'


class Planted:
    """A build with known leaks, and what they are."""

    def __init__(self, folder: Path, command: Commands) -> None:
        self.raw, self.build = folder / "raw", folder / "build"
        make_twin(NAMES, self.raw, scale=0.15)
        questions = self.raw / "vqav2/v2_OpenEnded_mscoco_train2014_questions.json"
        numbers = {one["image_id"] for one in json.loads(questions.read_bytes())["questions"]}
        folder = self.raw / "coco/train2014"
        self.trained = [folder / f"COCO_train2014_{number:012d}.jpg" for number in sorted(numbers)]
        self._by_key()
        self._by_bytes()
        self._by_look()
        self._by_text()
        line = ("convert", *NAMES, "--raw", self.raw, "--out", self.build)
        assert command(*line, "--max-rejects", 100).code == 0

    def _by_key(self) -> None:
        """Let one statement of VSR be about a picture that is trained on."""
        path = self.raw / "vsr/data/splits/zeroshot/test.jsonl"
        lines = path.read_text("utf-8").splitlines()
        row = json.loads(lines[0])
        row["image"] = f"{self.trained[0].stem[-12:]}.jpg"
        path.write_text("\n".join([json.dumps(row), *lines[1:]]) + "\n")
        self.coco = f"coco/{self.trained[0].stem[-12:]}"

    def _by_bytes(self) -> None:
        """Let a meme be a copy of a picture that is trained on."""
        row = json.loads((self.raw / "hateful_memes/dev_seen.jsonl").open("rb").readline())
        shutil.copyfile(self.trained[1], self.raw / "hateful_memes" / row["img"])
        self.meme = row["img"].removeprefix("img/")

    def _by_look(self) -> None:
        """Let Visual Dialog have a smaller, cut and re-encoded copy of one that is trained on."""
        photograph = scene(77)
        self.trained[2].write_bytes(encoded(photograph, 95))
        width, height = photograph.size
        copy = photograph.crop((8, 6, width - 8, height - 6)).resize((200, 150))
        found = sorted((self.raw / "visdial/VisualDialog_val2018").glob("*.jpg"))
        found[0].write_bytes(encoded(copy, 60))
        self.dialog = f"visdial/{found[0].stem}"

    def _by_text(self) -> None:
        """Ask one question of the same trained picture in VQAv2 and in VSR."""
        number = int(self.trained[0].stem[-12:])
        path = self.raw / "vqav2/v2_OpenEnded_mscoco_train2014_questions.json"
        value = json.loads(path.read_text("utf-8"))
        row = next(one for one in value["questions"] if one["image_id"] == number)
        row["question"] = f"{QUESTION}?"
        path.write_text(json.dumps(value))
        path = self.raw / "vsr/data/splits/zeroshot/test.jsonl"
        lines = path.read_text("utf-8").splitlines()
        row = json.loads(lines[0])
        row["caption"] = QUESTION.upper()
        path.write_text("\n".join([json.dumps(row), *lines[1:]]) + "\n")


@pytest.fixture(name="planted", scope="module")
def _planted(tmp_path_factory: pytest.TempPathFactory, command: Commands) -> Planted:
    return Planted(tmp_path_factory.mktemp("planted"), command)


def shared(value: Any, left: str, right: str) -> dict[str, Any]:
    """Find a pair by the names of its parts; nothing shared is an empty pair."""
    names = [f"{part['dataset']}/{part['split']}" for part in value["parts"]]
    for one in value["pictures"]:
        if (names[one["left"]], names[one["right"]]) == (left, right):
            return dict(one)
    return {"key": 0, "content": 0, "likeness": 0}


def counts(pair: dict[str, Any]) -> tuple[int, int, int]:
    return pair["key"], pair["content"], pair["likeness"]


def test_what_was_planted_is_found_each_in_its_way(planted: Planted, command: Commands) -> None:
    done = command("overlap", planted.build, "--json")
    assert done.code == 1
    value = done.json()
    for trained in ("coco_caption/train", "vqav2/train"):
        by_key = shared(value, trained, "vsr/test")
        assert counts(by_key) == (1, 0, 0)
        assert by_key["right_records"] == 1
        assert by_key["examples"] == [{"way": "key", "left": planted.coco, "right": planted.coco}]
        by_bytes = shared(value, trained, "hateful_memes/val")
        assert counts(by_bytes) == (0, 1, 0)
        assert by_bytes["examples"][0]["right"].endswith(planted.meme)
        by_look = shared(value, trained, "visdial/val")
        assert counts(by_look) == (0, 0, 1)
        assert by_look["right_records"] == 10  # the rounds of a dialogue
        assert by_look["examples"][0] == {
            "way": "likeness",
            "left": f"coco/{planted.trained[2].stem[-12:]}",
            "right": planted.dialog,
        }
    both = shared(value, "coco_caption/train", "vqav2/train")
    assert both["key"] == both["left_pictures"] > 5
    assert value["pictures"][0]["right"] != both["right"], "held-out sets come first"


def test_questions_that_are_shared(planted: Planted, command: Commands) -> None:
    value = command("overlap", planted.build, "--json").json()
    names = [f"{part['dataset']}/{part['split']}" for part in value["parts"]]
    found = {(names[one["left"]], names[one["right"]]): one for one in value["texts"]}
    pair = found["vqav2/train", "vsr/test"]
    assert pair["questions"] == {"records": 1, "common": 0, "examples": [QUESTION.upper()]}
    assert pair["same_picture"] == 1
    answers = pair["answers"]
    assert answers["records"] == answers["common"] > 1, "yes and no are common"
    assert command("overlap", planted.build, "--json", "--no-texts").json()["texts"] is None


def test_recipes_waive_pairs(planted: Planted, command: Commands, tmp_path: Path) -> None:
    told = command("overlap", planted.build, "--recipe", "paper")
    assert told.code == 1, "memes are not waived"
    assert "waived: vsr:" in " ".join(told.stdout.split())
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "format: 1\nmixture: {members: {vqav2: }}\nwaivers:\n  vsr: known\n  visdial: known\n"
        "  coco_caption / hateful_memes: one picture\n  vqav2/hateful_memes: the same\n"
    )
    assert command("overlap", planted.build, "--recipe", mine).code == 0


def test_what_a_trainer_asks(planted: Planted, command: Commands) -> None:
    command("overlap", planted.build)
    kept = read_overlaps(Build.open(planted.build))
    assert len(kept) == 1
    assert isinstance(kept[0], Overlap)
    mixture = {"vqav2": ["train"]}
    assert [pair.held_out for pair in leaked_pairs(kept, mixture)] == [
        "hateful_memes/val",
        "visdial/val",
        "vsr/test",
    ]
    left = unwaived(kept, mixture, load_waivers("paper"))
    assert [(one.held_in, one.held_out, one.content) for one in left] == [
        ("vqav2/train", "hateful_memes/val", 1)
    ]
    assert "1 of the" in left[0].sentence
    assert "1 by bytes" in left[0].sentence
    sets = ("vsr", "visdial", "hateful_memes")
    waivers = [Waiver(held_out=name, held_in="vqav2", reason="known") for name in sets]
    assert unwaived(kept, mixture, waivers) == []
    other = Waiver(held_out="hateful_memes", held_in="coco_caption", reason="of another pair")
    assert len(unwaived(kept, mixture, [*load_waivers("paper"), other])) == 1
    assert leaked_pairs(kept, {"vqav2": ["nothing"]}) == []
    assert leaked_pairs([], mixture) == []


def test_a_trainer_refuses_held_out_pictures(
    planted: Planted, torch_command: Commands, tmp_path: Path
) -> None:
    """Nothing is trained on an evaluated picture unless a waiver says why it may be."""
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(
        "format: 1\nmixture: {members: {vqav2: }}\nmodel: {name: tiny-llama}\n"
        "data: {batch: 2, window: 1, workers: 0}\nwaivers: {vsr: known, visdial: known}\n"
        "run: {steps: 1, validate_every: 0, tensorboard: false, device: cpu}\n"
    )
    for kept in planted.build.glob("overlap*.json"):
        kept.unlink()
    line = ("train", planted.build, "--recipe", recipe)
    unchecked = torch_command(*line, "--out", tmp_path / "one")  # trains a step
    assert unchecked.code == 0, unchecked.stderr
    assert "unchecked whether held-out pictures are in the" in " ".join(unchecked.stderr.split())
    torch_command("overlap", planted.build)
    refused = torch_command(*line, "--out", tmp_path / "two")
    assert refused.code == 2
    assert "vqav2/train has 1 of the" in refused.stderr
    assert "hateful_memes/val" in refused.stderr
    assert "visdial" not in refused.stderr
    waived = load_waivers(str(recipe))
    held_in = {"vqav2": ("train",)}
    kept_now = read_overlaps(Build.open(planted.build))
    assert [pair.held_out for pair in unwaived(kept_now, held_in, waived)] == ["hateful_memes/val"]
    recipe.write_text(recipe.read_text().replace("vsr: known", "vsr: known, hateful_memes: known"))
    assert unwaived(kept_now, held_in, load_waivers(str(recipe))) == []


def test_a_kept_result_goes_stale_and_disturbs_nothing(
    planted: Planted, command: Commands, tmp_path: Path
) -> None:
    build = Path(shutil.copytree(planted.build, tmp_path / "build"))
    (build / "overlap.json").unlink(missing_ok=True)
    before = tree(build)
    assert command("overlap", build).code == 1
    assert {**before, "overlap.json": tree(build)["overlap.json"]} == tree(build)
    assert command("verify", build).code == 0
    again = (build / "overlap.json").read_bytes()
    assert command("overlap", build).code == 1
    assert (build / "overlap.json").read_bytes() == again
    assert command("retemplate", build, "vqav2", "--seed", 5).code == 0
    assert len(read_overlaps(Build.open(build))) == 1, "templates change no picture"
    line = ("convert", "vqav2", "--raw", planted.raw, "--out", build, "--limit", 5)
    assert command(*line, "--max-rejects", 100).code == 0
    assert list(read_overlaps(Build.open(build))) == []
    assert command("verify", build).code == 0


@pytest.mark.parametrize("text", ['{"format": 99}', "{", '{"format": 1}'])
def test_results_of_others_are_refused(
    planted: Planted, tmp_path: Path, command: Commands, text: str
) -> None:
    build = Path(shutil.copytree(planted.build, tmp_path / "build"))
    (build / "overlap.json").write_text(text)
    with pytest.raises(UserError, match="instructify overlap"):
        read_overlaps(Build.open(build))
    assert command("overlap", build, "--no-texts").code == 1
    assert len(read_overlaps(Build.open(build))) == 1


def test_two_builds_against_each_other(planted: Planted, command: Commands, tmp_path: Path) -> None:
    """Clips count; pictures of one build are compared with those of the other only."""
    other = tmp_path / "other"
    line = ("convert", "vsr", "msvd_qa", "hateful_memes", "--raw", planted.raw, "--out", other)
    assert command(*line, "--max-rejects", 100).code == 0
    build = Path(shutil.copytree(planted.build, tmp_path / "build"))
    for name in build.glob("overlap*.json"):
        name.unlink()
    done = command("overlap", build, "--against", other, "--json")
    assert done.code == 1
    value = done.json()
    of = [part["build"] for part in value["parts"]]
    assert {of[one["left"]] + of[one["right"]] for one in value["pictures"]} == {1}
    assert counts(shared(value, "vqav2/train", "vsr/test")) == (1, 0, 0)
    clips = shared(value, "msvd_qa/test", "msvd_qa/test")
    assert clips["key"] == clips["left_pictures"] > 1
    kept = read_overlaps(Build.open(build))
    assert [one.against_key for one in kept] == [value["against_key"]]
    assert command("overlap", build, "--against", other).stdout.count("vsr/test*") >= 1


def test_visual_genome_by_its_mapping(planted: Planted, command: Commands, tmp_path: Path) -> None:
    make_twin(["gqa"], tmp_path / "raw", scale=0.15)
    shutil.copytree(planted.raw / "coco", tmp_path / "raw" / "coco", dirs_exist_ok=True)
    shutil.copytree(planted.raw / "vqav2", tmp_path / "raw" / "vqav2")
    build = tmp_path / "build"
    line = ("convert", "vqav2", "gqa", "--raw", tmp_path / "raw", "--out", build, "--max-rejects")
    assert command(*line, 100, "--split", "val").code == 0
    assert command(*line, 100, "--split", "train").code == 0
    told = command("overlap", build, "--json").json()
    assert any("image_data.json" in gap for gap in told["not_compared"])
    keys = {key for row in Build.open(build).records("gqa", "val") for key in row["pictures"]}
    image_id = int(min(keys).removeprefix("vg/"))
    mapping = tmp_path / "image_data.json"
    rows = [
        {"image_id": image_id, "coco_id": int(planted.coco.removeprefix("coco/")), "width": 1},
        {"image_id": 1, "coco_id": None},
    ]
    mapping.write_text(json.dumps(rows))
    value = command("overlap", build, "--vg", mapping, "--json").json()
    pair = shared(value, "vqav2/train", "gqa/val")
    assert pair["key"] == 1
    assert pair["examples"][0] == {"way": "key", "left": planted.coco, "right": f"vg/{image_id}"}
    mapping.write_text('{"a": 1}')
    os.mkfifo(tmp_path / "pipe.json")
    for wrong in (mapping, tmp_path / "pipe.json"):
        refused = command("overlap", build, "--vg", wrong)
        assert refused.code == 2
        assert is_sentence(refused)


def test_what_could_not_be_compared_is_said(
    planted: Planted, command: Commands, tmp_path: Path
) -> None:
    gaps = " ".join(command("overlap", planted.build).stdout.split())
    assert "held-out sets that are not in the build: nocaps, flickr30k" in gaps
    assert "clips have no perceptual hash" in gaps
    bare = tmp_path / "bare"
    line = ("convert", "vqav2", "vsr", "--raw", planted.raw, "--out", bare, "--pictures", "none")
    assert command(*line).code == 0
    told = command("overlap", bare, "--json")
    assert told.code == 1
    assert counts(shared(told.json(), "vqav2/train", "vsr/test")) == (1, 0, 0)
    assert any("without pictures" in gap for gap in told.json()["not_compared"])
    off = command("overlap", planted.build, "--likeness", "none", "--json").json()
    assert counts(shared(off, "vqav2/train", "visdial/val")) == (0, 0, 0)
    assert any("--likeness none" in gap for gap in off["not_compared"])


def test_pictures_that_went_away(planted: Planted, command: Commands, tmp_path: Path) -> None:
    """A build that refers to pictures compares by key and bytes when they are gone."""
    raw = Path(shutil.copytree(planted.raw, tmp_path / "raw"))
    build = tmp_path / "build"
    line = ("convert", "vqav2", "visdial", "--raw", raw, "--out", build, "--pictures", "reference")
    assert command(*line, "--max-rejects", 100).code == 0
    value = command("overlap", build, "--json").json()
    assert counts(shared(value, "vqav2/train", "visdial/val")) == (0, 0, 1)
    shutil.rmtree(raw / "visdial")
    value = command("overlap", build, "--json").json()
    assert counts(shared(value, "vqav2/train", "visdial/val")) == (0, 0, 0)
    assert any("can't be read" in gap for gap in value["not_compared"])


def test_all_pairs_by_likeness_in_several_processes(planted: Planted, command: Commands) -> None:
    one = command("overlap", planted.build, "--likeness", "all", "--json").json()
    two = command("overlap", planted.build, "--likeness", "all", "--jobs", 2, "--json").json()
    assert one == two
    assert all(pair["compared_by_likeness"] for pair in one["pictures"])


class _Page(HTMLParser):
    """Collects tags, and what a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in ("src", "href") and not (value or "").startswith("data:image/jpeg;base64,"):
                self.fetched.append(f"{tag} {value}")


def test_the_page_stands_alone_and_hostile_text_stays_text(
    planted: Planted, command: Commands, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    assert command("overlap", planted.build, "--html", page, "--recipe", "paper").code == 1
    text = page.read_text("utf-8")
    read = _Page()
    read.feed(text)
    assert read.fetched == []
    assert "script" not in read.tags
    assert "&lt;SCRIPT&gt;" in text
    assert read.tags >= {"table", "img", "details"}
    assert "url(" not in text
    start = text.index("data:image/jpeg;base64,") + len("data:image/jpeg;base64,")
    picture = Image.open(io.BytesIO(base64.b64decode(text[start : text.index('"', start)])))
    assert max(picture.size) <= 220


def test_the_terminal_fits_eighty_columns(planted: Planted, command: Commands) -> None:
    told = command("overlap", planted.build)
    assert [line for line in told.stdout.splitlines() if len(line) > 80] == []
    assert "A coco_caption/train" in told.stdout


def test_a_build_that_nothing_is_trained_on(
    raw_root: Path, command: Commands, tmp_path: Path
) -> None:
    build = tmp_path / "build"
    assert command("convert", "visdial", "--raw", raw_root, "--out", build).code == 0
    told = command("overlap", build)
    assert told.code == 0
    assert "there is no split to train on" in told.stdout


def test_a_split_without_samples_is_not_trained_on(
    planted: Planted, command: Commands, tmp_path: Path
) -> None:
    """Its pictures are gone, so that its records give no sample."""
    raw = Path(shutil.copytree(planted.raw, tmp_path / "raw"))
    shutil.rmtree(raw / "coco/train2014")
    build = tmp_path / "build"
    line = ("convert", "vqav2", "vsr", "--raw", raw, "--out", build, "--max-rejects", 100)
    assert command(*line).code == 0
    value = command("overlap", build, "--json").json()
    assert [part["split"] for part in value["parts"] if part["is_trained"]] == []
    assert value["texts"] == []
    assert "there is no split to train on" in value["not_compared"]


def test_a_damaged_shard_is_refused(planted: Planted, command: Commands, tmp_path: Path) -> None:
    build = Path(shutil.copytree(planted.build, tmp_path / "build"))
    shard = build / "records/vsr/test-00000.arrow"
    shard.write_bytes(shard.read_bytes()[:-100])
    refused = command("overlap", build)
    assert refused.code == 2
    assert is_sentence(refused)
    assert "vsr/test-00000.arrow" in refused.stderr


def test_a_build_that_is_read_only_is_refused_before_the_search(
    whole_build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, mode: int) -> bool:
        return Path(path) != whole_build or mode != os.W_OK

    monkeypatch.setattr("instructify.commands.overlap.os.access", refuse)
    with pytest.raises(UserError, match="can't be written, and overlap saves its result there"):
        run_overlap(
            *(whole_build, None),
            html=None,
            vg=None,
            likeness="none",
            texts=False,
            recipe=None,
            engine=engine_options(jobs=1, engine="local"),
            catalog_file=None,
            as_json=True,
        )
    assert not (whole_build / "overlap.json").exists()
