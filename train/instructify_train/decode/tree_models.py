"""Forward passes over trie nodes for T5 and for Llama.

Llama: the prefix is evaluated once and its keys and values are kept. Nodes are then positions whose
attention mask covers the prefix and their ancestors, with position ids by depth. transformers
accepts such masks (4-D, additive) with SDPA and eager attention.

T5: the encoder is evaluated once, and each decoder layer projects its output to keys and values
once for all passes (the cross-attention half of EncoderDecoderCache). The distance between a node
and its ancestor is the difference of their depths, not of their positions in the pass. T5Stack
would use the positions, so its blocks are called directly: T5Block takes the position bias as an
argument. Mask and position bias are both additive and are passed as one sum, which SDPA and eager
attention treat alike.

Shapes: B rows, P prefix positions, W nodes, D width, H heads.
"""

from typing import Any, Protocol

import torch
from transformers import DynamicCache, EncoderDecoderCache

from instructify._util.errors import UserError
from instructify_train.decode.prefix import Prefix
from instructify_train.decode.tree_pass import Tree

_ATTENTION = ("sdpa", "eager")


class TreeModel(Protocol):
    """A language model with the evaluated prefixes of a batch; it scores trie nodes after them."""

    root_states: Any
    """The hidden states that predict the first token [B, 1, D], if the prefix already gives them;
    None if roots are positions that `states` has to evaluate."""

    def states(self, tree: Tree) -> Any:
        """Return the hidden states of nodes [B, W, D]; a tree of one row is used for all rows."""

    def logits(self, states: Any) -> Any:
        """Map hidden states [..., D] to logits [..., vocabulary]."""


def tree_model(language_model: Any, prefix: Prefix) -> TreeModel:
    """Evaluate the prefixes with a T5ForConditionalGeneration or a LlamaForCausalLM.

    Raises UserError if the attention implementation does not accept a tree mask, ValueError if the
    model is in training mode, in which dropout makes scores random.
    """
    used = language_model.config._attn_implementation
    if used not in _ATTENTION:
        raise UserError(
            f"ranking can't mask attention '{used}': load the language model with "
            f"attn_implementation {' or '.join(_ATTENTION)}"
        )
    if language_model.training:
        raise ValueError("ranking needs a model in evaluation mode: call eval()")
    if language_model.config.is_encoder_decoder:
        return _T5Trees(language_model, prefix)
    return _LlamaTrees(language_model, prefix)


def _additive(sees: Any, dtype: Any) -> Any:
    """Convert a boolean mask (True: attend) to numbers that are added to attention scores."""
    zeros = torch.zeros(sees.shape, dtype=dtype, device=sees.device)
    return zeros.masked_fill(~sees, torch.finfo(dtype).min)


class _LlamaTrees:
    def __init__(self, language_model: Any, prefix: Prefix) -> None:
        self._prefix = prefix
        self._decoder = language_model.get_decoder()
        self._head = language_model.get_output_embeddings()
        output = self._decoder(
            inputs_embeds=prefix.embeds,
            attention_mask=prefix.mask,
            position_ids=prefix.position_ids,
            use_cache=True,
        )
        self._cache = output.past_key_values
        self.root_states = output.last_hidden_state[:, -1:]

    def states(self, tree: Tree) -> Any:
        num_rows = len(self._prefix.mask)
        width = tree.tokens.shape[1]
        embeds = self._decoder.get_input_embeddings()(tree.tokens.expand(num_rows, -1))
        sees_prefix = self._prefix.mask.bool()[:, None, None, :].expand(-1, -1, width, -1)
        sees_nodes = tree.sees[:, None].expand(num_rows, -1, -1, -1)
        # Depth 1 comes right after the last position of the prefix, which is its length - 1.
        positions = self._prefix.lengths[:, None] - 1 + tree.depth
        output = self._decoder(
            inputs_embeds=embeds,
            attention_mask=_additive(torch.cat([sees_prefix, sees_nodes], -1), embeds.dtype),
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
        )
        self._cache.crop(-width)
        return output.last_hidden_state

    def logits(self, states: Any) -> Any:
        return self._head(states)


class _T5Trees:
    root_states = None

    def __init__(self, language_model: Any, prefix: Prefix) -> None:
        self._config = language_model.config
        self._decoder = language_model.get_decoder()
        self._head = language_model.get_output_embeddings()
        encoder = language_model.get_encoder()
        self._encoded = encoder(
            inputs_embeds=prefix.embeds, attention_mask=prefix.mask
        ).last_hidden_state
        self._cross = DynamicCache()
        self._cross_bias = _additive(prefix.mask.bool()[:, None, None, :], self._encoded.dtype)

    def states(self, tree: Tree) -> Any:
        num_rows = len(self._encoded)
        tokens = tree.tokens.masked_fill(tree.depth == 0, self._config.decoder_start_token_id)
        hidden = self._decoder.get_input_embeddings()(tokens.expand(num_rows, -1))
        bias = self._position_bias(tree.depth) + _additive(tree.sees[:, None], hidden.dtype)
        # Each pass gets a new self-attention cache; the cross-attention cache is already filled.
        cache = EncoderDecoderCache(DynamicCache(), self._cross)
        no_mask = torch.zeros((1, 1, 1, 1), dtype=hidden.dtype, device=hidden.device)
        for block in self._decoder.block:
            hidden = block(
                hidden,
                attention_mask=no_mask,
                position_bias=bias,
                encoder_hidden_states=self._encoded,
                encoder_decoder_position_bias=self._cross_bias,
                past_key_values=cache,
            )[0]
        return self._decoder.final_layer_norm(hidden)

    def logits(self, states: Any) -> Any:
        if getattr(self._config, "scale_decoder_outputs", self._config.tie_word_embeddings):
            states = states * self._config.d_model**-0.5
        return self._head(states)

    def _position_bias(self, depth: Any) -> Any:
        """Return T5's learned position bias for all pairs of depths [rows of the tree, H, W, W]."""
        attention = self._decoder.block[0].layer[0].SelfAttention
        num_depths = int(depth.max()) + 1
        of_depths = attention.compute_bias(num_depths, num_depths)[0]
        return of_depths[:, depth[:, :, None], depth[:, None, :]].transpose(0, 1)
