"""Collate token ids into the padded arrays of one forward pass, in InstructBLIP's layout.

A sequence starts with `queries x frames` positions for the query tokens, whatever the text holds.
The instruction follows and then, for a decoder-only model, the response. For an encoder-decoder the
response is in the decoder. Padding is on the right, since left padding would shift Llama's
positions; generation aligns prefixes itself. Only responses and their end tokens have labels.

Shapes: B samples, F frames of them all, K queries, Q / L / D tokens of the Q-Former, of the
language model and of its decoder, N labels.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
import torch

from instructify_train.model.tokens import Tokens
from instructify_train.model.transfer import to_device


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """The layout of sequences of a model; `decoder_start` is None for a decoder-only model."""

    num_queries: int
    pad: int
    qformer_pad: int
    decoder_start: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Micro:
    """The arrays of one forward pass; a mask is None if there is no padding.

    For each frame, `frame_feature_F` is the number of its picture in the step, `frame_sample_F`
    its sample, and `slots_FK` the places of its query tokens in the flattened [B, L].
    `label_positions_N` are the places that predict labels in the flattened [B, L], or in [B, D] of
    a decoder.
    """

    qformer_ids_BQ: torch.Tensor
    qformer_mask_BQ: torch.Tensor | None
    frame_sample_F: torch.Tensor
    frame_feature_F: torch.Tensor
    input_ids_BL: torch.Tensor
    attention_mask_BL: torch.Tensor | None
    slots_FK: torch.Tensor
    decoder_ids_BD: torch.Tensor | None
    label_positions_N: torch.Tensor
    label_ids_N: torch.Tensor
    label_sample_N: torch.Tensor

    def to(self, device: torch.device) -> Self:
        """Move all arrays to a device."""
        moved = {
            field.name: to_device(value, device)
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), torch.Tensor)
        }
        return replace(self, **moved)

    def showing(self, frame_feature_F: torch.Tensor) -> Self:
        """Return the same arrays with other numbers of pictures."""
        return replace(self, frame_feature_F=frame_feature_F)


def rows_of(micro: Micro, start: int, stop: int) -> Micro:
    """Return samples start to stop - 1 of a pass, with the padding of the pass."""
    rows = slice(start, stop)
    frames = (micro.frame_sample_F >= start) & (micro.frame_sample_F < stop)
    labels = (micro.label_sample_N >= start) & (micro.label_sample_N < stop)
    per_frame = len(micro.slots_FK) // len(micro.frame_sample_F)
    width = micro.input_ids_BL.shape[1]
    decoder = micro.decoder_ids_BD
    label_width = width if decoder is None else decoder.shape[1]
    masks = (micro.qformer_mask_BQ, micro.attention_mask_BL)
    qformer_mask, mask = (None if array is None else array[rows] for array in masks)
    return Micro(
        qformer_ids_BQ=micro.qformer_ids_BQ[rows],
        qformer_mask_BQ=qformer_mask,
        frame_sample_F=micro.frame_sample_F[frames] - start,
        frame_feature_F=micro.frame_feature_F[frames],
        input_ids_BL=micro.input_ids_BL[rows],
        attention_mask_BL=mask,
        slots_FK=micro.slots_FK[frames.repeat_interleave(per_frame)] - start * width,
        decoder_ids_BD=None if decoder is None else decoder[rows],
        label_positions_N=micro.label_positions_N[labels] - start * label_width,
        label_ids_N=micro.label_ids_N[labels],
        label_sample_N=micro.label_sample_N[labels] - start,
    )


def positions_of(sample: Tokens, num_frames: int, layout: Layout) -> tuple[int, int]:
    """Count the positions of a sample in the language model, and in its decoder (0 without one)."""
    head = layout.num_queries * num_frames + len(sample.instruction)
    if layout.decoder_start is None:
        return head + len(sample.response), 0
    return head, len(sample.response)


def length_of(sample: Tokens, num_frames: int, layout: Layout) -> int:
    """Count the positions of a sample in the language model, encoder and decoder together."""
    return sum(positions_of(sample, num_frames, layout))


def collate(
    samples: Sequence[Tokens],
    features: Sequence[Sequence[int]],
    layout: Layout,
) -> Micro:
    """Collate samples; `features` are the numbers of each sample's frames, at least one."""
    frames = [len(feature) for feature in features]
    assert min(frames) > 0, "a sample without a picture has no place for the queries"
    heads = [layout.num_queries * num for num in frames]
    decoder_only = layout.decoder_start is None
    texts = [sample.instruction + (sample.response if decoder_only else []) for sample in samples]
    width = max(head + len(text) for head, text in zip(heads, texts, strict=True))
    ids = np.full((len(samples), width), layout.pad, np.int64)
    mask = np.zeros((len(samples), width), np.int64)
    slots = []
    for row, (head, text) in enumerate(zip(heads, texts, strict=True)):
        ids[row, head : head + len(text)] = text
        mask[row, : head + len(text)] = 1
        slots.append(np.arange(head) + row * width)
    starts = [
        head + len(sample.instruction) - 1 for head, sample in zip(heads, samples, strict=True)
    ]
    decoder = None if decoder_only else _decoder_ids(samples, layout)
    label_width = width if decoder is None else decoder.shape[1]
    firsts = starts if decoder is None else [0] * len(samples)
    qformer_ids, qformer_mask = _padded([tokens.qformer for tokens in samples], layout.qformer_pad)
    return Micro(
        qformer_ids_BQ=torch.from_numpy(qformer_ids),
        qformer_mask_BQ=_mask(qformer_mask),
        frame_sample_F=torch.from_numpy(np.repeat(np.arange(len(samples)), frames)),
        frame_feature_F=_numbers(number for feature in features for number in feature),
        input_ids_BL=torch.from_numpy(ids),
        attention_mask_BL=_mask(mask),
        slots_FK=torch.from_numpy(np.concatenate(slots)),
        decoder_ids_BD=None if decoder is None else torch.from_numpy(decoder),
        label_positions_N=_numbers(
            row * label_width + first + step
            for row, (first, sample) in enumerate(zip(firsts, samples, strict=True))
            for step in range(len(sample.response))
        ),
        label_ids_N=_numbers(token for sample in samples for token in sample.response),
        label_sample_N=torch.from_numpy(
            np.repeat(np.arange(len(samples)), [len(tokens.response) for tokens in samples])
        ),
    )


def _decoder_ids(samples: Sequence[Tokens], layout: Layout) -> np.ndarray:
    """Shift responses to the right and put the start token of the decoder in front."""
    assert layout.decoder_start is not None
    rows = [[layout.decoder_start, *sample.response[:-1]] for sample in samples]
    return _padded(rows, layout.pad)[0]


def _padded(rows: Sequence[Sequence[int]], pad: int) -> tuple[np.ndarray, np.ndarray]:
    width = max(map(len, rows))
    ids = np.full((len(rows), width), pad, np.int64)
    mask = np.zeros((len(rows), width), np.int64)
    for at, row in enumerate(rows):
        ids[at, : len(row)] = row
        mask[at, : len(row)] = 1
    return ids, mask


def _mask(mask: np.ndarray) -> torch.Tensor | None:
    return None if mask.all() else torch.from_numpy(mask)


def _numbers(values: Iterable[int]) -> torch.Tensor:
    return torch.tensor([*values], dtype=torch.int64)
