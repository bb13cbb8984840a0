"""A trained model that answers: pictures and instructions in, prefixes or texts out.

Instructions are whole for the language model and cut at 128 tokens, from the left, for the
Q-Former, as in the reference code at inference.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from instructify.errors import UserError
from instructify.pictures.decode import DECODER_ERRORS, TooManyPixels, to_rgb
from instructify.video import ClipUnreadable, clip_format, frames
from train.collate import collate
from train.config import DataConfig
from train.decoding import Decoding, generate_texts
from train.loading import pixel_mean_std
from train.model import InstructBlip
from train.parts import set_dropout
from train.pixels import GRAY
from train.tokens import Limits, SampleTokens
from train.trained import Trained

QFORMER_TOKENS = 128


class Prefixes(NamedTuple):
    """What the language model reads before it answers: [B, L, H], and a mask of [B, L]."""

    embeds_BLH: torch.Tensor
    mask_BL: torch.Tensor


class Answerer:
    """A whole model on a device and in evaluation mode, for questions about pictures."""

    def __init__(
        self, model: InstructBlip, processor: Any, data: DataConfig, device: torch.device
    ) -> None:
        self.model = model
        self.tokenizer = processor.tokenizer
        self.tokens = SampleTokens(
            processor, Limits(qformer=QFORMER_TOKENS, instruction=None, response=None)
        )
        self.size: int = model.model.config.vision_config.image_size
        self.num_frames = data.frames
        self._is_blind = data.blind
        self._device = device

    @property
    def language_model(self) -> Any:
        """The language model inside: a T5ForConditionalGeneration or LlamaForCausalLM."""
        return self.model.model.language_model

    def features(self, pictures: Sequence[Image.Image]) -> torch.Tensor:
        """Encode pictures; gives [pictures, patches, width]."""
        sized = [
            np.asarray(one.resize((self.size, self.size), Image.Resampling.BICUBIC))
            for one in pictures
        ]
        pixels = torch.from_numpy(np.stack(sized)).permute(0, 3, 1, 2)
        if self._is_blind:
            pixels = torch.full_like(pixels, GRAY)
        with torch.no_grad():
            return self.model.encode(pixels.to(self._device))

    def prefixes(
        self,
        features_PVD: torch.Tensor,
        shown: Sequence[Sequence[int]],
        instructions: Sequence[str],
        qformer_instructions: Sequence[str | None] | None = None,
    ) -> Prefixes:
        """Make the prefixes of questions; `shown` are the pictures of each, by number."""
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
        """Answer questions about encoded pictures; `shown` are those of each, by number."""
        prefixes = self.prefixes(features_PVD, shown, instructions)
        texts = generate_texts(
            self.language_model, self.tokenizer, prefixes.embeds_BLH, prefixes.mask_BL, decoding
        )
        return [text.strip() for text in texts]

    def answer(self, pictures: Sequence[Image.Image], instruction: str, decoding: Decoding) -> str:
        """Answer one question about a picture, or about the frames of a clip."""
        features = self.features(pictures)
        return self.answers(features, [range(len(pictures))], [instruction], decoding)[0]


def answerer_of(
    trained: Trained, device: torch.device, precision: torch.dtype = torch.float32
) -> Answerer:
    """Bring a trained model to a device and a precision, to answer."""
    set_dropout(trained.model, trained.config)
    whole = trained.model.to(device=device, dtype=precision)
    model = InstructBlip(whole, instruction_aware=trained.config.instruction_aware)
    model.set_pixels(*pixel_mean_std(trained.processor))
    return Answerer(model.to(device).eval(), trained.processor, trained.data, device)


def open_media(path: Path, num_frames: int) -> list[Image.Image]:
    """Decode a picture, or frames of a clip, from a file."""
    try:
        data = path.read_bytes()
        if not data:
            raise UserError(f"{path} can't be read (it is empty); give a picture or a clip")
        if clip_format(data) is not None:
            return frames(data, num_frames).images
        return [to_rgb(data)]
    except OSError as error:
        reason = error.strerror or "it is no JPEG, PNG, GIF, WebP or BMP, and no clip"
        raise UserError(f"{path} can't be read ({reason}); give a picture or a clip") from error
    except (*DECODER_ERRORS, TooManyPixels, ClipUnreadable) as error:
        raise UserError(f"{path} can't be decoded ({error}); give a whole picture") from error
