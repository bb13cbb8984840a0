"""The forward pass of InstructBLIP for training, with the modules of transformers' model.

Results equal those of `InstructBlipForConditionalGeneration.forward`, at lower cost: the frozen
tower runs without a graph and once for each distinct picture, its features are kept as they are
before the trained layer norm, and logits are computed only at positions with labels.

Shapes: P distinct pictures of V patches, F frames, B samples, K queries, H width of the language
model, N labels; the rest as in `collate`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from instructify_train.model.collation import Layout, Micro


def layout_of(config: Any) -> Layout:
    """Return the layout of sequences for a model configuration."""
    text = config.text_config
    pad = text.pad_token_id if text.pad_token_id is not None else text.eos_token_id
    start = None
    if not config.use_decoder_only_language_model:
        given = getattr(text, "decoder_start_token_id", None)
        start = pad if given is None else given  # T5's decoders start with padding
    return Layout(
        num_queries=config.num_query_tokens,
        pad=pad,
        qformer_pad=config.qformer_config.pad_token_id or 0,
        decoder_start=start,
    )


class InstructBlip(nn.Module):
    """Wraps the transformers model in `model` with the settings of its forward pass."""

    pixel_statistics: torch.Tensor  # [2, 3]: mean and standard deviation of each channel

    def __init__(
        self, model: Any, *, instruction_aware: bool = True, tower_is_frozen: bool = True
    ) -> None:
        super().__init__()
        self.model = model
        self.instruction_aware = instruction_aware
        self.tower_is_frozen = tower_is_frozen
        statistics = torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
        self.register_buffer("pixel_statistics", statistics, persistent=False)
        self.precision = torch.float32

    @property
    def layout(self) -> Layout:
        """The layout of sequences for this model."""
        return layout_of(self.model.config)

    def set_pixels(self, mean: list[float], std: list[float]) -> None:
        """Set the mean and standard deviation of each channel, for values from 0 to 1."""
        self.pixel_statistics.copy_(torch.tensor([mean, std]))

    def encode(self, pixels_P3HW: torch.Tensor) -> torch.Tensor:
        """Run the tower on 8-bit pictures; returns [P, V, width], before the layer norm."""
        mean, std = self.pixel_statistics[0], self.pixel_statistics[1]
        scaled = pixels_P3HW.to(mean.dtype) / 255
        pixels_P3HW = (scaled - mean[:, None, None]) / std[:, None, None]
        vision = self.model.vision_model
        learns = torch.is_grad_enabled() and not self.tower_is_frozen
        with torch.set_grad_enabled(learns), self._autocast(trained=not self.tower_is_frozen):
            hidden = vision.embeddings(pixels_P3HW.to(_dtype_of(vision.embeddings)))
            encoded: torch.Tensor = vision.encoder(inputs_embeds=hidden).last_hidden_state
        return encoded

    def queries(self, features_PVD: torch.Tensor, micro: Micro) -> torch.Tensor:
        """Run the Q-Former on each frame with its instruction; returns queries [F, K, H]."""
        with self._autocast(trained=True):
            norm = self.model.vision_model.post_layernorm
            seen_PVD = norm(features_PVD.to(norm.weight.dtype))
            seen_FVD = seen_PVD.index_select(0, micro.frame_feature_F)
            query_FKD = self.model.query_tokens.expand(len(seen_FVD), -1, -1)
            hidden = self.model.qformer(
                query_embeds=query_FKD,
                encoder_hidden_states=seen_FVD,
                **self._qformer_text(micro, query_FKD),
            ).last_hidden_state
            projected: torch.Tensor = self.model.language_projection(
                hidden[:, : query_FKD.shape[1]]
            )
        return projected

    def embed(self, query_FKH: torch.Tensor, micro: Micro) -> torch.Tensor:
        """Embed the text and insert the queries at their slots; returns [B, L, H]."""
        embedding = self.model.language_model.get_input_embeddings()
        embeds_BLH: torch.Tensor = embedding(micro.input_ids_BL)
        width = embeds_BLH.shape[-1]
        flat = embeds_BLH.reshape(-1, width)
        values = query_FKH.reshape(-1, width).to(flat.dtype)
        return flat.index_copy(0, micro.slots_FK, values).view_as(embeds_BLH)

    def prefix(self, features_PVD: torch.Tensor, micro: Micro) -> torch.Tensor:
        """Compute the language model's input embeddings before the answer; returns [B, L, H]."""
        return self.embed(self.queries(features_PVD, micro), micro)

    def forward(self, features_PVD: torch.Tensor, micro: Micro) -> torch.Tensor:
        """Compute the loss of each label [N], in nats and fp32."""
        embeds_BLH = self.prefix(features_PVD, micro)
        with self._autocast(trained=self._language_is_trained()):
            hidden = self._language(embeds_BLH, micro)
            chosen_NH = hidden.reshape(-1, hidden.shape[-1]).index_select(
                0, micro.label_positions_N
            )
            logits_NV = self.model.language_model.get_output_embeddings()(chosen_NH)
        return functional.cross_entropy(logits_NV.float(), micro.label_ids_N, reduction="none")

    def _language(self, embeds_BLH: torch.Tensor, micro: Micro) -> torch.Tensor:
        language = self.model.language_model
        if micro.decoder_ids_BD is None:
            # Padding comes after all tokens, so a causal model never attends to it, and without a
            # mask the fastest kernel is used. (On the meta device transformers would look for
            # packed sequences in positions without values; a mask prevents that.)
            given = micro.attention_mask_BL if embeds_BLH.is_meta else None
            run = language.get_decoder()(
                inputs_embeds=embeds_BLH, attention_mask=given, use_cache=False
            )
            hidden: torch.Tensor = run.last_hidden_state
            return hidden
        mask = micro.attention_mask_BL
        encoded = language.get_encoder()(inputs_embeds=embeds_BLH, attention_mask=mask)
        run = language.get_decoder()(
            input_ids=micro.decoder_ids_BD,
            encoder_hidden_states=encoded.last_hidden_state,
            encoder_attention_mask=mask,
            use_cache=False,
        )
        hidden = run.last_hidden_state
        config = language.config
        if getattr(config, "scale_decoder_outputs", config.tie_word_embeddings):
            hidden = hidden * config.d_model**-0.5
        return hidden

    def _qformer_text(self, micro: Micro, query_FKD: torch.Tensor) -> dict[str, Any]:
        """Return the text input of the Q-Former: the instruction, or none (BLIP-2)."""
        if not self.instruction_aware:
            return {"input_ids": None}
        ids_FQ = micro.qformer_ids_BQ.index_select(0, micro.frame_sample_F)
        if micro.qformer_mask_BQ is None:
            return {"input_ids": ids_FQ}
        mask_FQ = micro.qformer_mask_BQ.index_select(0, micro.frame_sample_F)
        seen = mask_FQ.new_ones(query_FKD.shape[:2])
        return {"input_ids": ids_FQ, "attention_mask": torch.cat([seen, mask_FQ], dim=1)}

    def _language_is_trained(self) -> bool:
        return any(parameter.requires_grad for parameter in self.model.language_model.parameters())

    @contextmanager
    def _autocast(self, *, trained: bool) -> Iterator[None]:
        """Autocast trained fp32 weights to `precision`; frozen weights already have it."""
        device = self.pixel_statistics.device.type
        if device == "meta":  # has shapes only, and no autocast
            yield
            return
        wanted = trained and self.precision != torch.float32
        with torch.autocast(device, dtype=self.precision, enabled=wanted):
            yield


def _dtype_of(module: nn.Module) -> torch.dtype:
    return next(module.parameters()).dtype
