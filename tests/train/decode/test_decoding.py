"""Answers depend on prefix and `Decoding`, not on neighbours or on a checkpoint's defaults."""

from typing import Any

import pytest
import torch
from decoding_models import END, FAMILIES, PAD, prefixes, tiny_model, tiny_tokenizer
from transformers import (
    InstructBlipConfig,
    InstructBlipForConditionalGeneration,
    InstructBlipQFormerConfig,
    InstructBlipVisionConfig,
)

from instructify._util.errors import UserError
from instructify_train.decode.search import Answer, Decoding, generate_answers, generate_texts
from instructify_train.decode.trie import Trie

LENGTHS = [5, 9, 3, 12]
PADDINGS = ("left", "right", "middle")


def answers(family: str, batch: Any, decoding: Decoding, **options: Any) -> list[list[Answer]]:
    """Answers of a tiny model to a batch."""
    model = options.pop("model", None) or tiny_model(family)
    tokenizer = tiny_tokenizer(family)
    found = generate_answers(model, tokenizer, batch.embeds, batch.mask, decoding, **options)
    return found


def same(one: list[list[Answer]], other: list[list[Answer]]) -> bool:
    """Whether tokens agree exactly and scores but for rounding."""
    return all(
        a.tokens == b.tokens and (a.score is None or a.score == pytest.approx(b.score, abs=1e-4))
        for mine, theirs in zip(one, other, strict=True)
        for a, b in zip(mine, theirs, strict=True)
    )


@pytest.mark.parametrize("beams", [1, 5])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_of_unequal_prefixes_equals_one_by_one(family: str, beams: int) -> None:
    model = tiny_model(family)
    decoding = Decoding(beams=beams, num_answers=min(2, beams), max_new_tokens=12)
    batch = prefixes(LENGTHS)
    alone = [answers(family, batch.row(row), decoding, model=model)[0] for row in range(4)]
    for padding in PADDINGS:
        together = answers(family, prefixes(LENGTHS, padding=padding), decoding, model=model)
        assert same(together, alone)


@pytest.mark.parametrize("family", FAMILIES)
def test_instructblip_generates_the_same_from_the_same_embeddings(family: str) -> None:
    """The language model as it sits inside InstructBLIP, in its own `generate`."""
    inner = tiny_model(family)
    config = InstructBlipConfig(
        vision_config=InstructBlipVisionConfig(
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            image_size=28,
            patch_size=14,
            initializer_range=0.02,
        ),
        qformer_config=InstructBlipQFormerConfig(
            vocab_size=20,
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            encoder_hidden_size=16,
        ),
        text_config=inner.config,
        num_query_tokens=4,
        image_token_index=96,
    )
    model = InstructBlipForConditionalGeneration(config).eval()
    model.language_model.load_state_dict(inner.state_dict())
    torch.nn.init.normal_(model.query_tokens)
    pixels = torch.randn(2, 3, 28, 28, generator=torch.Generator().manual_seed(1))
    ids = torch.tensor([[96, 96, 96, 96, 0, 0, 7, 8], [96, 96, 96, 96, 9, 10, 11, 12]])
    mask = torch.tensor([[1, 1, 1, 1, 0, 0, 1, 1], [1] * 8])
    if family == "t5":  # T5 measures distances across the gap; we close it
        ids, mask = torch.tensor([[96] * 4 + [7, 8], [96] * 4 + [9, 10]]), torch.ones(2, 6).long()
    text = {
        "qformer_input_ids": torch.ones(2, 3).long(),
        "qformer_attention_mask": torch.ones(2, 3).long(),
    }
    theirs = model.generate(
        pixels, **text, input_ids=ids, attention_mask=mask, num_beams=3, max_new_tokens=8
    )
    pictures = model.get_image_features(pixels, **text, return_dict=True).pooler_output
    embeds = model.get_input_embeddings()(ids)
    embeds = embeds.masked_scatter((ids == 96)[:, :, None], pictures)
    ours = generate_answers(
        model.language_model,
        tiny_tokenizer(family),
        embeds,
        mask,
        Decoding(beams=3, max_new_tokens=8, min_new_tokens=0),
    )
    generated = theirs[:, 1:] if family == "t5" else theirs[:, ids.shape[1] :]
    for row, found in zip(generated.tolist(), ours, strict=True):
        assert row[: len(found[0].tokens)] == found[0].tokens
        assert set(row[len(found[0].tokens) :]) <= {PAD, END}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_checkpoints_defaults_play_no_part(family: str) -> None:
    model = tiny_model(family)
    decoding = Decoding(beams=3, max_new_tokens=8)
    before = answers(family, prefixes(LENGTHS), decoding, model=model)
    defaults = model.generation_config
    defaults.do_sample, defaults.temperature, defaults.max_length = True, 5.0, 3
    defaults.no_repeat_ngram_size, defaults.bad_words_ids = 1, [[before[0][0].tokens[0]]]
    after = answers(family, prefixes(LENGTHS), decoding, model=model)
    assert before == after
    assert model.generation_config is defaults


@pytest.mark.parametrize("family", FAMILIES)
def test_settings_do_what_they_say(family: str) -> None:
    model = tiny_model(family)
    batch = prefixes(LENGTHS)
    short = answers(family, batch, Decoding(beams=1, max_new_tokens=3), model=model)
    assert all(len(row[0].tokens) <= 3 for row in short)
    long = answers(
        family, batch, Decoding(beams=3, min_new_tokens=6, max_new_tokens=9), model=model
    )
    assert all(6 <= len(row[0].tokens) <= 9 for row in long)
    for beams in (1, 3):
        never = Decoding(beams=beams, max_new_tokens=12, repetition_penalty=1e6)
        for row in answers(family, batch, never, model=model):
            assert len(set(row[0].tokens)) == len(row[0].tokens) > 1


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_penalty_does_not_depend_on_padding(family: str, beams: int) -> None:
    """transformers spares the first generated tokens of rows with left padding."""
    model = tiny_model(family)
    decoding = Decoding(beams=beams, max_new_tokens=12, repetition_penalty=1.5)
    batch = prefixes(LENGTHS)
    alone = [answers(family, batch.row(row), decoding, model=model)[0] for row in range(4)]
    assert same(answers(family, batch, decoding, model=model), alone)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("beams", [1, 5])
def test_restricted_answers_are_candidates_of_their_row(family: str, beams: int) -> None:
    sets = [[[5, 6], [5], [7, 8, 9, 10, 11, 12]], [[20]]]
    decoding = Decoding(
        beams=beams, num_answers=beams, max_new_tokens=1, restrict=Trie.of_sets(sets, end=END)
    )
    found = answers(family, prefixes(LENGTHS), decoding, sets=[0, 1, 1, 0])
    for number, row in zip([0, 1, 1, 0], found, strict=True):
        for answer in row:
            assert answer.candidate is not None
            assert sets[number][answer.candidate] == answer.tokens
    if beams > 1:  # more beams than candidates: each once, best first, nothing else
        assert [len(row) for row in found] == [3, 1, 1, 3]
        scores = [answer.score for answer in found[0]]
        assert scores == sorted(scores, key=lambda score: -(score or 0))
        assert all(score is not None and score > -1e4 for score in scores)


def test_texts_are_those_of_the_best_answers() -> None:
    tokenizer = tiny_tokenizer("t5")
    model = tiny_model("t5")
    batch = prefixes(LENGTHS)
    words = [tokenizer(text).input_ids[:-1] for text in ("yes", "no", "a cat")]
    decoding = Decoding(restrict=Trie.of(words, end=END))
    texts = generate_texts(model, tokenizer, batch.embeds, batch.mask, decoding)
    found = answers("t5", batch, decoding, model=model)
    assert texts == [row[0].text for row in found]
    assert set(texts) <= {"yes", "no", "a cat"}


def test_end_as_padding_is_stripped() -> None:
    tokenizer = tiny_tokenizer("llama")
    tokenizer.pad_token = None
    batch = prefixes(LENGTHS)
    decoding = Decoding(beams=2, restrict=Trie.of([[5], [7, 8, 9]], end=END))
    found = generate_answers(tiny_model("llama"), tokenizer, batch.embeds, batch.mask, decoding)
    assert all(END not in row[0].tokens for row in found)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"beams": 0}, "more answers than beams"),
        ({"beams": 2, "num_answers": 3}, "3 answers of 2 beams"),
        ({"min_new_tokens": 9, "max_new_tokens": 8}, "leave no length"),
        ({"repetition_penalty": 0.0}, "larger than 0"),
        ({"restrict": Trie.of([[3]]), "min_new_tokens": 2}, "cut candidates off"),
    ],
)
def test_impossible_decoding_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Decoding(**settings)


def test_a_trie_without_end_and_wrong_sets_are_refused() -> None:
    batch = prefixes(LENGTHS)
    with pytest.raises(ValueError, match="with end=1"):
        answers("t5", batch, Decoding(restrict=Trie.of([[3]])))
    with pytest.raises(ValueError, match="one of 1 candidate sets for each of 4 rows"):
        answers("t5", batch, Decoding(restrict=Trie.of([[3]], end=END)), sets=[0, 0, 0, 1])


def test_scores_that_are_not_numbers_are_refused() -> None:
    model = tiny_model("llama")
    with torch.no_grad():
        model.lm_head.weight[:] = torch.nan
    with pytest.raises(UserError, match="not finite"):
        answers("llama", prefixes([3]), Decoding(beams=2, max_new_tokens=3), model=model)
