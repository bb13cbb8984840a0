"""`plan` and what stands below it: a recipe on a build, its refusals, tables, pages and JSON."""

import hashlib
import html.parser
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from build_help import Commands, is_sentence

from instructify._util.errors import UserError
from instructify.build.opened import Build
from instructify.catalog.load import load_catalog
from instructify.commands.plan import _percent, short
from instructify.mixture import MixtureState
from instructify.recipe.members import MixedBuild, mix_build
from instructify.recipe.plan import compare, make_plan
from instructify.recipe.read import load_mixture
from instructify.recipe.run_settings import RunSettings

# The square-root shares of the paper's 13 datasets, no factor applied, in thousandths: facts.
SHARES = {
    "web_capfilt": 458,
    "ocr_vqa": 110,
    "coco_caption": 92,
    "vqav2": 82,
    "vqav2_qg": 82,
    "textcaps": 41,
    "llava_reasoning": 34,
    "llava_conversation": 30,
    "llava_detail": 19,
    "aokvqa": 16,
    "aokvqa_qg": 16,
    "okvqa": 12,
    "okvqa_qg": 12,
}


@pytest.fixture(scope="module")
def held_in(tmp_path_factory: pytest.TempPathFactory, command: Commands) -> Path:
    """A build of all 13 held-in datasets and a held-out one, without pictures."""
    folder = tmp_path_factory.mktemp("held-in")
    names = ("twin", "--all", "--out", folder / "raw", "--scale", 0.15, "--no-pictures")
    assert command(*names).code == 0
    line = ("--raw", folder / "raw", "--out", folder / "build", "--pictures", "none")
    assert command("convert", "--held-in", *line).code == 0
    assert command("convert", "gqa", *line).code == 0
    return folder / "build"


def mixed(build: Path, recipe: str) -> MixedBuild:
    return mix_build(Build.open(build), load_mixture(recipe), load_catalog(), batch=32)


def recipe_file(folder: Path, mixture: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(f"format: 1\nmixture: {mixture}\n", encoding="utf-8")
    return str(path)


def test_official_sizes_without_factors_are_the_papers(held_in: Path, tmp_path: Path) -> None:
    members = dict.fromkeys(SHARES, "null")
    members["web_capfilt"] = "{official: 13873136}"
    members["llava_conversation"] = "{official: 58000}"  # dialogues, as the paper counts
    members["okvqa"] = "{forms: {open: 1}}"
    members["aokvqa"] = "{forms: {open: 1}}"
    listed = ", ".join(f"{name}: {value}" for name, value in members.items())
    recipe = recipe_file(tmp_path, f"{{size: official, members: {{{listed}}}}}")
    plan = make_plan(mixed(held_in, recipe), steps=60_000, batch=128)
    assert {row.dataset for row in plan.rows} == set(SHARES)
    for row in plan.rows:
        assert 1000 * row.probability == pytest.approx(SHARES[row.dataset], abs=1.5), row
    capfilt = next(row for row in plan.rows if row.dataset == "web_capfilt")
    assert 1000 * capfilt.probability == pytest.approx(456.6, abs=0.1)


def test_paper_factors_and_paper_without_capfilt(held_in: Path) -> None:
    whole = make_plan(mixed(held_in, "paper"), steps=10, batch=32)
    less = make_plan(mixed(held_in, "paper-without-capfilt"), steps=10, batch=32)
    assert (whole.num_datasets, less.num_datasets) == (13, 12)
    assert [row.probability for row in whole.rows] == pytest.approx(
        [w / sum(r.root * r.factor for r in whole.rows) for w in weights(whole.rows)], abs=1e-6
    )
    left = 1 - next(r.probability for r in whole.rows if r.dataset == "web_capfilt")
    now = {row.member: row.probability for row in less.rows}
    for change in compare(whole, less):
        if change.before is not None and change.now is not None:
            assert change.now.probability == pytest.approx(change.before.probability / left, 1e-4)
    assert now["aokvqa/multiple_choice"] == pytest.approx(now["aokvqa/open"] / 2, rel=1e-4)
    assert sum(row.answer_share for row in less.rows) == pytest.approx(1)


def weights(rows: Any) -> list[float]:
    return [row.root * row.factor for row in rows]


def test_every_sample_drawn_is_one_of_its_member(held_in: Path) -> None:
    one = mixed(held_in, "paper")
    drawn = one.mixture.samples(10**8, 300)
    tables = {
        part.dataset: Build.open(held_in).samples(part.dataset, "train") for part in one.parts
    }
    seen: dict[tuple[int, int], str] = {}
    many = {
        dataset: Counter(sample["record_id"] for sample in samples)
        for dataset, samples in tables.items()
    }
    for number, place in enumerate(one.places(drawn)):
        part = one.parts[place.part]
        assert place.shard == 0
        row = tables[part.dataset][place.row]
        assert (row["dataset"], row["form"]) == (part.dataset, part.form)
        assert row["response"] is not None
        assert row["draw"] == drawn.draw[number] % many[part.dataset][row["record_id"]]
        key = (place.part, int(drawn.record[number]))
        assert seen.setdefault(key, row["record_id"]) == row["record_id"]
    assert len({(part, seen[part, record]) for part, record in seen}) == len(seen)


def test_a_retemplated_build_changes_the_state(
    held_in: Path, command: Commands, tmp_path: Path
) -> None:
    build = Path(shutil.copytree(held_in, tmp_path / "build"))
    before = mixed(build, "paper")
    state = MixtureState.of(before.mixture, before.hashes(), 0)
    assert command("retemplate", build, "okvqa", "--seed", 5).code == 0
    after = mixed(build, "paper")
    assert state.changes(after.mixture, after.hashes()) == ("the samples of okvqa were made anew",)
    assert state.check(before.mixture, before.hashes()) == ()


@pytest.mark.parametrize(
    ("mixture", "said"),
    [
        ("{members: {gqa: null}}", "held out .cluster task-unseen"),
        ("{members: {nocaps: null}}", "held out .cluster task-seen"),
        ("{members: {vqa2: null}}", "'vqav2'"),
        ("{members: {vqav2: {splits: test}}}", "--split test"),
        ("{members: {vqav2: {forms: [opn]}}}", "'open'"),
        ("{members: {coco_caption: {splits: val}}}", "no sample with a target"),
        ("{members: {coco_caption: {forms: [caption_set]}}}", "no target"),
        ("{members: {web_capfilt: null}, size: official}", "official: N"),
        ("{members: {vqav2: null}, fixed: {okvqa: 0.1}}", "is no member"),
    ],
)
def test_members_that_are_refused(held_in: Path, tmp_path: Path, mixture: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        mixed(held_in, recipe_file(tmp_path, mixture))


def test_a_missing_member_names_the_command(whole_build: Path, command: Commands) -> None:
    told = command("plan", whole_build)
    assert told.code == 2
    assert is_sentence(told)
    assert "instructify convert web_capfilt --raw RAW --out" in told.stderr
    assert "--recipe paper-without-capfilt" in told.stderr
    missing = command("plan", whole_build, "--recipe", "paper-without-capfilt")
    assert "instructify convert textcaps" in missing.stderr


def test_a_member_without_records_is_told_apart(command: Commands, tmp_path: Path) -> None:
    """Nothing was rejected where the raw files have nothing of the split."""
    raw, build = tmp_path / "raw", tmp_path / "build"
    assert command("twin", "coco_caption", "--out", raw, "--no-pictures").code == 0
    (path,) = raw.rglob("dataset_coco.json")
    value = json.loads(path.read_text("utf-8"))
    tested = [one for one in value["images"] if one["split"] == "test"]
    path.write_text(json.dumps({**value, "images": tested}))
    line = ("convert", "coco_caption", "--raw", raw, "--out", build, "--pictures", "none")
    assert command(*line, "--allow-empty").code == 0
    told = command("plan", build)
    assert told.code == 2
    assert is_sentence(told)
    for said in ("coco_caption/train", "recipe 'paper'", "no record of the split", "--recipe"):
        assert said in told.stderr
    assert "rejects" not in told.stderr
    spoilt = [{**one, "split": "train", "sentences": []} for one in tested]
    path.write_text(json.dumps({**value, "images": spoilt}))
    assert command(*line, "--allow-empty", "--max-rejects", 100).code == 0
    assert "see rejects/coco_caption.jsonl there" in command("plan", build).stderr


def test_the_table_fits_eighty_columns(held_in: Path, command: Commands) -> None:
    for steps in (1, 60_000, 10**9):
        told = command(*("plan", held_in, "--steps", steps, "--against", "paper-without-capfilt"))
        assert told.code == 0, told.stderr
        assert [line for line in told.stdout.splitlines() if len(line) > 80] == []
        assert "aokvqa/multiple_choice" in told.stdout
        assert "Compared with paper-without-capfilt" in told.stdout
    alone = command("plan", held_in, "--recipe", "paper-without-capfilt").stdout
    assert "Note: Web CapFilt" in alone
    assert "12 datasets" in alone


def test_json_says_it_all(held_in: Path, command: Commands) -> None:
    line = ("plan", held_in, "--steps", 50, "--batch", 16, "--json")
    value = command(*line).json()
    assert value["samples"] == 800
    assert len(value["members"]) == 14
    assert sum(row["probability"] for row in value["members"]) == pytest.approx(1)
    assert sum(row["expected_draws"] for row in value["members"]) == pytest.approx(800)
    for row in value["members"]:
        assert row["passes"] == pytest.approx(row["expected_draws"] / row["size"])
        assert row["words_per_answer"] >= 1
        assert row["disk_bytes"] > 0
    again = command(*line, "--against", held_in).json()
    assert {one["percentage_points"] for one in again["changes"]} == {0}


def test_words_are_counted_as_they_are_drawn(held_in: Path) -> None:
    plan = make_plan(mixed(held_in, "paper"), steps=1, batch=32)
    table = Build.open(held_in).samples("aokvqa", "train")
    for row in (row for row in plan.rows if row.dataset == "aokvqa"):
        said = [len(one["response"].split()) for one in table if one["form"] == row.form]
        assert row.words_per_answer == pytest.approx(np.mean(said))


def test_disk_adds_up_to_the_shards(held_in: Path) -> None:
    plan = make_plan(mixed(held_in, "paper"), steps=1, batch=32)
    manifest = json.loads((held_in / "manifest.json").read_text("utf-8"))
    trained = [
        entry["size_bytes"]
        for name, entry in manifest["files"].items()
        if name.startswith(("records/", "samples/")) and "/train" in name and "gqa/" not in name
    ]
    assert plan.disk_bytes == pytest.approx(sum(trained), abs=14)


class _Page(html.parser.HTMLParser):
    """Collects what would be loaded or run."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [name for name, _ in attrs if name in ("src", "href", "onload", "onclick")]


def test_the_page_is_whole_and_escaped(held_in: Path, command: Commands, tmp_path: Path) -> None:
    text = Path(recipe_file(tmp_path, "{members: {vqav2: null}, note: '<script>x</script> & y'}"))
    odd = text.rename(tmp_path / "a<b>&.yaml")
    page = tmp_path / "plan.html"
    told = command("plan", held_in, "--recipe", odd, "--html", page, "--against", "paper")
    assert told.code == 0, told.stderr
    assert str(page) in told.stdout
    written = page.read_text("utf-8")
    parser = _Page()
    parser.feed(written)
    assert "script" not in parser.tags
    assert parser.loads == []
    assert "url(" not in written
    assert "a&lt;b&gt;&amp;" in written
    assert "&lt;script&gt;x&lt;/script&gt; &amp; y" in written
    assert "color-scheme: light dark" in written
    assert parser.tags.count("table") == 2
    again = command("plan", held_in, "--recipe", odd, "--html", page, "--against", "paper")
    assert again.code == 0
    assert page.read_text("utf-8") == written


def test_mistakes_of_plan_are_one_sentence(
    held_in: Path, command: Commands, tmp_path: Path
) -> None:
    for line, said in (
        (("--recipe", "papre"), "'paper'"),
        (("--recipe", tmp_path / "no.yaml"), "cannot be read"),
        (("--html", tmp_path / "no" / "page.html"), "--html"),
        (("--steps", 0), "--steps"),
        (("--against", "nothing"), "ending in .yaml); "),
    ):
        told = command("plan", held_in, *line)
        assert told.code == 2
        assert is_sentence(told), told.stderr
        assert said in told.stderr


def test_batches_per_rank_and_other_orders(
    held_in: Path, command: Commands, tmp_path: Path
) -> None:
    recipe = recipe_file(
        tmp_path, "{members: {vqav2: null, okvqa: null}, batches: per_rank, order: random}"
    )
    told = command("plan", held_in, "--recipe", recipe, "--batch", 32)
    assert "a step is 16 batches of 2, each of one dataset" in " ".join(told.stdout.split())
    assert "with replacement" in " ".join(told.stdout.split())
    member = mixed(held_in, recipe).mixture.samples(0, 80).member.reshape(40, 2)
    assert (member == member[:, :1]).all()
    told = command("plan", held_in, "--recipe", recipe, "--batch", 30)
    assert told.code == 2
    assert is_sentence(told)
    assert "multiple of 16" in told.stderr


def test_uniform_shares_are_uniform(held_in: Path, tmp_path: Path, command: Commands) -> None:
    """Every dataset has the same share, whatever its size, its forms and the catalog's factors."""
    for mixture, number in (
        ("ablation-uniform", 13),
        ("{shares: uniform, members: {aokvqa: null, vqav2: null}}", 2),
        ("{like: paper-without-capfilt, shares: uniform}", 12),
    ):
        recipe = recipe_file(tmp_path, mixture)
        plan = make_plan(mixed(held_in, recipe), steps=10, batch=32)
        shares: dict[str, list[float]] = {}
        for row in plan.rows:
            shares.setdefault(row.dataset, []).append(row.probability)
        assert len(shares) == number
        for dataset, parts in shares.items():
            assert sum(parts) == pytest.approx(1 / number, abs=1e-5), dataset
            assert parts == pytest.approx([parts[0]] * len(parts), abs=1e-5)
        assert len(shares["aokvqa"]) == 2
    text = command("plan", held_in, "--recipe", "ablation-uniform").stdout
    lines = text[text.index("\nmember ") :].splitlines()
    printed = {cells[0]: cells[4] for line in lines if len(cells := line.split()) == 9}
    halves = {"aokvqa/open": "3.85%", "aokvqa/multiple_choice": "3.85%"}
    whole = {row.dataset for row in plan.rows} - {"aokvqa"} | {"web_capfilt"}
    assert printed == {"member": "share", **dict.fromkeys(whole, "7.69%"), **halves}


def test_a_held_out_dataset_may_be_fine_tuned_on_alone(held_in: Path, tmp_path: Path) -> None:
    alone = mixed(
        held_in, recipe_file(tmp_path, "{fine_tune: true, members: {gqa: {splits: testdev}}}")
    )
    assert [part.dataset for part in alone.parts] == ["gqa"]
    with pytest.raises(UserError, match=r"fine-tune on it alone \('fine_tune: true'"):
        mixed(held_in, recipe_file(tmp_path, "{members: {gqa: null, vqav2: null}}"))


def test_the_share_of_loss_is_that_of_the_batches(held_in: Path, command: Commands) -> None:
    """In mixed batches by label tokens, in batches per rank by samples."""
    line = ("plan", held_in, "--recipe", "mixed-batches", "--json")
    told = command(*line, "--against", "paper").json()
    now = {row["member"]: row for row in told["members"]}
    before = {one["member"]: one["loss_share_before"] for one in told["changes"]}
    shares = {name: row["probability"] for name, row in now.items()}
    assert before == pytest.approx(shares, abs=1e-9)
    assert sum(row["loss_share"] for row in now.values()) == pytest.approx(1)
    detail = "llava_detail/conversation"
    assert now[detail]["loss_share"] > 1.4 * shares[detail]
    assert now["vqav2/open"]["loss_share"] < 0.9 * shares["vqav2/open"]
    text = command("plan", held_in, "--recipe", "mixed-batches").stdout
    assert "dealt by length over 8 steps" in " ".join(text.split())
    assert "each logical batch counts the same" in " ".join(command("plan", held_in).stdout.split())


def test_label_tokens_without_dealing_by_length(held_in: Path, tmp_path: Path) -> None:
    """In one batch of the whole mixture a member's part is its part of all label tokens."""
    recipe = recipe_file(tmp_path, "{like: paper, batches: mixed}")
    one = mixed(held_in, recipe)
    settings = RunSettings(bucket=False, window=1)
    plan = make_plan(one, steps=1, batch=1 << 15, settings=settings)
    labels = {row.member: row.probability * (1.3 * row.words_per_answer + 1) for row in plan.rows}
    whole = sum(labels.values())
    for row in plan.rows:
        assert row.loss_share == pytest.approx(labels[row.member] / whole, rel=0.05), row.member
    dealt = make_plan(one, steps=1, batch=64, settings=RunSettings())
    spread = {row.member: row.loss_share for row in dealt.rows}
    longest = max(plan.rows, key=lambda row: row.words_per_answer)
    assert longest.probability < spread[longest.member] < longest.loss_share


def test_a_plan_takes_the_size_of_the_run(held_in: Path, command: Commands, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    text = "format: 1\nmixture: {members: {vqav2: null}}\ndata: {batch: 24, window: 3}\n"
    path.write_text(text + "run: {steps: 70}\n", encoding="utf-8")
    value = command("plan", held_in, "--recipe", path, "--json").json()
    assert (value["steps"], value["batch"], value["window"]) == (70, 24, 3)
    given = command("plan", held_in, "--recipe", path, "--steps", 5, "--batch", 8, "--json").json()
    assert (given["steps"], given["batch"]) == (5, 8)
    other = command("plan", held_in, "--json").json()
    assert (other["steps"], other["batch"], other["logical_batch"]) == (60_000, 128, 8)


def test_the_same_build_gives_the_same_plan(held_in: Path, command: Commands) -> None:
    outputs = {command("plan", held_in, "--json").stdout for _ in range(2)}
    assert len({hashlib.sha256(one.encode()).hexdigest() for one in outputs}) == 1


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.5, "0.50"), (99_999, "99,999"), (99_999.6, "100k"), (999_999, "1000k"), (5.123e6, "5.12M")],
)
def test_numbers_leave_their_columns_apart(number: float, text: str) -> None:
    assert short(number) == text
    assert all(len(short(number * 10.0**power)) <= 6 for power in range(12))


@pytest.mark.parametrize(
    ("share", "places", "width", "shown"),
    [
        (0.0769, 2, 6, "7.69%"),
        (0.9999, 2, 6, "99.99%"),
        (1.0, 2, 6, "100.0%"),
        (1.0, 1, 5, "100%"),
        (0.994, 1, 5, "99.4%"),
    ],
)
def test_a_share_fits_its_column(share: float, places: int, width: int, shown: str) -> None:
    assert _percent(share, places, width) == shown
