"""What is trained: counted on the full-size configurations, without their weights."""

import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from train_help import FAMILIES, fresh
from transformers import (
    InstructBlipConfig,
    InstructBlipForConditionalGeneration,
    InstructBlipQFormerConfig,
    InstructBlipVisionConfig,
    LlamaConfig,
    T5Config,
)

from instructify._util.errors import UserError
from instructify_train.config import PARTS, ModelConfig
from instructify_train.model.loading import pixel_mean_std
from instructify_train.model.parts import (
    choose_trained,
    count,
    is_text_path,
    part_of,
    placed,
    set_dropout,
    set_precision,
)
from instructify_train.model.pretrained import load_weights

LANGUAGE = {
    "flan-t5-xl": T5Config(
        d_model=2048, d_kv=64, d_ff=5120, num_layers=24, num_heads=32, vocab_size=32128,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False,
    ),
    "flan-t5-xxl": T5Config(
        d_model=4096, d_kv=64, d_ff=10240, num_layers=24, num_heads=64, vocab_size=32128,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False,
    ),
    "vicuna-7b": LlamaConfig(
        hidden_size=4096, intermediate_size=11008, num_hidden_layers=32, num_attention_heads=32,
        vocab_size=32001,
    ),
    "vicuna-13b": LlamaConfig(
        hidden_size=5120, intermediate_size=13824, num_hidden_layers=40, num_attention_heads=40,
        vocab_size=32001,
    ),
}  # fmt: skip


def full_size(name: str) -> Any:
    config = InstructBlipConfig(
        vision_config=InstructBlipVisionConfig(),
        qformer_config=InstructBlipQFormerConfig(vocab_size=30523),
        text_config=LANGUAGE[name],
        image_token_index=32000,
    )
    with torch.device("meta"):
        return InstructBlipForConditionalGeneration(config)


@pytest.mark.parametrize(
    ("name", "trained", "total"),
    [
        ("flan-t5-xl", 187.3e6, 3.96e9),
        ("flan-t5-xxl", 188.8e6, 12.18e9),
        ("vicuna-7b", 188.8e6, 7.91e9),
        ("vicuna-13b", 189.6e6, 14.19e9),
    ],
)
def test_what_the_paper_trains(name: str, trained: float, total: float) -> None:
    """The paper says 188M; the projection differs with the language model."""
    model = full_size(name)
    choose_trained(model, ModelConfig())
    counted = count(model)
    assert 187e6 < counted.trained < 190e6
    assert counted.trained == pytest.approx(trained, rel=1e-3)
    assert counted.total == pytest.approx(total, rel=2e-3)
    norm = model.vision_model.post_layernorm
    assert norm.weight.requires_grad
    assert norm.bias.requires_grad
    assert model.query_tokens.requires_grad


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("part", PARTS)
def test_parts_by_name(family: str, part: str) -> None:
    model = fresh(family, train=[part]).model
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad == (part_of(name) == part), name
    assert count(model).trained > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_without_instructions_nothing_waits_for_a_gradient(family: str) -> None:
    """What only text goes through is frozen, or DDP would wait for it forever."""
    model = fresh(family).model
    choose_trained(model, ModelConfig(instruction_aware=False))
    for name, parameter in model.named_parameters():
        if is_text_path(name):
            assert not parameter.requires_grad
    names = [name for name, one in model.named_parameters() if one.requires_grad]
    assert "qformer.encoder.layer.0.intermediate_query.dense.weight" in names
    assert "qformer.encoder.layer.0.intermediate.dense.weight" not in names
    assert "qformer.embeddings.word_embeddings.weight" not in names
    assert "qformer.embeddings.layernorm.weight" in names


def test_masters_have_32_bits_and_the_rest_what_it_is_computed_in() -> None:
    model = fresh("tiny-llama").model
    set_precision(model, torch.bfloat16)
    for name, parameter in model.named_parameters():
        wanted = torch.float32 if parameter.requires_grad else torch.bfloat16
        assert parameter.dtype == wanted, name


class HostTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes that operations give on the CPU."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        given = function(*args, **(kwargs or {}))
        is_view = function is torch.ops.aten.detach.default
        if isinstance(given, torch.Tensor) and given.device.type == "cpu" and not is_view:
            self.bytes += given.nbytes
        return given


def test_weights_take_no_memory_of_the_host(tmp_path: Path) -> None:
    """They are mapped from their file and cast on the device that they are brought to."""
    fresh("tiny-llama").model.save_pretrained(tmp_path)
    model = load_weights(InstructBlipForConditionalGeneration, str(tmp_path), "the model")
    if sys.platform == "linux":
        assert str(tmp_path / "model.safetensors") in Path("/proc/self/maps").read_text("utf-8")
    with HostTensors() as host:
        for parameter in model.parameters():
            brought = placed(parameter.data, torch.bfloat16, torch.device("meta"))
            assert (brought.dtype, brought.device.type) == (torch.bfloat16, "meta")
    assert host.bytes == 0


def test_frozen_parts_drop_nothing_out() -> None:
    text = T5Config(d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=2, dropout_rate=0.1)
    vision = InstructBlipVisionConfig(
        hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        image_size=28, patch_size=14, attention_dropout=0.1,
    )  # fmt: skip
    qformer = InstructBlipQFormerConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    config = InstructBlipConfig(
        vision_config=vision, qformer_config=qformer, text_config=text, image_token_index=5
    )
    model = InstructBlipForConditionalGeneration(config)
    set_dropout(model, ModelConfig())
    dropped = {
        name: one.p for name, one in model.named_modules() if isinstance(one, torch.nn.Dropout)
    }
    assert {p for name, p in dropped.items() if name.startswith("language_model")} == {0.0}
    assert {p for name, p in dropped.items() if name.startswith("qformer")} == {0.1}
    assert model.qformer.encoder.layer[0].attention.attention.attention_dropout == 0.1
    set_dropout(model, ModelConfig(dropout=0.0))
    assert model.qformer.encoder.layer[0].attention.attention.attention_dropout == 0.0


@pytest.mark.parametrize(
    ("mean", "std"),
    [
        ([0.5], [0.5] * 3),
        ([0.5] * 3, [0.5] * 4),
        (None, [0.5] * 3),
        (["x"] * 3, [0.5] * 3),
        ([0.5] * 3, [0.5, 0.0, 0.5]),
        ([math.nan] * 3, [0.5] * 3),
        ([0.5] * 3, [[0.5]] * 3),
    ],
)
def test_a_processor_whose_pixels_have_no_scale_is_one_sentence(mean: Any, std: Any) -> None:
    picture = SimpleNamespace(image_mean=mean, image_std=std)
    with pytest.raises(UserError, match=r"processor_config\.json has no image_mean"):
        pixel_mean_std(SimpleNamespace(image_processor=picture))
