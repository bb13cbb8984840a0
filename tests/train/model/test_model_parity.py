"""Our forward pass is that of plain transformers: losses, and gradients of all that is trained."""

import pytest
import torch
from torch.nn import functional
from train_help import ANSWERS, FAMILIES, QUESTIONS, Case, case, preset

from instructify_train.model.collation import collate
from instructify_train.model.parts import trained_parameters

WHOLE = ("vision", "norm", "qformer", "projection", "language")


def plain_batch(made: Case) -> dict[str, torch.Tensor]:
    """Lay the samples out as transformers wants them, by hand and from its own tokenizers."""
    processor, model = made.processor, made.model.model
    pixels = made.pixels[[one[0] for one in made.shown]]
    mean = torch.tensor(processor.image_processor.image_mean)[:, None, None]
    std = torch.tensor(processor.image_processor.image_std)[:, None, None]
    asked = processor.qformer_tokenizer(list(QUESTIONS), padding=True, return_tensors="pt")
    told = [processor.tokenizer(one)["input_ids"] for one in QUESTIONS]
    end = processor.tokenizer.eos_token_id
    answers = [
        [*processor.tokenizer(one, add_special_tokens=False)["input_ids"], end] for one in ANSWERS
    ]
    image = [model.config.image_token_index] * model.config.num_query_tokens
    batch = {
        "pixel_values": (pixels.float() / 255 - mean) / std,
        "qformer_input_ids": asked["input_ids"],
        "qformer_attention_mask": asked["attention_mask"],
    }
    if model.config.use_decoder_only_language_model:
        rows = [[*image, *one, *two] for one, two in zip(told, answers, strict=True)]
        labels = [
            [-100] * (len(image) + len(one)) + two for one, two in zip(told, answers, strict=True)
        ]
    else:
        rows, labels = [[*image, *one] for one in told], answers
    pad = processor.tokenizer.pad_token_id
    batch["input_ids"] = padded(rows, pad)
    batch["attention_mask"] = padded([[1] * len(row) for row in rows], 0)
    batch["labels"] = padded(labels, -100)
    return batch


def padded(rows: list[list[int]], value: int) -> torch.Tensor:
    width = max(map(len, rows))
    return torch.tensor([row + [value] * (width - len(row)) for row in rows])


@pytest.mark.parametrize("train", [("norm", "qformer", "projection"), WHOLE])
@pytest.mark.parametrize("family", FAMILIES)
def test_loss_and_gradients_are_those_of_transformers(family: str, train: tuple[str, ...]) -> None:
    made = case(family, train=train)
    model = made.model.model
    plain = model(**plain_batch(made))
    plain.loss.backward()
    expected = {name: one.grad for name, one in trained_parameters(model)}
    model.zero_grad(set_to_none=True)

    losses = made.model(made.model.encode(made.pixels), made.micro)
    losses.mean().backward()
    torch.testing.assert_close(losses.mean(), plain.loss, rtol=2e-6, atol=2e-6)
    assert expected["vision_model.post_layernorm.weight"] is not None
    for name, parameter in trained_parameters(model):
        if expected[name] is None:
            assert parameter.grad is None or not parameter.grad.any(), name
            continue
        assert parameter.grad is not None, name
        torch.testing.assert_close(parameter.grad, expected[name], rtol=2e-3, atol=2e-6, msg=name)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_graph_is_kept_of_a_frozen_tower(family: str) -> None:
    made = case(family)
    features = made.model.encode(made.pixels)
    assert not features.requires_grad
    made.model(features, made.micro).sum().backward()
    frozen = [one for one in made.model.model.parameters() if not one.requires_grad]
    assert frozen
    assert all(one.grad is None for one in frozen)


@pytest.mark.parametrize("family", FAMILIES)
def test_only_responses_and_their_ends_are_learnt(family: str) -> None:
    """Each label is predicted from what stands right before it, by a reference written out."""
    made = case(family)
    model = made.model
    embeds = model.prefix(model.encode(made.pixels), made.micro)
    losses = model(model.encode(made.pixels), made.micro)
    end = made.processor.tokenizer.eos_token_id
    start = 0
    for row, sample in enumerate(made.tokens):
        own = losses[start : start + len(sample.response)]
        start += len(sample.response)
        assert sample.response[-1] == end
        assert sample.response.count(end) == 1
        torch.testing.assert_close(own, by_hand(made, embeds, row), rtol=1e-4, atol=1e-5)
    assert start == len(losses)


def by_hand(made: Case, embeds: torch.Tensor, row: int) -> torch.Tensor:
    """Compute a sample's losses alone, without padding, over full logits."""
    sample, language = made.tokens[row], made.model.model.language_model
    head = made.model.layout.num_queries + len(sample.instruction)
    if made.model.layout.decoder_start is None:
        whole = embeds[row : row + 1, : head + len(sample.response)]
        logits = language(inputs_embeds=whole).logits[0]
        predicted = logits[head - 1 : head - 1 + len(sample.response)]
    else:
        labels = torch.tensor([sample.response])
        run = language(inputs_embeds=embeds[row : row + 1, :head], labels=labels)
        predicted = run.logits[0]
    return functional.cross_entropy(predicted, torch.tensor(sample.response), reduction="none")


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_padding_on_the_right_needs_no_mask(attention: str) -> None:
    """A causal model gives each sample in a padded pass what it gives it alone, to the label."""
    made = case("tiny-llama")
    model = made.model
    model.model.set_attn_implementation(attention)
    features = model.encode(made.pixels)
    losses = model(features, made.micro)
    assert made.micro.attention_mask_BL is not None, "nothing is padded, so nothing is tried"
    language, embeds = model.model.language_model, model.prefix(features, made.micro)
    masked = language.get_decoder()(
        inputs_embeds=embeds, attention_mask=made.micro.attention_mask_BL, use_cache=False
    ).last_hidden_state
    chosen = masked.flatten(0, 1)[made.micro.label_positions_N]
    logits = language.get_output_embeddings()(chosen)
    expected = functional.cross_entropy(logits, made.micro.label_ids_N, reduction="none")
    torch.testing.assert_close(losses, expected, rtol=1e-5, atol=1e-6)
    start = 0
    for row, sample in enumerate(made.tokens):
        alone = model(features, collate([sample], [made.shown[row]], model.layout))
        own = losses[start : start + len(alone)]
        torch.testing.assert_close(own, alone, rtol=1e-4, atol=1e-5)
        start += len(alone)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_clip_is_its_frames_one_after_another(family: str) -> None:
    """Each frame goes through tower and Q-Former with the instruction; all queries are read."""
    made = case(family)
    model, queries = made.model, made.model.layout.num_queries
    tokens = made.tokens[:2]
    micro = collate(tokens, [[0, 1, 0, 1], [1]], model.layout)
    features = model.encode(made.pixels)
    assert len(micro.slots_FK) == 5 * queries
    seen = model.queries(features, micro)
    alone = model.queries(features, collate(tokens[:1], [[1]], model.layout))
    torch.testing.assert_close(seen[1], alone[0], rtol=1e-4, atol=1e-5)
    embeds = model.embed(seen, micro)
    torch.testing.assert_close(embeds[0, queries : 2 * queries], seen[1])
    torch.testing.assert_close(embeds[1, :queries], seen[4])
    text = model.model.language_model.get_input_embeddings()
    after = embeds[1, queries : queries + len(tokens[1].instruction)]
    torch.testing.assert_close(after, text(torch.tensor(tokens[1].instruction)))


@pytest.mark.parametrize("family", FAMILIES)
def test_without_instruction_the_queries_depend_on_the_picture_alone(family: str) -> None:
    made = case(family)
    features = made.model.encode(made.pixels)
    aware = made.model.queries(features, made.micro)
    assert not torch.allclose(aware[0], aware[2])
    made.model.instruction_aware = False
    blind = made.model.queries(features, made.micro)
    torch.testing.assert_close(blind[0], blind[2])
    assert not torch.allclose(blind[0], blind[1])


def test_the_layout_has_a_slot_for_each_query_whatever_the_text_says() -> None:
    layout = case("tiny-llama").model.layout
    assert layout.decoder_start is None
    assert layout.num_queries == preset("tiny-llama").model.config.num_query_tokens
