"""Check a model before hours are spent on it, and report each check as a sentence.

For models of any size the checks cover: the special tokens around a text, the places of the query
tokens, the preprocessing of pictures, weights that were not loaded, and the loss of ten samples,
which must equal that of transformers' forward pass. For the published sizes they also cover the
token ids that LAVIS trained with, and that right answers have a lower loss than exchanged ones.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch

from instructify_train.evaluate.model_check_samples import SAMPLES, drawn
from instructify_train.model import (
    InstructBlip,
    Limits,
    SampleTokens,
    Tokens,
    collate,
    pixel_mean_std,
)
from instructify_train.tiny import CLIP_MEAN, CLIP_STD, Loaded

_BICUBIC = 3
_NEAR = {torch.float32: 2e-4, torch.bfloat16: 5e-2, torch.float16: 2e-2}  # relative to a mean loss
_PUBLISHED = {("llama", 4096), ("llama", 5120), ("t5", 2048), ("t5", 4096)}
# Ids in LAVIS: end and padding; [CLS], [SEP] and vocabulary size of the Q-Former.
_IDS = {"llama": (2, 32_000), "t5": (1, 0)}
_QFORMER_IDS = ((101,), (102,), 30_523)


class Checked(NamedTuple):
    """A check: its name, whether it passed (None for information only), and its finding."""

    name: str
    passed: bool | None
    says: str


def check_model(loaded: Loaded) -> list[Checked]:
    """Check a model and its processor; the report says what is compared with published ids."""
    tokens = SampleTokens(loaded.processor, Limits())
    pictures = [drawn(sample) for sample in SAMPLES]
    with torch.no_grad():
        return [
            *_texts(loaded, tokens),
            _queries(loaded, tokens),
            *_pictures(loaded, pictures),
            *_weights(loaded),
            *_losses(loaded, tokens, pictures),
        ]


def _is_published(model: Any) -> bool:
    text = model.config.text_config
    width = getattr(text, "d_model", None) or text.hidden_size
    return (text.model_type, width) in _PUBLISHED


def _texts(loaded: Loaded, tokens: SampleTokens) -> Iterator[Checked]:
    """Check the special tokens that tokenizers add to a text."""
    model, processor = loaded
    kind = model.config.text_config.model_type
    tokenizer, frame = processor.tokenizer, tokens.frame
    names = [f"'{tokenizer.convert_ids_to_tokens(token)}' ({token})" for token in frame.prefix]
    if model.config.use_decoder_only_language_model:
        yield Checked(
            "prefix",
            frame.prefix == [tokens.end],
            f"a prompt begins with {' '.join(names) or 'no special token'}; LAVIS begins it with "
            f"the end token, '{tokenizer.eos_token}' ({tokens.end}), and answers get worse with "
            "another one",
        )
    else:
        yield Checked(
            "prefix",
            not frame.prefix and frame.suffix == [tokens.end],
            f"a prompt has {' '.join(names) or 'nothing'} in front and {frame.suffix} behind; T5 "
            f"reads nothing in front and its end token ({tokens.end}) behind",
        )
    padding = tokenizer.pad_token_id
    yield Checked(
        "padding",
        padding is not None and padding not in (tokens.end, tokenizer.unk_token_id),
        f"padding is id {padding}, the end token {tokens.end}, the unknown one "
        f"{tokenizer.unk_token_id}; padding has to be an id of its own",
    )
    qformer_frame = tokens.qformer_frame
    yield Checked(
        "Q-Former's text",
        len(qformer_frame.prefix) == 1 and len(qformer_frame.suffix) == 1,
        f"the Q-Former reads {qformer_frame.prefix} in front and {qformer_frame.suffix} behind a "
        "text; BERT has one token on each side",
    )
    if kind in _IDS and _is_published(model):
        rows = model.config.qformer_config.vocab_size
        ids = (
            (tokens.end, padding),
            (tuple(qformer_frame.prefix), tuple(qformer_frame.suffix), rows),
        )
        yield Checked(
            "published ids",
            ids == (_IDS[kind], _QFORMER_IDS),
            f"end and padding {ids[0]}, LAVIS has {_IDS[kind]}; the Q-Former's first, last and "
            f"number of words {ids[1]}, LAVIS has {_QFORMER_IDS}",
        )


def _queries(loaded: Loaded, tokens: SampleTokens) -> Checked:
    """Check that transformers' processor gives the same prompt ids as training."""
    model, processor = loaded
    text = SAMPLES[0].question
    number = model.config.num_query_tokens
    (made,) = tokens.encode([text], [None])
    wanted = [model.config.image_token_index] * number + made.instruction
    picture = np.zeros((8, 8, 3), np.uint8)
    given = processor(images=[picture], text=[text], return_tensors="np")
    ids = given["input_ids"][0].tolist()
    qformer_ids = given["qformer_input_ids"][0].tolist()
    rows = model.query_tokens.shape[1]
    return Checked(
        "queries",
        ids == wanted and qformer_ids == made.qformer and rows == number,
        f"{rows} queries in the weights and {number} in config.json; transformers' processor gives "
        f"{_sketch(ids, model.config.image_token_index)}, and training reads "
        f"{_sketch(wanted, model.config.image_token_index)}; for the Q-Former {qformer_ids} and "
        f"{made.qformer}",
    )


def _sketch(ids: list[int], image: int) -> str:
    """Format ids, with the picture tokens at the start as a count."""
    head = next((at for at, token in enumerate(ids) if token != image), len(ids))
    return f"{head} picture tokens and {ids[head:]}"


def _pictures(loaded: Loaded, pictures: list[np.ndarray]) -> Iterator[Checked]:
    """Check the preprocessing of pictures."""
    model, processor = loaded
    picture = processor.image_processor
    mean, std = pixel_mean_std(processor)
    near = np.allclose([mean, std], [CLIP_MEAN, CLIP_STD], atol=1e-6)
    yield Checked(
        "mean and deviation",
        bool(near),
        f"pictures have mean {_round(mean)} and deviation {_round(std)}; the tower was trained "
        f"with CLIP's, {_round(CLIP_MEAN)} and {_round(CLIP_STD)}",
    )
    side = model.config.vision_config.image_size
    size = (picture.size["height"], picture.size["width"])
    yield Checked(
        "size",
        size == (side, side) and int(picture.resample) == _BICUBIC and bool(picture.do_resize),
        f"pictures are resized to {size} with filter {int(picture.resample)}; the tower takes "
        f"({side}, {side}), and bicubic is filter {_BICUBIC}",
    )
    theirs = processor(images=pictures, text=["a"] * len(pictures), return_tensors="np")
    scaled = (_sized(pictures, side) / 255 - np.array(mean)) / np.array(std)
    given, ours = theirs["pixel_values"], scaled.transpose(0, 3, 1, 2)
    if given.shape != ours.shape:
        says = f"transformers' processor gives {list(given.shape)}, and training {list(ours.shape)}"
        yield Checked("pixels", False, says)
        return
    apart = float(np.abs(given - ours).max())
    yield Checked(
        "pixels",
        apart < 1e-3,
        f"pixels of transformers' processor and ours differ by at most {apart:.1e}",
    )


def _sized(pictures: list[np.ndarray], side: int) -> np.ndarray:
    from PIL import Image

    return np.stack(
        [
            np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))
            for picture in pictures
        ]
    ).astype(np.float64)


def _round(values: Any) -> list[float]:
    return [round(float(value), 4) for value in values]


def _weights(loaded: Loaded) -> Iterator[Checked]:
    """Check for weights that were not loaded, which are zero or random."""
    model = loaded.model
    broken = [
        name
        for name, parameter in model.named_parameters()
        if not bool(torch.isfinite(parameter).all())
    ]
    yield Checked(
        "numbers",
        not broken,
        f"{len(broken)} tensors hold values that are no numbers"
        + (f", the first is {broken[0]}" if broken else ""),
    )
    blank = [
        name
        for name, parameter in model.named_parameters()
        if parameter.dim() >= 2 and parameter.numel() > 1 and float(parameter.float().std()) < 1e-8
    ]
    yield Checked(
        "blank parts",
        not blank,
        f"{len(blank)} matrices are constant" + (f", the first is {blank[0]}" if blank else ""),
    )


def _losses(loaded: Loaded, tokens: SampleTokens, pictures: list[np.ndarray]) -> Iterator[Checked]:
    """Compare the loss of ten samples with that of transformers, and that of exchanged answers."""
    inner = InstructBlip(loaded.model)
    inner.set_pixels(*pixel_mean_std(loaded.processor))
    inner.eval()
    inner.precision = inner.model.qformer.dtype
    side = inner.model.config.vision_config.image_size
    pixels = torch.from_numpy(_sized(pictures, side).astype(np.uint8)).permute(0, 3, 1, 2)
    features = inner.encode(pixels)
    spread = float(features.float().std(dim=0).mean())
    yield Checked(
        "tower",
        spread > 1e-4,
        f"features of unlike pictures differ by {spread:.1e} on the average",
    )
    asked = [sample.question for sample in SAMPLES]
    answers = [sample.answer for sample in SAMPLES]
    made = tokens.encode(asked, answers)
    right = _mean_loss(inner, features, made)
    theirs = _their_loss(loaded, made, pixels)
    dtype = next(loaded.model.parameters()).dtype
    yield Checked(
        "forward pass",
        abs(right - theirs) <= _NEAR.get(dtype, 5e-2) * max(1.0, theirs),
        f"the loss of ten samples is {right:.4f}, that of transformers' own forward pass "
        f"{theirs:.4f}",
    )
    seen = inner.queries(features[:1], collate(made[:1], [[0]], inner.layout))
    other = inner.queries(features[:1], collate(made[1:2], [[0]], inner.layout))
    moved = float((seen.float() - other.float()).abs().mean())
    yield Checked(
        "instruction",
        moved > 1e-5,
        f"another instruction moves what the Q-Former says of a picture by {moved:.1e}",
    )
    exchanged = _mean_loss(inner, features, tokens.encode(asked, [*answers[5:], *answers[:5]]))
    rows = inner.model.language_model.get_output_embeddings().weight.shape[0]
    published = _is_published(loaded.model)
    yield Checked(
        "answers",
        (right < exchanged and right < math.log(rows)) if published else None,
        f"right answers cost {right:.2f} a token, exchanged ones {exchanged:.2f}; guessing costs "
        f"{math.log(rows):.2f}",
    )


def _mean_loss(inner: InstructBlip, features: torch.Tensor, made: list[Tokens]) -> float:
    micro = collate(made, [[at] for at in range(len(made))], inner.layout)
    return float(inner(features, micro).mean())


def _their_loss(loaded: Loaded, made: list[Tokens], pixels: torch.Tensor) -> float:
    """Compute the mean loss over labels with transformers' forward pass, sample by sample."""
    model, processor = loaded
    mean, std = (torch.tensor(values) for values in pixel_mean_std(processor))
    scaled = (pixels.float() / 255 - mean[:, None, None]) / std[:, None, None]
    image = [model.config.image_token_index] * model.config.num_query_tokens
    total, labels = 0.0, 0
    for number, sample in enumerate(made):
        prompt = [*image, *sample.instruction]
        decoder_only = model.config.use_decoder_only_language_model
        ids = [*prompt, *sample.response] if decoder_only else prompt
        given = [-100] * len(prompt) + sample.response if decoder_only else sample.response
        loss = model(
            pixel_values=scaled[number : number + 1].to(model.dtype),
            qformer_input_ids=torch.tensor([sample.qformer]),
            qformer_attention_mask=torch.ones(1, len(sample.qformer), dtype=torch.long),
            input_ids=torch.tensor([ids]),
            attention_mask=torch.ones(1, len(ids), dtype=torch.long),
            labels=torch.tensor([given]),
        ).loss
        total += float(loss) * len(sample.response)
        labels += len(sample.response)
    return total / labels
