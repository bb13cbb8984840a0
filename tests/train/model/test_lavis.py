"""LAVIS' checkpoints in and out: the same bits under other names, and nothing half known."""

import copy
import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from disk_limits import file_size_limit
from safetensors.torch import save_file
from train_help import FAMILIES, preset
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

from instructify._util.errors import UserError
from instructify.commands.checkpoints import run_export_checkpoint, run_import_checkpoint
from instructify_train.config import ModelConfig
from instructify_train.model.lavis_file import read_lavis
from instructify_train.model.lavis_import import LavisFiles, import_lavis
from instructify_train.model.lavis_names import from_lavis, lavis_parts, to_lavis
from instructify_train.model.loading import load_model
from instructify_train.model.parts import is_text_path
from instructify_train.model.saving import save_whole
from instructify_train.tiny.presets import build_preset

KEPT = ("ln_vision.", "Qformer.bert.", "query_tokens", "llm_proj.", "t5_proj.")


def random_model(family: str) -> Any:
    """Make a tiny model in which every tensor differs from every other."""
    model = build_preset(family, seed=3).model
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for one in model.parameters():
            one.normal_(generator=generator)
        for layer in model.vision_model.encoder.layers:
            third = len(layer.self_attn.qkv.bias) // 3
            layer.self_attn.qkv.bias[third : 2 * third] = 0
    return model


class Parts:
    """A tiny InstructBLIP as LAVIS' users have it: files of its parts, and one to be like."""

    def __init__(self, family: str, folder: Path) -> None:
        self.model = random_model(family)
        self.family = "t5" if family == "tiny-t5" else "llama"
        whole = to_lavis(self.model.state_dict(), self.family)
        self.whole = {name: value.clone() for name, value in whole.items()}
        self.trained = {name: one for name, one in self.whole.items() if name.startswith(KEPT)}
        text = {name for name in self.trained if is_text_path(next(iter(_named(name))))}
        self.stage2 = {name: one for name, one in self.trained.items() if name not in text}
        self.stage1 = {
            name: one for name, one in self.trained.items() if name.startswith("Qformer.")
        } | {"itm_head.weight": torch.ones(2, 4), "Qformer.cls.predictions.bias": torch.ones(3)}
        start = "visual_encoder."
        self.tower = {
            name.removeprefix(start): one
            for name, one in self.whole.items()
            if name.startswith(start)
        }
        self.folder = folder
        build_preset(family, seed=9).processor.save_pretrained(folder / "like")
        build_preset(family, seed=9).model.config.save_pretrained(folder / "like")
        self.model.language_model.save_pretrained(folder / "language")
        self.write("instruct.pth", self.trained, epoch=3, config={"run": {"lr": 1e-5}})
        torch.save(self.tower, folder / "vit.pth")

    def write(self, name: str, weights: dict[str, torch.Tensor], **more: object) -> Path:
        path = self.folder / name
        torch.save({"model": weights, **more}, path)
        return path

    def files(self, **changes: Any) -> LavisFiles:
        given: dict[str, Any] = {
            "checkpoint": self.folder / "instruct.pth", "like": str(self.folder / "like"),
            "language_model": str(self.folder / "language"), "vision": self.folder / "vit.pth",
        }  # fmt: skip
        return LavisFiles(**(given | changes))


def _named(name: str) -> dict[str, torch.Tensor]:
    return from_lavis({name: torch.zeros(1)})[0]


@pytest.fixture(scope="module", params=FAMILIES)
def parts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Parts:
    return Parts(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    return Parts("tiny-llama", tmp_path_factory.mktemp("llama"))


def same(one: Any, other: Any) -> None:
    """Hold all tensors of two models equal, bit by bit."""
    first, second = one.state_dict(), other.state_dict()
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def test_names_go_there_and_back(parts: Parts) -> None:
    own = parts.model.state_dict()
    back, left_out = from_lavis(parts.whole)
    assert left_out == []
    assert back.keys() == own.keys()
    for name, value in own.items():
        assert torch.equal(value, back[name]), name
    theirs = {
        "visual_encoder.blocks.1.attn.q_bias", "visual_encoder.patch_embed.proj.weight",
        "Qformer.bert.encoder.layer.0.crossattention.self.query.weight", "ln_vision.bias",
        "Qformer.bert.embeddings.LayerNorm.weight", "query_tokens",
    }  # fmt: skip
    assert theirs <= parts.whole.keys()
    language = "t5_model.shared.weight" if parts.family == "t5" else "llm_model.lm_head.weight"
    assert language in parts.whole


def test_a_published_instructblip_comes_in_exactly(parts: Parts, tmp_path: Path) -> None:
    """The trained parts, the tower and the language model from three places."""
    more = {f"blocks.{one}.norm1.weight": torch.ones(128) for one in (2, 3)}
    torch.save(parts.tower | more | {"head.weight": torch.ones(4, 4)}, tmp_path / "vit.pth")
    made = import_lavis(parts.files(vision=tmp_path / "vit.pth"))
    same(made.loaded.model, parts.model)
    assert sorted(made.left_out) == [
        "blocks.2.norm1.weight", "blocks.3.norm1.weight", "head.weight",
    ]  # fmt: skip
    assert made.sources["vision"] == "vit.pth"
    assert made.sources["language model"] == "language"


def test_stage_two_takes_its_text_side_from_stage_one(parts: Parts) -> None:
    bert = "Qformer.bert.embeddings"
    stage2 = parts.write(
        "two.pth", parts.stage2 | {f"{bert}.position_ids": torch.arange(512)[None]}
    )
    stage1 = parts.write("one.pth", parts.stage1)
    made = import_lavis(parts.files(checkpoint=stage2, stage1=stage1))
    same(made.loaded.model, parts.model)
    assert made.sources["qformer, text side"] == "one.pth"
    assert "itm_head.weight" in made.left_out
    with pytest.raises(UserError, match="lacks the side of the Q-Former that reads text"):
        import_lavis(parts.files(checkpoint=stage2))


def test_a_checkpoint_may_hold_everything(parts: Parts) -> None:
    whole = parts.write("whole.pth", parts.whole)
    made = import_lavis(parts.files(checkpoint=whole, vision=None, language_model=None))
    same(made.loaded.model, parts.model)
    for part in ("vision", "language_model"):
        with pytest.raises(UserError, match="has no effect"):
            import_lavis(parts.files(**({"checkpoint": whole, "vision": None,
                                         "language_model": None}
                                        | {part: getattr(parts.files(), part)})))  # fmt: skip


def test_a_tower_of_sixteen_bits_keeps_its_values(parts: Parts, tmp_path: Path) -> None:
    half = {name: value.half() for name, value in parts.tower.items()}
    torch.save(half, tmp_path / "vit.pth")
    made = import_lavis(parts.files(vision=tmp_path / "vit.pth"))
    made.loaded.model.save_pretrained(tmp_path / "saved")
    made.loaded.processor.save_pretrained(tmp_path / "saved")
    again, _ = load_model(ModelConfig(name=str(tmp_path / "saved")))
    mine, _ = from_lavis({f"visual_encoder.{name}": value for name, value in half.items()})
    for name, value in mine.items():
        assert torch.equal(again.state_dict()[name].float(), value.float()), name
    same(again.language_model, parts.model.language_model)


def test_the_commands_go_in_and_out(
    parts: Parts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    like, language = str(parts.folder / "like"), str(parts.folder / "language")
    file, vision = parts.folder / "instruct.pth", parts.folder / "vit.pth"
    model, out = tmp_path / "in", tmp_path / "new" / "out.pth"
    given: Any = {"language_model": language, "vision": vision, "stage1": None, "like": like}
    run_import_checkpoint(file, model, **given, as_json=True)
    with pytest.raises(UserError, match="is not empty"):
        run_import_checkpoint(file, model, **given, as_json=False)
    note = json.loads((model / "imported.json").read_text("utf-8"))
    assert json.loads(capsys.readouterr().out) == note
    assert note["sha256"].keys() == {"instruct.pth", "vit.pth"}
    assert str(tmp_path.parent) not in json.dumps(note)
    again, _ = load_model(ModelConfig(name=str(model)))
    same(again, parts.model)
    with (
        file_size_limit(500_000),
        pytest.raises(UserError, match=r"out\.pth can't be written: File too large"),
    ):
        run_export_checkpoint(str(model), out, "best", whole=False)
    assert not any(out.parent.iterdir())
    run_export_checkpoint(str(model), out, "best", whole=False)
    back = read_lavis(out)
    assert back.keys() == parts.trained.keys()
    for name, value in parts.trained.items():
        assert torch.equal(value, back[name]), name
    with pytest.raises(UserError, match="is there already"):
        run_export_checkpoint(str(model), out, "best", whole=False)


def test_new_tokens_get_the_same_rows_every_time(llama: Parts, tmp_path: Path) -> None:
    """The language model of a folder has no row for the picture token and the padding."""
    language = copy.deepcopy(llama.model.language_model)
    rows = language.get_input_embeddings().weight.shape[0]
    language.resize_token_embeddings(rows - 2, mean_resizing=False)
    language.save_pretrained(tmp_path / "small")
    files = llama.files(language_model=str(tmp_path / "small"))
    found = [import_lavis(files).loaded.model for _ in range(2)]
    same(*found)
    table = found[0].language_model.get_input_embeddings().weight
    assert table.shape[0] == rows
    assert torch.equal(table[-1], table[-2])
    assert found[0].config.text_config.vocab_size == rows


def test_gated_gelu_of_t5_is_the_exact_one(parts: Parts, tmp_path: Path) -> None:
    """LAVIS computes FlanT5 so; the choice must outlive saving."""
    if parts.family != "t5":
        return
    config = copy.deepcopy(parts.model.language_model.config)
    config.feed_forward_proj, config.dense_act_fn = "gated-gelu", "gelu_new"
    config.is_gated_act = True
    AutoModelForSeq2SeqLM.from_config(config).save_pretrained(tmp_path / "gated")
    loaded = import_lavis(parts.files(language_model=str(tmp_path / "gated"))).loaded
    save_whole(loaded.model, loaded.processor, tmp_path / "saved")
    again, _ = load_model(ModelConfig(name=str(tmp_path / "saved")))
    for model in (loaded.model, again):
        act = model.language_model.encoder.block[0].layer[1].DenseReluDense.act
        assert torch.equal(act(torch.tensor(0.7)), torch.nn.functional.gelu(torch.tensor(0.7)))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda one: one.pop("ln_vision.bias"), r"1 tensor missing \(vision_model\.post"),
        (lambda one: one.update(mystery=torch.ones(1)), r"1 tensor left over \(mystery\)"),
        (lambda one: one.update(query_tokens=torch.ones(1, 9, 128)), r"\[1, 9, 128\] and not"),
        (lambda one: one.update({"audio_Qformer.bert.x": torch.ones(1)}), "audio_Qformer"),
        (lambda one: [one.pop(name) for name in list(one) if "_proj." in name], "no projection"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(parts: Parts, change: Any, what: str) -> None:
    weights = dict(parts.trained)
    change(weights)
    with pytest.raises(UserError, match=what) as caught:
        import_lavis(parts.files(checkpoint=parts.write("other.pth", weights)))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_tower_with_half_of_a_bias_is_refused(parts: Parts, tmp_path: Path) -> None:
    half = {name: one for name, one in parts.tower.items() if name != "blocks.0.attn.v_bias"}
    torch.save(half, tmp_path / "vit.pth")
    with pytest.raises(UserError, match=r"missing .*qkv\.bias.*left over .*q_bias"):
        import_lavis(parts.files(vision=tmp_path / "vit.pth"))


def test_parts_that_belong_elsewhere_are_refused(parts: Parts, tmp_path: Path) -> None:
    stage1 = parts.write("one.pth", parts.stage1)
    with pytest.raises(UserError, match="is a checkpoint of stage 1"):
        import_lavis(parts.files(checkpoint=stage1))
    with pytest.raises(UserError, match="--stage1 has no effect"):
        import_lavis(parts.files(stage1=stage1))
    with pytest.raises(UserError, match="no vision tower"):
        import_lavis(parts.files(vision=None))
    with pytest.raises(UserError, match="no language model"):
        import_lavis(parts.files(language_model=None))
    opt = parts.write("opt.pth", {"opt_proj.weight": torch.ones(2, 2)})
    with pytest.raises(UserError, match="BLIP-2 with OPT"):
        import_lavis(parts.files(checkpoint=opt))
    other = "tiny-t5" if parts.family == "llama" else "tiny-llama"
    build_preset(other).model.language_model.save_pretrained(tmp_path / "other")
    with pytest.raises(UserError, match="of the kind"):
        import_lavis(parts.files(language_model=str(tmp_path / "other")))


def test_a_language_model_of_another_width_is_refused(llama: Parts, tmp_path: Path) -> None:
    config = copy.deepcopy(llama.model.language_model.config)
    config.hidden_size, config.num_attention_heads, config.num_key_value_heads = 64, 2, 2
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "narrow")
    with pytest.raises(UserError, match="projects to a width of 128"):
        import_lavis(llama.files(language_model=str(tmp_path / "narrow")))
    with pytest.raises(UserError, match="no published InstructBLIP with llama has; give"):
        import_lavis(llama.files(like=None))


class Touch:
    """Writes a file when it is unpickled by something that executes what it reads."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("legacy", [False, True])
def test_code_in_a_file_is_not_executed(tmp_path: Path, legacy: bool) -> None:
    trap, path = tmp_path / "ran", tmp_path / "trap.pth"
    content = {"model": {"query_tokens": torch.ones(1)}, "config": Touch(trap)}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(UserError, match="not executed") as caught:
        import_lavis(LavisFiles(checkpoint=path))
    assert "\n" not in str(caught.value)
    assert not trap.exists()


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no tensors here")


def _cut(path: Path) -> None:
    torch.save({"model": {"a": torch.ones(1000)}}, path)
    path.write_bytes(path.read_bytes()[:2000])


@pytest.mark.parametrize(
    ("write", "what"),
    [
        (lambda path: path.write_text("<!DOCTYPE html><html>not found"), "web page"),
        (lambda path: path.write_text('{"error": "gone"}'), "JSON"),
        (lambda path: save_file({"a": torch.ones(2)}, path), "safetensors file"),
        (_zip, "zip file of another kind"),
        (_cut, "damaged or cut off"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(b"\x1f\x8b\x08" + bytes(50)), "compressed archive"),
        (lambda path: path.write_bytes(bytes(range(1, 100))), "is no checkpoint"),
        (lambda path: path.write_bytes(pickle.dumps(print, 2)), "code"),
        (lambda path: torch.save([torch.ones(2)], path), "no dictionary of tensors"),
        (lambda path: torch.save({"model": {"a": "b"}}, path), "'a' is no tensor"),
        (lambda path: torch.save({"model": {3: torch.ones(1)}}, path), "'3' is no tensor"),
        (lambda path: torch.save({"model": {"a": torch.ones(2).bool()}}, path), "no plain tensor"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: None, "is not there"),
    ],
)
def test_a_file_of_another_kind_is_one_sentence(tmp_path: Path, write: Any, what: str) -> None:
    path = tmp_path / "file.pth"
    write(path)
    with pytest.raises(UserError, match=what) as caught:
        read_lavis(path)
    assert "\n" not in str(caught.value)


def test_what_a_recipe_trains_beside_the_usual_parts_is_exported() -> None:
    model = preset("tiny-llama").model
    usual = lavis_parts(model, ModelConfig(name="x"), whole=False)
    more = lavis_parts(model, ModelConfig(name="x", train=("projection", "vision")), whole=False)
    assert not any(name.startswith("visual_encoder.") for name in usual)
    assert {"llm_proj.weight", "ln_vision.weight"} <= usual.keys()
    assert "visual_encoder.blocks.0.mlp.fc1.weight" in more


def test_a_bias_of_keys_has_no_place_in_lavis() -> None:
    bias = {"vision_model.encoder.layers.0.self_attn.qkv.bias": torch.ones(6)}
    with pytest.raises(UserError, match="has a bias for keys"):
        to_lavis(bias, "llama")
