"""Presets: built from nothing, the same in every process, and what transformers loads again."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import InstructBlipForConditionalGeneration, InstructBlipProcessor

from instructify._util.errors import UserError
from instructify.twins.world import COLOURS, SHAPES
from instructify_train.tiny.own_tokenizers import language_tokenizer, qformer_tokenizer
from instructify_train.tiny.presets import PRESETS, Loaded, build_preset

TINY = ("tiny-llama", "tiny-t5")
_HASHES = """
import hashlib, json
from instructify_train.tiny.presets import build_preset
out = {}
for name in ("tiny-llama", "tiny-t5"):
    model, processor = build_preset(name, seed=3)
    tokenizers = processor.tokenizer, processor.qformer_tokenizer
    texts = [tokenizer.backend_tokenizer.to_str() for tokenizer in tokenizers]
    weights = b"".join(v.contiguous().numpy().tobytes() for v in model.state_dict().values())
    out[name] = [hashlib.sha256(part).hexdigest() for part in (*map(str.encode, texts), weights)]
print(json.dumps(out))
"""


@pytest.fixture(scope="module", params=TINY)
def tiny(request: pytest.FixtureRequest) -> Loaded:
    return build_preset(request.param)


def _inputs(processor: InstructBlipProcessor) -> dict[str, torch.Tensor]:
    pictures = [Image.new("RGB", (60, 48), colour) for colour in ("red", "navy")]
    texts = ["What color is the circle?", "Is there anything?"]
    return dict(processor(images=pictures, text=texts, padding=True, return_tensors="pt"))


def test_same_bytes_in_another_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _HASHES],
        env={**os.environ, "PYTHONHASHSEED": "77"},
        capture_output=True,
        text=True,
        check=True,
    )
    # Hash order differs here: the trainers of tokenizers number and sum in that order.
    assert json.loads(done.stdout.splitlines()[-1]) == {name: _hashes(name) for name in TINY}


def _hashes(name: str) -> list[str]:
    model, processor = build_preset(name, seed=3)
    tokenizers = (processor.tokenizer, processor.qformer_tokenizer)
    texts = [tokenizer.backend_tokenizer.to_str().encode() for tokenizer in tokenizers]
    weights = b"".join(
        value.contiguous().numpy().tobytes() for value in model.state_dict().values()
    )
    return [hashlib.sha256(part).hexdigest() for part in (*texts, weights)]


def test_round_trip_is_bit_equal(tiny: Loaded, tmp_path: Path) -> None:
    tiny.model.save_pretrained(tmp_path)
    tiny.processor.save_pretrained(tmp_path)
    model = InstructBlipForConditionalGeneration.from_pretrained(tmp_path)
    processor = InstructBlipProcessor.from_pretrained(tmp_path)
    before, after = tiny.model.state_dict(), model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    ours, theirs = _inputs(tiny.processor), _inputs(processor)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    with torch.no_grad():
        labels = {"labels": ours["input_ids"]}
        assert torch.equal(tiny.model(**ours, **labels).loss, model(**theirs, **labels).loss)
    wanted = tiny.model.generate(**ours, max_new_tokens=3)
    assert torch.equal(wanted, model.generate(**theirs, max_new_tokens=3))


def test_picture_tokens_are_the_queries(tiny: Loaded) -> None:
    inputs = _inputs(tiny.processor)
    config = tiny.model.config
    assert tiny.processor.num_query_tokens == config.num_query_tokens == 8
    assert (inputs["input_ids"] == config.image_token_index).sum(1).tolist() == [8, 8]
    assert inputs["pixel_values"].shape == (2, 3, 48, 48)
    assert build_preset("tiny-llama", queries=2).model.query_tokens.shape == (1, 2, 128)


def test_a_random_tower_tells_pictures_apart(tiny: Loaded) -> None:
    # transformers' default initialisation gives one constant for every picture
    with torch.no_grad():
        seen = tiny.model.vision_model(_inputs(tiny.processor)["pixel_values"]).last_hidden_state
    assert (seen[0] - seen[1]).abs().mean() > 0.1


def test_callers_random_state_is_untouched() -> None:
    before = torch.get_rng_state()
    one, two, other = (build_preset("tiny-t5", seed=seed).model for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(one.query_tokens, two.query_tokens)
    assert torch.equal(one.language_model.shared.weight, two.language_model.shared.weight)
    assert not torch.equal(one.query_tokens, other.query_tokens)


def test_llamas_end_token_is_also_its_first_and_its_unknown() -> None:
    tokenizer = language_tokenizer("llama")
    assert tokenizer.bos_token == tokenizer.eos_token == tokenizer.unk_token == "</s>"
    ids = tokenizer("red").input_ids
    assert ids[0] == tokenizer.eos_token_id
    assert len(ids) == 2
    assert tokenizer.pad_token == "[PAD]"


def test_special_tokens_are_single_and_apart(tiny: Loaded) -> None:
    words, qformer_words = tiny.processor.tokenizer, tiny.processor.qformer_tokenizer
    for tokenizer, names in (
        (words, ["<image>", words.eos_token, words.pad_token]),
        (qformer_words, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]"]),
    ):
        ids = [tokenizer(name, add_special_tokens=False).input_ids for name in names]
        assert [len(one) for one in ids] == [1] * len(names)
        assert len({one[0] for one in ids}) == len(names)
    assert qformer_words("red").input_ids[0] == qformer_words.cls_token_id
    assert qformer_words("RED").input_ids == qformer_words("red").input_ids


@pytest.mark.parametrize("word", [*COLOURS, *SHAPES, "yes", "no", "snow", "tomato"])
def test_answers_are_one_token(word: str) -> None:
    for tokenizer in (language_tokenizer("t5"), language_tokenizer("llama"), qformer_tokenizer()):
        assert len(tokenizer(word, add_special_tokens=False).input_ids) == 1


@pytest.mark.parametrize("kind", ["llama", "t5"])
def test_any_ascii_text_comes_back(kind: str) -> None:
    tokenizer = language_tokenizer("llama" if kind == "llama" else "t5")
    text = 'Zebra-7 ~ "What?" (a) 3.14 {{ x }} #_@ </notatag>'
    ids = tokenizer(text, add_special_tokens=False).input_ids
    assert tokenizer.decode(ids) == text


def test_sizes_are_the_stated_ones() -> None:
    sizes = {
        name: round(sum(p.numel() for p in build_preset(name).model.parameters()) / 1e6, 1)
        for name in PRESETS
    }
    assert sizes == {"tiny-llama": 2.4, "tiny-t5": 2.5, "scaled": 74.4}


def test_unknown_name_is_refused() -> None:
    with pytest.raises(UserError, match="tiny-llama"):
        build_preset("tiny-lama")
