"""Answer instructions about pictures with a trained model, as text or as prefixes for decoding.

As in the reference code at inference, the language model gets the whole instruction, and the
Q-Former its last 128 tokens.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from instructify.pictures import PictureStore
from instructify_train.config import DataConfig
from instructify_train.data import PixelReader, Pixels, read_file, without_augmentation
from instructify_train.decode import Decoding, generate_texts
from instructify_train.evaluate.trained import Trained
from instructify_train.model import (
    InstructBlip,
    Limits,
    SampleTokens,
    collate,
    pixel_mean_std,
    set_dropout,
)

QFORMER_TOKENS = 128


class Prefixes(NamedTuple):
    """Input embeddings of the language model before the answer [B, L, H], and a mask [B, L]."""

    embeds_BLH: torch.Tensor
    mask_BL: torch.Tensor


class Answerer:
    """A model on a device, in evaluation mode, that answers questions about pictures."""

    def __init__(
        self, model: InstructBlip, processor: Any, data: DataConfig, device: torch.device
    ) -> None:
        self.model = model
        self.tokenizer = processor.tokenizer
        self.tokens = SampleTokens(
            processor, Limits(qformer=QFORMER_TOKENS, instruction=None, response=None)
        )
        self.size: int = model.model.config.vision_config.image_size
        self.data = without_augmentation(data)
        self._device = device

    @property
    def language_model(self) -> Any:
        """The language model inside: a T5ForConditionalGeneration or LlamaForCausalLM."""
        return self.model.model.language_model

    def reader(self, store: PictureStore, num_frames: int | None = None) -> PixelReader:
        """Open the pictures of a build with the settings of the run; clips give `num_frames`."""
        data = replace(self.data, frames=num_frames or self.data.frames)
        return PixelReader(store=store, size=self.size, data=data, seed=0)

    def read_file(self, path: Path) -> Pixels:
        """Read a picture or clip with the settings of the run: [frames, size, size, 3]."""
        return read_file(path, self.data, self.size)

    def features(self, pixels: Pixels) -> torch.Tensor:
        """Encode pixels [pictures, size, size, 3] to features [pictures, patches, width]."""
        channels_first = torch.from_numpy(pixels).permute(0, 3, 1, 2)
        with torch.no_grad():
            return self.model.encode(channels_first.to(self._device))

    def prefixes(
        self,
        features_PVD: torch.Tensor,
        shown: Sequence[Sequence[int]],
        instructions: Sequence[str],
        qformer_instructions: Sequence[str | None] | None = None,
    ) -> Prefixes:
        """Make the prefixes of questions; `shown` are the numbers of each question's pictures."""
        tokens = self.tokens.encode(instructions, [None] * len(instructions), qformer_instructions)
        micro = collate(tokens, shown, self.model.layout).to(self._device)
        with torch.no_grad():
            embeds = self.model.prefix(features_PVD, micro)
        mask = micro.attention_mask_BL
        if mask is None:
            mask = torch.ones(embeds.shape[:2], dtype=torch.int64, device=self._device)
        return Prefixes(embeds, mask)

    def answers(
        self,
        features_PVD: torch.Tensor,
        shown: Sequence[Sequence[int]],
        instructions: Sequence[str],
        decoding: Decoding,
    ) -> list[str]:
        """Answer questions about encoded pictures; `shown` are the picture numbers of each."""
        prefixes = self.prefixes(features_PVD, shown, instructions)
        texts = generate_texts(
            self.language_model, self.tokenizer, prefixes.embeds_BLH, prefixes.mask_BL, decoding
        )
        return [text.strip() for text in texts]

    def answer(self, pixels: Pixels, instruction: str, decoding: Decoding) -> str:
        """Answer one question about a picture, or about the frames of a clip."""
        features = self.features(pixels)
        return self.answers(features, [range(len(pixels))], [instruction], decoding)[0]


def answerer_of(
    trained: Trained, device: torch.device, precision: torch.dtype = torch.float32
) -> Answerer:
    """Move a trained model to a device and cast it, for inference."""
    set_dropout(trained.model, trained.config)
    whole = trained.model.to(device=device, dtype=precision)
    model = InstructBlip(whole, instruction_aware=trained.config.instruction_aware)
    model.set_pixels(*pixel_mean_std(trained.processor))
    return Answerer(model.to(device).eval(), trained.processor, trained.data, device)
