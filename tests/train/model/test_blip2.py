"""InstructBLIP out of BLIP-2's two checkpoints: every tensor has its source."""

from pathlib import Path
from typing import Any

import pytest
import torch
from train_help import preset
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2ForImageTextRetrieval,
    Blip2Processor,
    Blip2QFormerConfig,
    Blip2VisionConfig,
    InstructBlipForConditionalGeneration,
)

from instructify._util.errors import UserError
from instructify_train.config import Blip2Config as Source
from instructify_train.config import ModelConfig
from instructify_train.model.blip2 import assemble_weights, merge_weights
from instructify_train.model.loading import load_model
from instructify_train.tiny.presets import build_preset

QUERIES = 8


def vision() -> Blip2VisionConfig:
    return Blip2VisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        image_size=48, patch_size=16, initializer_range=0.02,
    )  # fmt: skip


def qformer(*, text: bool, rows: int) -> Blip2QFormerConfig:
    return Blip2QFormerConfig(
        vocab_size=rows, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, encoder_hidden_size=32, use_qformer_text_input=text,
    )  # fmt: skip


def stages(family: str, rows: int | None = None) -> tuple[Any, Any]:
    """Make the two models with random weights, as small as they go."""
    loaded = preset(family)
    rows = rows or len(loaded.processor.qformer_tokenizer)
    text = loaded.model.config.text_config
    first = Blip2Config(
        vision_config=vision(), qformer_config=qformer(text=True, rows=rows), text_config=text,
        num_query_tokens=QUERIES, image_text_hidden_size=16,
    )  # fmt: skip
    second = Blip2Config(
        vision_config=vision(), qformer_config=qformer(text=False, rows=rows), text_config=text,
        num_query_tokens=QUERIES,
    )  # fmt: skip
    torch.manual_seed(0)
    stage1 = Blip2ForImageTextRetrieval(first)
    stage2 = Blip2ForConditionalGeneration(second)
    with torch.no_grad():
        for model in (stage1, stage2):
            model.query_tokens.normal_()
            for one in model.parameters():
                one.add_(0.01 * torch.randn_like(one))
    return stage1.eval(), stage2.eval()


@pytest.mark.parametrize("family", ["tiny-llama", "tiny-t5"])
def test_every_tensor_has_its_source(family: str) -> None:
    stage1, stage2 = stages(family)
    one, two = stage1.state_dict(), stage2.state_dict()
    model = assemble_weights(stage1, stage2, preset(family).processor)
    own = model.state_dict()
    for name, value in own.items():
        if name.startswith("qformer.embeddings.layernorm."):
            source = two[name.replace("embeddings.layernorm", "layernorm")]
        elif name.startswith("qformer.embeddings."):
            source = one[name.removeprefix("qformer.")]
        elif ".intermediate." in name or name.split(".")[4:5] == ["output"]:
            source = one[name] if name.startswith("qformer.") else two[name]
        else:
            source = two[name]
        assert torch.equal(value, source), name


@pytest.mark.parametrize("family", ["tiny-llama", "tiny-t5"])
def test_without_instructions_it_is_blip2(family: str) -> None:
    """What stage 2 alone can do comes out the same: queries of a picture, and their projection."""
    stage1, stage2 = stages(family)
    pixels = torch.randn(2, 3, 48, 48)
    with torch.no_grad():
        expected = stage2.get_image_features(pixels).pooler_output
        model = assemble_weights(stage1, stage2, preset(family).processor)
        seen = model.vision_model(pixels).last_hidden_state
        query = model.query_tokens.expand(2, -1, -1)
        hidden = model.qformer(
            input_ids=None, query_embeds=query, encoder_hidden_states=seen
        ).last_hidden_state
        projected = model.language_projection(hidden)
    torch.testing.assert_close(projected, expected)


def test_from_folders_to_a_model_that_saves(tmp_path: Path) -> None:
    stage1, stage2 = stages("tiny-llama")
    processor = build_preset("tiny-llama").processor  # these processors change their tokenizers
    stage1.save_pretrained(tmp_path / "one")
    stage2.save_pretrained(tmp_path / "two")
    picture = processor.image_processor
    Blip2Processor(picture, processor.qformer_tokenizer).save_pretrained(tmp_path / "one")
    Blip2Processor(picture, processor.tokenizer).save_pretrained(tmp_path / "two")
    source = Source(stage1=str(tmp_path / "one"), stage2=str(tmp_path / "two"))
    model, made = load_model(ModelConfig(blip2=source))
    assert made.num_query_tokens == QUERIES
    model.save_pretrained(tmp_path / "three")
    again = InstructBlipForConditionalGeneration.from_pretrained(tmp_path / "three")
    for name, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


@pytest.mark.parametrize(
    ("stage2", "stage1", "processor", "said"),
    [
        (
            "tiny-t5",
            "x",
            None,
            r"'model\.blip2\.stage2' is tiny-t5, a preset, .*model\.name=tiny-t5`",
        ),
        ("./x", "tiny-llama", None, r"'model\.blip2\.stage1' is tiny-llama, a preset"),
        ("./x", "./x", "scaled", r"'model\.blip2\.processor' is scaled, a preset"),
        ("tiny-t6", "x", None, "no model 'tiny-t6': no folder .* a preset can't stand here"),
        ("./x", "x", None, r"the folder \./x is not there"),
    ],
)
def test_a_part_is_a_folder_or_a_hub_name(
    stage2: str, stage1: str, processor: str | None, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        load_model(ModelConfig(blip2=Source(stage2=stage2, stage1=stage1, processor=processor)))


def test_stage_two_in_place_of_stage_one_is_refused() -> None:
    _, stage2 = stages("tiny-llama")
    with pytest.raises(UserError, match="no text feed-forwards"):
        merge_weights(stage2.state_dict(), stage2.state_dict())


def test_a_tokenizer_of_another_size_is_refused() -> None:
    stage1, stage2 = stages("tiny-llama", rows=100)
    with pytest.raises(UserError, match="they don't belong together"):
        assemble_weights(stage1, stage2, preset("tiny-llama").processor)


def test_a_larger_vocabulary_of_stage_one_is_kept() -> None:
    """30,523 rows for 30,522 words, say: the rows stay, nothing is cut."""
    words = len(preset("tiny-llama").processor.qformer_tokenizer)
    stage1, stage2 = stages("tiny-llama", rows=words + 1)
    model = assemble_weights(stage1, stage2, preset("tiny-llama").processor)
    assert model.config.qformer_config.vocab_size == words + 1
