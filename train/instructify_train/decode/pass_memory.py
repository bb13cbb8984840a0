"""How many rows and trie nodes one forward pass takes within a memory budget, by estimate.

Counted are keys and values of all layers, the widest activations of one layer, attention scores and
logits; not the weights, not what an allocator wastes. Rows are kept together down to `_FEW_NODES`
nodes each, then fewer rows go at a time. One row with so many nodes is done whatever the budget.

More is not always faster: attention grows with the square of a row's nodes. On a CPU the best is
near 128 to 512 nodes a row (docs/benchmarks.md).
"""

from typing import Any, NamedTuple

import numpy as np

from instructify_train.decode.prefix import Prefix
from instructify_train.decode.trie import Trie

_FEW_NODES = 64
_MANY_NODES = 128  # of a row, beyond which only few rows go on
_MANY_POSITIONS = 512  # of all rows
_HEAD_SHARE = 4  # logits take at most this part of the budget
_LOGIT_BYTES = 12  # a logit in the model's precision, in fp32, and as an exponential


class PassSize(NamedTuple):
    """Rows of a pass, nodes a row (repeated ancestors apart), positions the head takes at once."""

    rows: int
    nodes: int
    head_positions: int


def pass_size(language_model: Any, prefix: Prefix, trie: Trie, memory_bytes: int) -> PassSize:
    """Choose the largest pass that fits."""
    config = language_model.config
    num_rows, num_prefix = prefix.mask.shape
    widest = int(np.diff(trie.roots).max())
    left = memory_bytes - memory_bytes // _HEAD_SHARE
    element_bytes = prefix.embeds.element_size()

    def fits(rows: int, nodes: int) -> bool:
        return rows * row_bytes(config, num_prefix, nodes + trie.max_depth, element_bytes) <= left

    rows = num_rows
    while rows > 1 and not fits(rows, min(widest, _FEW_NODES)):
        rows = -(-rows // 2)
    nodes = min(widest, max(_MANY_NODES, _MANY_POSITIONS // rows))
    while nodes > _FEW_NODES and not fits(rows, nodes):
        nodes = max(_FEW_NODES, -(-nodes // 2))
    head = memory_bytes // _HEAD_SHARE // (config.vocab_size * _LOGIT_BYTES)
    return PassSize(rows, nodes, max(1, head))


def row_bytes(config: Any, num_prefix: int, num_nodes: int, element_bytes: int) -> int:
    """Estimate what one row takes: its prefix, and nodes after it."""
    if config.is_encoder_decoder:
        width = config.num_heads * config.d_kv
        kept = 2 * config.num_decoder_layers * width * (num_prefix + num_nodes)
        heads, inner, outer = config.num_heads, config.d_ff, config.d_model
    else:
        head_dim = getattr(config, "head_dim", None) or (
            config.hidden_size // config.num_attention_heads
        )
        width = config.num_key_value_heads * head_dim
        kept = 2 * config.num_hidden_layers * width * (num_prefix + num_nodes)
        heads, inner, outer = (
            config.num_attention_heads,
            config.intermediate_size,
            config.hidden_size,
        )
    positions = max(num_prefix, num_nodes)
    activations = positions * (6 * outer + 3 * inner)
    scores = 2 * heads * positions * (num_prefix + num_nodes)
    return int(element_bytes * (kept + activations + scores))
