"""The operations that a sample needs, held against torch's own counter."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from instructify_train.tiny.presets import build_preset

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from gpu_models import Counts, sample_flops


@pytest.mark.parametrize("preset", ["tiny-llama", "tiny-t5"])
def test_forward_is_what_torch_counts(preset: str) -> None:
    """One sample without padding, with eager attention, whose products the counter sees."""
    model: Any = build_preset(preset).model.eval()
    model.set_attn_implementation("eager")
    config, asked, read, answered = model.config, 9, 11, 5
    queries = config.num_query_tokens
    pixels = torch.zeros(1, 3, config.vision_config.image_size, config.vision_config.image_size)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        features = model.vision_model(pixels).last_hidden_state
        tower = counter.get_total_flops()
        seen = model.qformer(
            input_ids=torch.ones(1, asked, dtype=torch.long),
            query_embeds=model.query_tokens,
            encoder_hidden_states=features,
        ).last_hidden_state
        model.language_projection(seen[:, :queries])
        qformer = counter.get_total_flops() - tower
        language = model.language_model
        width = language.get_input_embeddings().weight.shape[1]
        if preset == "tiny-t5":
            language(
                inputs_embeds=torch.zeros(1, queries + read, width),
                decoder_input_ids=torch.ones(1, answered, dtype=torch.long),
            )
        else:
            rows = queries + read + answered - 1
            embeds = torch.zeros(1, rows, width)
            language(inputs_embeds=embeds, logits_to_keep=answered)
        spoken = counter.get_total_flops() - tower - qformer
    needed = sample_flops(config, asked=asked, read=read, answered=answered)
    counted = Counts(tower, 3 * qformer, 2 * spoken)
    assert needed.tower == pytest.approx(counted.tower, rel=0.02)
    assert needed.qformer == pytest.approx(counted.qformer, rel=0.02)
    assert needed.language == pytest.approx(counted.language, rel=0.06)  # causal scores: half
