"""The page of a build: what lies in it, chosen how, and that data is never markup."""

import base64
import io
import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from build_help import Commands, is_sentence
from hypothesis import given
from hypothesis import strategies as st
from page_help import HOSTILE, LONG, blocks, make_hostile_build, rows
from PIL import Image

from instructify._util.resources import find
from instructify.build.opened import Build
from instructify.inspecting.choose import fair_shares, spread
from instructify.inspecting.document import document
from instructify.inspecting.gather import Shown
from instructify.inspecting.order import mixed
from instructify.inspecting.pictures import (
    FRAME_BYTES,
    PICTURE_BYTES,
    PICTURE_SIDE,
    PagePictures,
    small_bytes,
)
from instructify.inspecting.raw import item_text
from instructify.pages import Head, Identity
from instructify.templating import TemplateFolders
from instructify.templating.load import load_templates
from instructify.templating.rendering import render_row
from instructify_train.model.collation import collate
from instructify_train.model.forward import layout_of
from instructify_train.model.tokens import Limits, SampleTokens
from instructify_train.recipe import load_recipe, save_recipe
from instructify_train.tiny.presets import build_preset


@pytest.fixture(scope="module")
def command(torch_command: Commands) -> Commands:
    """Pages show what a tokenizer makes of a sample."""
    return torch_command


@pytest.fixture(scope="module")
def hostile_build(command: Commands, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_hostile_build(command, tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def page(hostile_build: Path, command: Commands) -> Path:
    path = hostile_build.parent / "page.html"
    answer = command("inspect", hostile_build, "--html", path)
    assert answer.code == 0, answer.stderr
    assert "samples" in answer.stdout
    return path


def test_every_sample_is_there_with_its_record_and_raw_item(
    page: Path, hostile_build: Path
) -> None:
    build = Build.open(hostile_build)
    listed, details, raw = rows(page, "listed"), rows(page, "details"), rows(page, "raw")
    names = [(n, s) for n, one in build.manifest.datasets.items() for s in one.splits]
    stored = {row["sample_id"]: row for pair in names for row in build.samples(*pair)}
    assert {one["id"] for one in listed} == set(stored)
    for one, more in zip(listed, details, strict=True):
        row = stored[one["id"]]
        assert one["instruction"] == row["instruction"]
        assert one["response"] == row["response"]
        assert more["record"]["record_id"] == row["record_id"]
        assert more["provenance"]["template_sha256"] == row["template_sha256"]
        assert more["provenance"]["position"] == row["position"]
        if row["dataset"] == "vqav2":
            item = json.loads(raw[more["raw"]])
            assert row["record_id"].endswith(f"/{item['question_id']}")


def test_templates_stand_side_by_side_as_jinja_renders_them(page: Path) -> None:
    facts = blocks(page)["facts"]
    by_key = {one.key: one for one in load_templates(find("templates")).templates}
    for one, more in zip(rows(page, "listed"), rows(page, "details"), strict=True):
        sides = {facts["templates"][side[0]]["key"]: side for side in more["sides"]}
        drawn = sides[one["template"]]
        assert drawn[1:] == [one["instruction"], one["qformer"], 0, None]
        assert len(sides) >= 10
        for key, (_, instruction, _, response, why_not) in sides.items():
            if why_not is None:
                made = render_row(by_key[key], {**more["record"], "dataset": one["dataset"]})
                assert instruction == made.instruction
                assert (one["response"] if response == 0 else response) == made.response


def test_tokens_are_those_that_training_makes(page: Path, hostile_build: Path) -> None:
    loaded = build_preset("tiny-llama")
    tokens = SampleTokens(loaded.processor, Limits())
    layout = layout_of(loaded.model.config)
    seen = Counter[str]()
    for one, more in zip(rows(page, "listed"), rows(page, "details"), strict=True):
        reading = more["reading"]
        if one["dataset"] == "msvd_qa":
            seen["held out"] += 1
            assert reading["say"] == []
            assert reading["slots"] == 4 * layout.num_queries
            continue
        (made,) = tokens.encode([one["instruction"]], [one["response"]])
        micro = collate([made], [[0]], layout)
        assert reading["qformer"] == micro.qformer_ids_BQ[0].tolist()
        whole = [layout.pad] * reading["slots"] + reading["language"]
        assert whole == micro.input_ids_BL[0].tolist()
        positions = [at + reading["slots"] for at in reading["at"]]
        assert positions == micro.label_positions_N.tolist()
        assert reading["say"] == micro.label_ids_N.tolist() == made.response
        assert reading["language"][-len(reading["say"]) :] == reading["say"]
        if made.cut_instruction:
            seen["cut"] += 1
            at, ids = reading["cut"][1]
            assert len(ids) == made.cut_instruction
            unlimited = Limits(qformer=None, instruction=None, response=None)
            (plain,) = SampleTokens(loaded.processor, unlimited).encode(
                [one["instruction"]], [None]
            )
            kept = made.instruction
            assert [*kept[:at], *ids, *kept[at:]] == plain.instruction
    assert seen["cut"] == 1
    assert seen["held out"] > 5


def test_an_encoder_decoder_learns_on_its_other_side(
    hostile_build: Path, command: Commands, tmp_path: Path
) -> None:
    path = tmp_path / "t5.html"
    options = ("--html", path, "-n", 3, "--model", "tiny-t5", "--json")
    answer = command("inspect", hostile_build, "vqav2", *options)
    assert answer.json()["samples"] == len(rows(path, "details"))
    facts = blocks(path)["facts"]["tokens"]
    assert facts["is_decoder_only"] is False
    reading = rows(path, "details")[0]["reading"]
    assert reading["decoder"][1:] == reading["say"][:-1]
    assert reading["at"] == list(range(len(reading["say"])))


def test_rejects_have_reason_item_and_record(page: Path) -> None:
    found = rows(page, "rejects")
    facts = blocks(page)["facts"]
    assert sum(count for _, _, count in facts["reject_counts"]) >= len(found) > 0
    empty = next(one for one in found if one["reason"] == "empty-text")
    assert empty["meaning"]
    assert json.loads(rows(page, "raw")[empty["raw"]])["question"] == "  "


def test_a_damaged_picture_is_shown_as_far_as_it_goes(page: Path) -> None:
    entries, images = rows(page, "pictures"), rows(page, "images")
    damaged = next(one for one in rows(page, "rejects") if one["reason"] == "picture-truncated")
    entry = entries[damaged["pictures"][0]]
    assert "damaged" in entry["problem"]
    image = Image.open(io.BytesIO(base64.b64decode(images[entry["images"][0]])))
    assert list(image.size) == entry["size"]
    assert image.convert("L").getextrema()[0] != image.convert("L").getextrema()[1]


def test_no_text_of_a_page_is_markup(page: Path) -> None:
    text = page.read_text("utf-8")
    for bad in (*HOSTILE, LONG):
        assert any(bad in one["instruction"] for one in rows(page, "listed"))
    for bad in (
        "<img",
        "alert(1)</script",
        "\u2028",
        "\u2029",
        "\0",
        "\x1b",
        "<image>",
        "<![CDATA",
    ):
        assert bad not in text
    assert text.count("</script>") == text.count("<script")
    assert "default-src 'none'" in text
    assert "http" not in text.split("<script type=")[0].replace("http-equiv", "")


def test_a_name_is_text_too() -> None:
    head = Head(identity=Identity(kind="Build", name="{{ script }} <b>"))
    made = document(head, {"x": "{{ blocks }}"}, {}).decode()
    assert "{{ script }} &lt;b&gt;</title>" in made
    assert '"x":"{{ blocks }}"' in made


def test_datasets_take_turns_and_pictures_do_in_a_dataset() -> None:
    def shown(dataset: str, picture: str, draw: int) -> Shown:
        sample = {"dataset": dataset, "pictures": [picture], "record_id": picture, "draw": draw}
        return Shown(sample, {})

    given = [shown("a", picture, draw) for picture in "xyz" for draw in range(3)]
    given += [shown("b", picture, 0) for picture in "xyz"]
    order = mixed(given)
    assert sorted(map(id, order)) == sorted(map(id, given))
    assert [one.sample["dataset"] for one in order[:6]] == ["a", "b"] * 3
    assert [one.sample["pictures"][0] for one in order[:6:2]] == ["x", "y", "z"]
    assert all(one.sample["draw"] == 0 for one in order[:6])
    assert order[0].sample["pictures"] != order[1].sample["pictures"]
    assert mixed([]) == []


def test_the_list_has_the_words_of_the_dataset(page: Path) -> None:
    for one, more in zip(rows(page, "listed"), rows(page, "details"), strict=True):
        assert one["words"] == more["record"]["question"]


def test_a_small_tokenizer_counts_no_cut_of_real_texts(
    hostile_build: Path, page: Path, command: Commands, tmp_path: Path
) -> None:
    """What does not lie among twins is taken for real."""
    assert blocks(page)["facts"]["tokens"]["fits"] is True
    assert {one["cut"] for one in rows(page, "listed")} == {"cut", "whole"}
    path = tmp_path / "page.html"
    assert command("inspect", hostile_build, "--html", path, "--raw", tmp_path).code == 0
    assert blocks(path)["facts"]["tokens"]["fits"] is False
    assert {one["cut"] for one in rows(path, "listed")} == {None}


def test_the_same_build_gives_the_same_page(
    page: Path, hostile_build: Path, command: Commands, tmp_path: Path
) -> None:
    again = tmp_path / "again.html"
    assert command("inspect", hostile_build, "--html", again).code == 0
    assert again.read_bytes() == page.read_bytes()


@given(st.lists(st.integers(0, 500), min_size=1, max_size=40), st.integers(1, 2_000))
def test_shares_are_fair(sizes: list[int], total: int) -> None:
    shares = fair_shares(sizes, total)
    assert all(0 <= share <= size for share, size in zip(shares, sizes, strict=True))
    assert all(share or not size for share, size in zip(shares, sizes, strict=True))
    assert sum(shares) <= max(total, len(sizes))
    if sum(sizes) <= total:
        assert shares == sizes


@given(st.integers(1, 1_000), st.integers(1, 50), st.integers(0, 3))
def test_rows_are_spread_and_keyed(size: int, number: int, seed: int) -> None:
    chosen = list(spread(size, number, "a/b", seed))
    assert chosen == sorted(set(chosen)) == list(spread(size, number, "a/b", seed))
    assert len(chosen) == min(size, number)
    assert 0 <= chosen[0] <= chosen[-1] < size


def test_pictures_are_small_and_each_is_there_once(page: Path, hostile_build: Path) -> None:
    images, entries = rows(page, "images"), rows(page, "pictures")
    assert len({image for image in images}) == len(images)
    for entry in entries:
        most = FRAME_BYTES if entry.get("clip") else PICTURE_BYTES
        if "images" not in entry:
            assert "no usable picture" in entry["problem"]
            continue
        assert len(entry["images"]) == (4 if entry.get("clip") else 1)
        for at in entry["images"]:
            data = base64.b64decode(images[at])
            assert len(data) <= most
            Image.open(io.BytesIO(data)).load()
    store = Build.open(hostile_build).pictures()
    assert store is not None
    same = PagePictures(store, 4)
    assert same.number(entries[0]["key"]) == same.number(entries[0]["key"]) == 0


def test_a_large_noisy_picture_stays_within_its_bytes() -> None:
    noise = Image.effect_noise((1600, 1200), 90).convert("RGB")
    data = small_bytes(noise, PICTURE_SIDE, PICTURE_BYTES)
    assert len(data) <= PICTURE_BYTES
    assert 100 < max(Image.open(io.BytesIO(data)).size) <= PICTURE_SIDE


def test_items_are_written_to_be_read() -> None:
    assert item_text({"a": [1, 2], "b": "x"}) == '{"a": [1, 2], "b": "x"}'
    long = item_text({"a": ["long enough to be broken up"] * 6, "b": 1})
    assert long.startswith('{\n  "a": [\n    "long')
    assert "more characters" in item_text("x" * 10_000)


def test_without_the_raw_root_the_page_says_so(
    hostile_build: Path, command: Commands, tmp_path: Path
) -> None:
    path = tmp_path / "page.html"
    options = ("--html", path, "-n", 2, "--raw", tmp_path)
    assert command("inspect", hostile_build, *options).code == 0
    assert "raw root" in blocks(path)["facts"]["raw_notes"]["vqav2/train"]
    assert rows(path, "raw") == []


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--html", "page.html", "--id", "x/y/z"), "--id"),
        (("--model", "tiny-llama"), "--html"),
        (("--html", "page.html", "--model", "tiny-lama"), "tiny-llama"),
        (("--html", "page.html", "--raw", "nowhere"), "--raw"),
        (
            (
                "--html",
                ".",
            ),
            "folder",
        ),
    ],
)
def test_mistakes_are_one_sentence(
    hostile_build: Path, command: Commands, options: tuple[str, ...], told: str
) -> None:
    answer = command("inspect", hostile_build, *options)
    assert answer.code == 2
    assert is_sentence(answer)
    assert told in answer.stderr


def test_without_torch_the_page_comes_without_tokens(
    hostile_build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from instructify.commands import inspect_page

    monkeypatch.setattr(inspect_page, "find_spec", lambda name: None)
    path = tmp_path / "page.html"
    inspect_page.run_inspect_page(
        hostile_build,
        "vqav2",
        None,
        path,
        number=2,
        seed=0,
        model=None,
        raw=None,
        recipe="paper",
        templates=TemplateFolders.of(),
        catalog_file=None,
        as_json=False,
    )
    why = blocks(path)["facts"]["tokens"]["why_not"]
    assert "torch" in why
    assert rows(path, "details")[0]["reading"] is None


def test_a_build_of_a_baseline_shows_its_own_templates(
    hostile_build: Path, command: Commands, tmp_path: Path
) -> None:
    build = Path(shutil.copytree(hostile_build, tmp_path / "plain"))
    assert command("retemplate", build, "--prompts", "plain").code == 0
    assert command("inspect", build, "--html", tmp_path / "page.html").code == 0
    facts = blocks(tmp_path / "page.html")["facts"]
    assert all(one["key"].startswith("multitask/plain-") for one in facts["templates"])
    details = rows(tmp_path / "page.html", "details")
    assert all(len(more["sides"]) == 1 for more in details)


def test_tokens_of_a_run_are_cut_as_its_recipe_says(
    hostile_build: Path, command: Commands, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    settings = ("model.name=tiny-t5", "data.instruction_tokens=9", "data.frames=2")
    save_recipe(load_recipe("tiny", settings), run / "recipe.yaml")
    answer = command("inspect", hostile_build, "--html", tmp_path / "page.html", "--model", run)
    assert answer.code == 0, answer.stderr
    tokens = blocks(tmp_path / "page.html")["facts"]["tokens"]
    assert (tokens["name"], tokens["frames"]) == ("tiny-t5", 2)
    assert tokens["limits"]["instruction"] == 9
    assert not tokens["is_decoder_only"]
