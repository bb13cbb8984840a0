"""The other side of `train_step.py`: plain transformers, its Trainer, and the same samples."""

import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.utils import logging

from instructify_train.config import ModelConfig
from instructify_train.data.pixels import PixelReader
from instructify_train.data.stream import Sample
from instructify_train.model.collation import Layout
from instructify_train.model.parts import choose_trained
from instructify_train.model.tokens import SampleTokens
from instructify_train.tiny.presets import CLIP_MEAN, CLIP_STD, build_preset

Plain = dict[str, Any]


class PlainData(Dataset[Plain]):
    """Samples as transformers' model takes them: picture tokens first, prompt masked."""

    def __init__(
        self,
        samples: Sequence[Sample],
        tokens: SampleTokens,
        pixels: PixelReader,
        layout: Layout,
        image_token: int,
    ) -> None:
        self._samples = list(samples)
        self._pixels = pixels
        self._tokens = tokens.encode(
            [one.instruction for one in samples],
            [one.response for one in samples],
            [one.qformer_instruction for one in samples],
        )
        self._image = [image_token] * layout.num_queries

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, number: int) -> Plain:
        tokens = self._tokens[number]
        pixels = self._pixels.read(self._samples[number].pictures[0], "")[0]
        scaled = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
        mean, std = torch.tensor(CLIP_MEAN)[:, None, None], torch.tensor(CLIP_STD)[:, None, None]
        ids = [*self._image, *tokens.instruction, *tokens.response]
        return {
            "pixel_values": (scaled - mean) / std,
            "input_ids": ids,
            "length": len(ids),
            "labels": [-100] * (len(ids) - len(tokens.response)) + tokens.response,
            "qformer_input_ids": tokens.qformer,
        }


def plain_collator(pad: int) -> Callable[[Sequence[Plain]], dict[str, torch.Tensor]]:
    """Pad to the longest of a batch, on the right."""

    def collate(rows: Sequence[Plain]) -> dict[str, torch.Tensor]:
        return {
            "pixel_values": torch.stack([row["pixel_values"] for row in rows]),
            "input_ids": padded([row["input_ids"] for row in rows], pad),
            "attention_mask": padded([[1] * len(row["input_ids"]) for row in rows], 0),
            "labels": padded([row["labels"] for row in rows], -100),
            "qformer_input_ids": padded([row["qformer_input_ids"] for row in rows], 0),
            "qformer_attention_mask": padded(
                [[1] * len(row["qformer_input_ids"]) for row in rows], 0
            ),
        }

    return collate


def padded(rows: Sequence[Sequence[int]], value: int) -> torch.Tensor:
    """Stack rows of unlike lengths."""
    width = max(map(len, rows))
    return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows])


class _Stopwatch(TrainerCallback):  # type: ignore[misc]
    """Times from the first step's begin to the last one's end."""

    def __init__(self) -> None:
        self.start = 0.0
        self.wall_s = 0.0

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.start = time.perf_counter()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self.wall_s = time.perf_counter() - self.start


def run_peer(
    data: Dataset[Plain],
    order: str,
    precision: str,
    *,
    batch: int,
    steps: int,
    workers: int,
    model: Any = None,
    accumulation: int = 1,
    on_gpu: bool = False,
) -> float:
    """Train with the Trainer; returns the seconds of all steps.

    Without `model` it is a new one of the preset `scaled`.
    """
    logging.set_verbosity_error()
    if model is None:
        model = build_preset("scaled").model
        choose_trained(model, ModelConfig())
    watch = _Stopwatch()
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=batch,
            max_steps=steps,
            learning_rate=1e-5,
            weight_decay=0.05,
            bf16=precision == "bf16",
            use_cpu=not on_gpu,
            gradient_accumulation_steps=accumulation,
            train_sampling_strategy=order,
            length_column_name="length",
            dataloader_num_workers=workers,
            remove_unused_columns=False,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
            max_grad_norm=0.0,
        )
        trainer = Trainer(
            model=model,
            args=arguments,
            train_dataset=data,
            data_collator=plain_collator(model.config.text_config.pad_token_id),
            callbacks=[watch],
        )
        trainer.train()
    return watch.wall_s
