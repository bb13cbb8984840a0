"""Restrict decoding to candidates: a logits processor that follows all beams through a trie.

Beams are reordered between steps, so no state is kept: each step follows the generated tokens from
the root again, one column for all rows at a time. There is no Python loop over beams or candidates.
A row that has left the trie, or has ended, may only get the end token or padding.

Shapes: R = batch x beams rows, L tokens so far, V vocabulary, E allowed (row, token) pairs.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from transformers import LogitsProcessor

from instructify_train.decode.trie import Trie


class _Walk(NamedTuple):
    """A trie as tensors; node `num_nodes` means "not in the trie" and has no children."""

    edges: Any  # parent * stride + token of `children`, ascending
    child: Any  # the node an edge leads to
    token: Any  # and its token
    first: Any  # [nodes + 2] where the edges of a node begin
    stride: int

    @classmethod
    def of(cls, trie: Trie, device: Any) -> "_Walk":
        stride = int(trie.token.max()) + 2
        tokens = trie.token[trie.children]
        edges = trie.parent[trie.children] * stride + tokens
        first = torch.as_tensor(trie.first_child, device=device)
        return cls(
            edges=torch.as_tensor(edges, device=device),
            child=torch.as_tensor(trie.children, device=device),
            token=torch.as_tensor(tokens, device=device),
            first=torch.cat([first, first[-1:]]),
            stride=stride,
        )

    def step(self, node: Any, token: Any) -> Any:
        """Return the child of each node for its token, or `num_nodes` if there is no such child."""
        key = node * self.stride + token.clamp(max=self.stride - 1)
        place = torch.searchsorted(self.edges, key).clamp(max=len(self.edges) - 1)
        off = torch.full_like(node, len(self.first) - 2)
        return torch.where(self.edges[place] == key, self.child[place], off)


class TrieLogitsProcessor(LogitsProcessor):  # type: ignore[misc]
    """Set the scores of all tokens that continue no candidate to minus infinity.

    The trie is built with the end token after every candidate. `start` is the index of the first
    generated token in the ids that `generate` passes: 1 for T5 (after the decoder's start token),
    0 for Llama with `inputs_embeds` alone, the width of the prompt if `input_ids` are given too.
    If the trie has several candidate sets, `sets` gives the set of each row of the batch (not of
    each beam).
    """

    def __init__(
        self,
        trie: Trie,
        *,
        start: int,
        num_beams: int,
        after_end: Sequence[int],
        sets: Sequence[int] | None = None,
        device: Any = "cpu",
    ) -> None:
        """Move the trie to the device of the ids; `after_end` are the end and padding tokens."""
        self._walk = _Walk.of(trie, device)
        self._max_token = max(int(trie.token.max()), *after_end)
        self._start = start
        self._num_beams = num_beams
        self._after_end = torch.tensor(sorted(set(after_end)), device=device)
        self._trie = trie
        self._sets = sets
        self._device = device

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Return scores [R, V] with all but the allowed tokens at minus infinity."""
        if scores.shape[1] <= self._max_token:
            raise ValueError(f"token {self._max_token} is outside the {scores.shape[1]} scores")
        row, token = self._allowed(input_ids)
        place = row * scores.shape[1] + token
        values = scores.reshape(-1)[place]
        open_rows = self._open_rows(row, values, len(input_ids))
        values = torch.where(open_rows[row], values, torch.zeros_like(values))
        masked = torch.full_like(scores, -torch.inf)
        masked.view(-1).scatter_(0, place, values)
        return masked

    def _allowed(self, input_ids: Any) -> tuple[Any, Any]:
        """Return the allowed tokens of all rows as pairs [E]."""
        node = self._nodes(input_ids)
        first = self._walk.first[node]
        count = self._walk.first[node + 1] - first
        ended = torch.nonzero(count == 0).flatten()
        row = torch.arange(len(node), device=node.device).repeat_interleave(count)
        within = torch.arange(len(row), device=node.device) - (count.cumsum(0) - count)[row]
        token = self._walk.token[first[row] + within]
        rows = torch.cat([row, ended.repeat_interleave(len(self._after_end))])
        return rows, torch.cat([token, self._after_end.repeat(len(ended))])

    def _nodes(self, input_ids: Any) -> Any:
        """Return the nodes reached from each row's root by the generated tokens [R]."""
        numbers = self._trie.sets_of_rows(self._sets, len(input_ids) // self._num_beams)
        roots = torch.as_tensor(self._trie.roots[numbers], device=self._device)
        node = roots.repeat_interleave(self._num_beams)
        for token in input_ids[:, self._start :].unbind(1):
            node = self._walk.step(node, token)
        return node

    def _open_rows(self, row: Any, values: Any, num_rows: int) -> Any:
        """Mark the rows of samples with at least one allowed token above minus infinity [R].

        If another processor has set all allowed tokens of all beams of a sample to minus infinity,
        the trie has precedence: they get 0, as with transformers' `prefix_allowed_tokens_fn`.
        """
        best = torch.full((num_rows,), -torch.inf, dtype=values.dtype, device=values.device)
        best = best.scatter_reduce(0, row, values, "amax")
        is_open = ~best.isneginf().view(-1, self._num_beams).all(1)
        return is_open.repeat_interleave(self._num_beams)
