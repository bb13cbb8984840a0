"""A whole model passes; each way of breaking one is named by the check that is there for it."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch

from instructify_train.evaluate.model_check import check_model
from instructify_train.tiny.presets import Loaded, build_preset

FAMILIES = ("tiny-llama", "tiny-t5")
Break = Callable[[Loaded], object]


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def differing(loaded: Loaded) -> set[str]:
    return {one.name for one in check_model(loaded) if one.passed is False}


def zeroed(part: str) -> Break:
    def broken(loaded: Loaded) -> None:
        for name, one in loaded.model.named_parameters():
            if part in name:
                one.data.zero_()

    return broken


def one_is_no_number(loaded: Loaded) -> None:
    loaded.model.language_projection.weight.data[0, 0] = float("nan")


def picture(**given: Any) -> Break:
    def broken(loaded: Loaded) -> None:
        for name, value in given.items():
            setattr(loaded.processor.image_processor, name, value)

    return broken


def token(**given: Any) -> Break:
    def broken(loaded: Loaded) -> None:
        for name, value in given.items():
            setattr(loaded.processor.tokenizer, name, value)

    return broken


def processor(**given: Any) -> Break:
    def broken(loaded: Loaded) -> None:
        for name, value in given.items():
            setattr(loaded.processor, name, value)

    return broken


def without_frame(which: str) -> Break:
    """A tokenizer that puts nothing around a text, as one saved without its post-processor."""

    def broken(loaded: Loaded) -> None:
        getattr(loaded.processor, which).backend_tokenizer.post_processor = _nothing()

    return broken


@functools.cache
def _nothing() -> Any:
    from tokenizers.processors import TemplateProcessing

    return TemplateProcessing(single="$A", pair="$A $B", special_tokens=[])


BREAKS: dict[str, tuple[str, Break]] = {
    "no special tokens": ("prefix", without_frame("tokenizer")),
    "padding is the end": ("padding", token(pad_token="</s>")),
    "no [CLS]": ("Q-Former's text", without_frame("qformer_tokenizer")),
    "another number of queries": ("queries", processor(num_query_tokens=5)),
    "mean of ImageNet": ("mean and deviation", picture(image_mean=[0.485, 0.456, 0.406])),
    "one half for all": ("mean and deviation", picture(image_std=[0.5, 0.5, 0.5])),
    "bilinear": ("size", picture(resample=2)),
    "another size": ("size", picture(size={"height": 32, "width": 32})),
    "values to 255": ("pixels", picture(do_rescale=False)),
    "not normalised": ("pixels", picture(do_normalize=False)),
    "no number": ("numbers", one_is_no_number),
    "no queries": ("blank parts", zeroed("query_tokens")),
    "no projection": ("blank parts", zeroed("language_projection.weight")),
    "blank tower": ("tower", zeroed("vision_model.embeddings")),
    "Q-Former without words": ("instruction", zeroed("qformer.embeddings.word_embeddings")),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_whole_model_passes(family: str) -> None:
    checks = check_model(build_preset(family, seed=1))
    assert not [one for one in checks if one.passed is False]
    names = [one.name for one in checks]
    assert len(names) == len(set(names)) >= 12
    (answers,) = (one for one in checks if one.name == "answers")
    assert answers.passed is None, "nothing is expected of the answers of random weights"


@pytest.mark.parametrize("way", BREAKS)
def test_what_is_broken_is_named(way: str) -> None:
    """On the tiny Llama; `test_both_kinds` has the tiny T5."""
    check, broken = BREAKS[way]
    loaded = build_preset("tiny-llama", seed=1)
    broken(loaded)
    assert check in differing(loaded)


@pytest.mark.heavy
@pytest.mark.parametrize("way", BREAKS)
def test_both_kinds(way: str) -> None:
    check, broken = BREAKS[way]
    loaded = build_preset("tiny-t5", seed=1)
    broken(loaded)
    assert check in differing(loaded)


def test_a_forward_pass_that_differs_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where transformers changes what a layer does, or our layout is wrong."""
    loaded = build_preset("tiny-t5", seed=1)
    forward = loaded.model.forward

    def other(**given: Any) -> Any:
        given["labels"] = given["labels"].flip(1)
        return forward(**given)

    monkeypatch.setattr(loaded.model, "forward", other)
    assert differing(loaded) == {"forward pass"}
