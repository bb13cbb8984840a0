"""Estimate how many rows and trie nodes fit into one forward pass within a memory budget.

The estimate counts the keys and values of all layers, the largest activations of one layer, the
attention scores and the logits. It does not count the weights or the memory that an allocator
wastes. To fit the budget, a pass first takes fewer nodes of each row, down to `_FEW_NODES`, and
then fewer rows. One row with `_FEW_NODES` nodes is always allowed.

Larger passes are not always faster: attention grows with the square of a row's nodes. On a CPU
128 to 512 nodes a row are fastest (docs/benchmarks.md).
"""

from typing import Any, NamedTuple

import numpy as np

from instructify_train.decode.prefix import Prefix
from instructify_train.decode.trie import Trie

_FEW_NODES = 64
_MANY_NODES = 128  # nodes of a row; below this, fewer rows
_MANY_POSITIONS = 512  # of all rows
_HEAD_SHARE = 4  # logits take at most this part of the budget
_LOGIT_BYTES = 12  # a logit in the model's precision, in fp32, and as an exponential


class PassSize(NamedTuple):
    """Rows of a pass, nodes of a row without repeated ancestors, and positions of one head call."""

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
