"""Teaching towers: what is taught is true, it is learnt, it is the same again, and it loads."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from build_help import Commands
from transformers import InstructBlipForConditionalGeneration, InstructBlipProcessor

from instructify._util.errors import UserError
from instructify.catalog.load import load_catalog
from instructify.twins.dice import Dice
from instructify.twins.language import description
from instructify.twins.layout import coco_photo
from instructify.twins.world import RESERVED_PAIRS, Scene, Sign, Thing, scene
from instructify_train.tiny import grounding, language_tower, vision_tower
from instructify_train.tiny.grounding import ask, phrase, teach_grounding
from instructify_train.tiny.language_tower import Reader, answer, examine_language, teach_language
from instructify_train.tiny.presets import build_preset
from instructify_train.tiny.scene_truth import CELL_HEADS, truth_of
from instructify_train.tiny.towers import (
    TowersRequest,
    lend_words,
    read_report,
    teach,
    teach_towers,
)
from instructify_train.tiny.twin_pages import FAMILY
from instructify_train.tiny.twin_text import lessons
from instructify_train.tiny.vision_tower import as_input, teach_vision

QUICK = TowersRequest(vision_steps=3, language_steps=3, grounding_steps=3)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vision_tower, "BATCH", 16)
    monkeypatch.setattr(language_tower, "BATCH", 16)
    monkeypatch.setattr(grounding, "BATCH", 16)
    monkeypatch.setattr(vision_tower, "EXAM_SCENES", 32)
    monkeypatch.setattr(language_tower, "EXAM_LESSONS", 32)


def _quiet(*_: object) -> None:
    pass


def test_truth_of_cells_by_hand() -> None:
    shown = Scene(
        key="hand",
        things=(Thing("blue", "circle", "big", 0, 2),),
        signs=(Sign("stop", "yellow", 2),),
        background="fog",
        held_out=False,
    )
    told = truth_of(shown).cells.tolist()
    assert [head.name for head in CELL_HEADS][:5] == [
        "colour",
        "shape",
        "size",
        "place",
        "background",
    ]
    assert told[2] == [3, 1, 2, 2, 1, 0, 0]
    assert told[0] == [0, 0, 0, 0, 1, 0, 0]
    assert [row[5:] for row in told[6:]] == [[4, 2]] * 3


def test_pictures_are_the_processors() -> None:
    shown = scene(0, FAMILY, 5, held_out=False)
    from instructify.twins.painter import paint

    processor = build_preset("tiny-llama").processor.image_processor
    theirs = processor(paint(shown), return_tensors="pt")["pixel_values"]
    assert torch.allclose(as_input([shown]), theirs, atol=1e-6)


def test_lessons_speak_of_every_task_and_of_no_reserved_pair() -> None:
    asked = [lesson for index in range(400) for lesson in lessons(0, index)]
    kinds = {lesson.kind for lesson in asked}
    assert {"color", "place", "caption", "cover", "meme", "clip", "dialog", "statement"} <= kinds
    assert {"conversation", "question_generation", "word", "food"} <= kinds
    assert len(load_catalog().tasks) == 11
    reserved = [f"{pair.colour} {pair.shape}" for pair in RESERVED_PAIRS]
    phrases = {phrase for lesson in asked for phrase in lesson.picture}
    assert not [phrase for phrase in phrases if any(pair in phrase for pair in reserved)]
    assert asked == [lesson for index in range(400) for lesson in lessons(0, index)]
    assert asked != [lesson for index in range(400) for lesson in lessons(1, index)]


def test_towers_scenes_are_not_the_twins() -> None:
    def words(shown: Scene) -> str:
        return description(shown, Dice("words", 0))

    twins = {
        coco_photo(0, pool, i).photo.scene.key
        for pool in ("train2014", "val2014")
        for i in range(50)
    }
    towers = {scene(0, FAMILY, index, held_out=False).key for index in range(50)}
    assert not twins & towers
    same = [words(coco_photo(0, "val2014", i).photo.scene) for i in range(50)]
    assert same != [words(scene(0, FAMILY, index, held_out=False)) for index in range(50)]


@pytest.mark.parametrize("preset", ["tiny-llama", "tiny-t5"])
def test_a_response_is_judged_token_by_token(preset: str) -> None:
    """Logits at response tokens equal those of each lesson alone: padding changes nothing."""
    loaded = build_preset(preset)
    is_decoder = preset == "tiny-llama"
    reader = Reader(loaded.processor.tokenizer, is_decoder=is_decoder)
    texts = [
        reader.read(lesson, lesson.picture if number % 2 else ())
        for number, lesson in enumerate(
            lesson for index in range(4) for lesson in lessons(0, index)
        )
    ]
    with torch.no_grad():
        together, labels, rows = answer(loaded, texts)
        alone = torch.cat([answer(loaded, [text])[0] for text in texts])
    assert torch.allclose(together, alone, atol=1e-4)
    assert labels.tolist() == [token for text in texts for token in text.response]
    assert rows == [row for row, text in enumerate(texts) for _ in text.response]


def test_a_few_steps_improve_both_towers() -> None:
    loaded = build_preset("tiny-llama")
    seen: list[float] = []
    with torch.random.fork_rng():
        teach_vision(
            loaded.model.vision_model, steps=20, seed=0, on_step=lambda _, loss: seen.append(loss)
        )
    assert sum(seen[-3:]) < 0.7 * sum(seen[:3])
    before = examine_language(loaded, seed=0, num=64)
    teach_language(loaded, steps=40, seed=0, on_step=_quiet)
    after = examine_language(loaded, seed=0, num=64)
    assert after.loss < 0.7 * before.loss
    assert not loaded.model.training


@pytest.mark.parametrize("preset", ["tiny-llama", "tiny-t5"])
def test_same_seed_same_weights_and_rng_untouched(preset: str) -> None:
    state = torch.get_rng_state()
    models = []
    for _ in range(2):
        loaded = build_preset(preset)
        teach(loaded, replace(QUICK, grounding_steps=0), _quiet)
        models.append(loaded.model.state_dict())
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])
    fresh = build_preset(preset).model.state_dict()
    changed = {
        name.split(".")[0] for name in fresh if not torch.equal(fresh[name], models[0][name])
    }
    assert changed == {"vision_model", "language_model", "qformer"}
    inside = [
        name
        for name in fresh
        if name.startswith("qformer") and not torch.equal(fresh[name], models[0][name])
    ]
    assert inside == ["qformer.embeddings.word_embeddings.weight"]


def test_phrases_fit_what_they_say() -> None:
    shown = Scene(
        key="hand",
        things=(
            Thing("blue", "circle", "big", 0, 2),
            Thing("red", "circle", "small", 1, 0),
            Thing("red", "cross", "small", 2, 1),
        ),
        background="fog",
        held_out=False,
    )
    drawn = [phrase(shown, Dice("phrase", 0, at)) for at in range(400)]
    fits = {one.text: [shown.things.index(thing) for thing in one.fitting] for one in drawn}
    assert fits["circle"] == [0, 1]
    assert fits["small red thing"] == [1, 2]
    assert fits["thing in the top right"] == [0]
    assert fits["thing below the circle"] == [1, 2]  # of two circles either will do
    assert fits["circle above the cross"] == [0, 1]
    assert [] in fits.values()
    for at, one in enumerate(drawn):
        text = ask(one, Dice("asked", 0, at))
        assert one.text in text or (one.plural and one.plural in text)


@pytest.mark.heavy
def test_grounding_changes_the_qformer_alone() -> None:
    loaded, fresh = build_preset("tiny-t5"), build_preset("tiny-t5").model.state_dict()
    seen: list[float] = []
    with torch.random.fork_rng():
        teach_grounding(loaded, steps=20, seed=0, on_step=lambda _, loss: seen.append(loss))
    assert sum(seen[-3:]) < 0.95 * sum(seen[:3])
    now = loaded.model.state_dict()
    changed = {name.split(".")[0] for name in fresh if not torch.equal(fresh[name], now[name])}
    assert changed == {"qformer", "query_tokens"}


def test_lent_words_keep_what_words_have_in_common() -> None:
    loaded = build_preset("tiny-llama")
    words, lender = loaded.processor.qformer_tokenizer, loaded.processor.tokenizer
    with torch.no_grad():
        source = loaded.model.language_model.get_input_embeddings().weight
        for word in ("red", "green"):
            source[lender(f"{word}", add_special_tokens=False).input_ids] = 1.0
    lend_words(loaded)
    table = loaded.model.qformer.embeddings.word_embeddings.weight
    red, green, circle = (table[words.convert_tokens_to_ids(w)] for w in ("red", "green", "circle"))
    assert torch.cosine_similarity(red, green, dim=0) > 0.5
    assert abs(torch.cosine_similarity(red, circle, dim=0)) < 0.5
    special = build_preset("tiny-llama").model.qformer.embeddings.word_embeddings.weight
    cls = words.cls_token_id
    assert torch.equal(table[cls], special[cls])


def test_command_writes_a_model_that_transformers_loads(
    torch_command: Commands, tmp_path: Path
) -> None:
    out = tmp_path / "towers"
    steps = ("--vision-steps", "2", "--language-steps", "2", "--grounding-steps", "2")
    teach_towers(QUICK, out, _quiet)  # an earlier run, which is replaced
    told = torch_command("teach-towers", "--out", out, *steps)
    assert told.code == 0, told.stderr
    assert max(map(len, told.stdout.replace(str(tmp_path), "").splitlines())) <= 80
    model = InstructBlipForConditionalGeneration.from_pretrained(out)
    processor = InstructBlipProcessor.from_pretrained(out)
    assert model.config.num_query_tokens == processor.num_query_tokens
    report = read_report(out)
    assert report["preset"] == "tiny-llama"
    assert report["vision_steps"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["towers"]


def test_other_folders_and_presets_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("text")
    with pytest.raises(UserError, match="not empty"):
        teach_towers(QUICK, tmp_path, _quiet)
    with pytest.raises(UserError, match="tiny presets"):
        teach_towers(TowersRequest(preset="scaled"), tmp_path / "new", _quiet)
    (tmp_path / "towers.json").write_text('{"format": 99}')
    with pytest.raises(UserError, match="format 99"):
        read_report(tmp_path)
