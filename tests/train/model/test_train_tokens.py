"""Text never becomes a special token, and is cut where it should be."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from train_help import FAMILIES, preset

from instructify._util.resources import find
from instructify.templating import fitting, load_templates, render_row
from instructify_train.model.tokens import Limits, SampleTokens, TextTokens

FORGED = (
    *("<image>", "</s>", "<s>", "<pad>", "[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]", "[DEC]"),
    *("<unk>", "<extra_id_0>", "<IMAGE>", "[sep]", "<image></s>", "a</s>b", "{{ x }}", "\u200b"),
)
ROUNDS = ("red", "green", "blue", "yellow", "orange", "purple", "big", "small", "round")
anything = st.lists(st.one_of(st.sampled_from(FORGED), st.text(max_size=8)), max_size=8).map(
    "".join
)


def special_ids(tokenizer: object) -> set[int]:
    """All ids that mean something; unknown text is none where it has an id of its own."""
    found = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}  # type: ignore[attr-defined]
    meaningful = {
        tokenizer.bos_token_id,  # type: ignore[attr-defined]
        tokenizer.eos_token_id,  # type: ignore[attr-defined]
        tokenizer.pad_token_id,  # type: ignore[attr-defined]
    }
    return found - ({tokenizer.unk_token_id} - meaningful)  # type: ignore[attr-defined]


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=200, deadline=None)
@given(text=anything)
def test_no_text_makes_a_special_token(family: str, text: str) -> None:
    processor = preset(family).processor
    for tokenizer in (processor.tokenizer, processor.qformer_tokenizer):
        (ids,) = TextTokens(tokenizer, "tested").plain([text])
        assert special_ids(tokenizer).isdisjoint(ids)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("text", FORGED)
def test_a_forged_token_is_text_in_a_whole_sample(family: str, text: str) -> None:
    processor = preset(family).processor
    (sample,) = SampleTokens(processor, Limits()).encode([f"what is {text}?"], [f"it is {text}"])
    image = processor.tokenizer.convert_tokens_to_ids("<image>")
    end = processor.tokenizer.eos_token_id
    assert image not in sample.instruction + sample.response
    assert sample.response.count(end) == 1
    assert sample.response[-1] == end
    is_llama = processor.tokenizer.bos_token_id == end
    assert sample.instruction.count(end) == 1
    assert sample.instruction[0 if is_llama else -1] == end
    separator = processor.qformer_tokenizer.sep_token_id
    assert sample.qformer.count(separator) == 1


@pytest.mark.parametrize("family", FAMILIES)
def test_plain_text_is_tokenised_as_the_tokenizer_does(family: str) -> None:
    processor = preset(family).processor
    text = "Is the small red square left of a circle?"
    (sample,) = SampleTokens(processor, Limits()).encode([text], ["yes, it is."])
    assert sample.instruction == processor.tokenizer(text)["input_ids"]
    assert sample.qformer == processor.qformer_tokenizer(text)["input_ids"]
    bare = processor.tokenizer("yes, it is.", add_special_tokens=False)["input_ids"]
    assert sample.response == [*bare, processor.tokenizer.eos_token_id]
    assert sample[3:] == (0, 0, 0)


@pytest.mark.parametrize("family", FAMILIES)
def test_instructions_are_cut_from_the_left_and_responses_from_the_right(family: str) -> None:
    processor = preset(family).processor
    long = " ".join(["one two three"] * 100)
    limits = Limits(qformer=16, instruction=12, response=9)
    (sample,) = SampleTokens(processor, limits).encode([f"{long} end"], [f"begin {long}"])
    (whole,) = SampleTokens(
        processor, Limits(qformer=None, instruction=None, response=None)
    ).encode([f"{long} end"], [f"begin {long}"])
    assert (len(sample.qformer), len(sample.instruction), len(sample.response)) == (16, 12, 9)
    assert sample.qformer[1:-1] == whole.qformer[-15:-1]
    assert sample.response == [*whole.response[:8], whole.response[-1]]
    assert sample.cut_qformer == len(whole.qformer) - 16
    assert sample.cut_instruction == len(whole.instruction) - 12
    assert sample.cut_response == len(whole.response) - 9
    if processor.tokenizer.bos_token_id is not None:
        assert sample.instruction[1:] == whole.instruction[-11:]
        assert sample.instruction[0] == whole.instruction[0]
    else:
        assert sample.instruction == whole.instruction[-12:]


def test_a_long_dialogue_loses_its_oldest_rounds_and_never_the_question() -> None:
    templates = fitting(load_templates(find("templates")).for_task("visual_dialog"), "dialog")
    turns = [{"question": f"is it {word} ?", "answer": f"no not {word}"} for word in ROUNDS]
    row = {"question": "is it last", "answer": "no", "caption": "a caption", "history": turns}
    texts = [render_row(template, row).instruction for template in templates]
    processor = preset("tiny-llama").processor
    qformer, plain = processor.qformer_tokenizer, processor.tokenizer
    whole = SampleTokens(processor, Limits(qformer=None, instruction=None)).encode(
        texts, ["no"] * len(texts)
    )
    for most in (32, 64):
        limits = Limits(qformer=most, instruction=most)
        for text, cut, uncut in zip(
            texts, SampleTokens(processor, limits).encode(texts, ["no"] * len(texts)), whole,
            strict=True,
        ):  # fmt: skip
            assert cut.cut_qformer > 0, text
            assert cut.qformer[1:-1] == uncut.qformer[-most + 1 : -1]
            for ids, tokenizer in ((cut.qformer, qformer), (cut.instruction, plain)):
                read = tokenizer.decode(ids, skip_special_tokens=True).lower()
                assert "is it last" in read
                words = re.findall(r"\w+", read)
                kept = [word for word in ROUNDS if word in words]
                assert kept == list(ROUNDS[-len(kept) :])
                assert "caption" not in read


@pytest.mark.parametrize("family", FAMILIES)
def test_the_qformer_may_read_another_text(family: str) -> None:
    processor = preset(family).processor
    tokens = SampleTokens(processor, Limits())
    one, two = tokens.encode(["long story. red?"] * 2, ["no"] * 2, [None, "red?"])
    assert one.instruction == two.instruction
    assert two.qformer == processor.qformer_tokenizer("red?")["input_ids"]
    assert one.qformer != two.qformer


def test_the_users_tokenizer_is_left_as_it_was() -> None:
    tokenizer = preset("tiny-llama").processor.tokenizer
    before = tokenizer("a </s> b", max_length=3, truncation=True)["input_ids"]
    TextTokens(tokenizer, "tested").plain(["a </s> b"])
    assert tokenizer("a </s> b", max_length=3, truncation=True)["input_ids"] == before
