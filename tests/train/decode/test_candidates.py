"""Candidate texts become tokens in one stated way, and what can't is refused by name."""

import pytest
from decoding_models import END, tiny_tokenizer
from train_help import FAMILIES, preset

from instructify._util.errors import UserError
from instructify_train.decode.candidates import candidate_tokens
from instructify_train.model.tokens import Limits, SampleTokens


def test_t5_is_tokenised_as_usual_without_its_end() -> None:
    tokenizer = tiny_tokenizer("t5")
    (tokens,) = candidate_tokens(tokenizer, ["a cat"])
    assert [*tokens, END] == tokenizer("a cat").input_ids
    assert tokenizer.convert_ids_to_tokens(tokens) == ["\u2581a", "\u2581cat"]


def test_byte_level_llama_gets_no_space_but_by_lead() -> None:
    tokenizer = tiny_tokenizer("llama")
    assert tokenizer.decode(candidate_tokens(tokenizer, ["yes"])[0]) == "yes"
    assert tokenizer.decode(candidate_tokens(tokenizer, ["yes"], lead=" ")[0]) == " yes"


def test_sentencepiece_puts_its_own_space_and_no_start() -> None:
    tokenizer = tiny_tokenizer("t5")  # pieces as a SentencePiece Llama has them
    (tokens,) = candidate_tokens(tokenizer, ["yes"])
    assert tokenizer.convert_ids_to_tokens(tokens) == ["\u2581yes"]


def test_special_tokens_in_a_text_are_characters() -> None:
    tokenizer = tiny_tokenizer("llama")
    (tokens,) = candidate_tokens(tokenizer, ["a</s>"])
    assert END not in tokens
    assert tokenizer.decode(tokens, skip_special_tokens=True) == "a</s>"


def test_special_tokens_that_a_vocabulary_cannot_spell_are_refused() -> None:
    with pytest.raises(UserError, match=r"candidate 1 \('cat</s>'\) holds a special token"):
        candidate_tokens(tiny_tokenizer("t5"), ["cat", "cat</s>"])


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_a_text_of_nothing_is_refused_by_name(text: str) -> None:
    with pytest.raises(UserError, match=r"candidate 1 .* tokenises to nothing"):
        candidate_tokens(tiny_tokenizer("llama"), ["yes", text])


def test_a_text_that_the_tokenizer_drops_is_refused_by_name() -> None:
    from tokenizers import normalizers

    tokenizer = tiny_tokenizer("llama")
    tokenizer.backend_tokenizer.normalizer = normalizers.Replace("~", "")
    with pytest.raises(UserError, match=r"candidate 0 \('~'\) tokenises to nothing"):
        candidate_tokens(tokenizer, ["~"])


def test_no_candidates_are_refused() -> None:
    with pytest.raises(UserError, match="no candidates"):
        candidate_tokens(tiny_tokenizer("llama"), [])


@pytest.mark.parametrize("name", FAMILIES)
def test_candidates_are_tokenised_as_answers_are_in_training(name: str) -> None:
    """Or a ranked answer would be another one than what was learnt."""
    processor = preset(name).processor
    texts = ["yes", "a red bus", "(b)", "2,000 men's", "Zoë's  café"]
    trained = SampleTokens(processor, Limits()).encode(["what?"] * len(texts), texts)
    asked = candidate_tokens(processor.tokenizer, texts)
    assert [one.response[:-1] for one in trained] == asked
