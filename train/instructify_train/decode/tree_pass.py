"""Split trie nodes into forward passes, and read log-probabilities from their hidden states.

The nodes of a set that need evaluation (in preorder) are split into pieces of at most `width`. A
piece starts with the ancestors of its first node, so that it depends on no other piece. Of each
node the log-probabilities of its children and of the end token are read once; repeated ancestors
are not read again.

Shapes: B rows, W nodes of a pass (padded with -1), D width of the model, M positions that are read,
E edges to their children. Node numbers are those of the trie.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from instructify_train.decode.trie import Bools, Ints, Trie

Floats = NDArray[np.float64]

PADDING = -1


class TreePass(NamedTuple):
    """The nodes of one forward pass: `nodes` [B, W], and which of them are read [B, W].

    B is 1 if all rows have the same candidates.
    """

    nodes: Ints
    is_read: Bools


class Tree(NamedTuple):
    """Tokens, depths and attention mask of the nodes of a pass, on the model's device."""

    tokens: Any  # [B, W], 0 for padding and roots
    depth: Any  # [B, W], 0 for padding and roots
    sees: Any  # [B, W, W], bool: the second is the first or an ancestor of it


def tree_passes(
    trie: Trie, sets: Sequence[int], *, width: int, with_root: bool, leaves: bool
) -> Iterator[TreePass]:
    """Split the nodes of each row's set into passes of about `width` nodes a row.

    `with_root`: roots are positions that are evaluated (a decoder's start token). `leaves`: nodes
    without children are evaluated too, for the log-probability of the end token.
    """
    names = list(dict.fromkeys(sets))
    pieces = {name: _pieces(trie, name, width, with_root, leaves) for name in names}
    rows = names if len(names) == 1 else sets
    for number in range(max(len(set_pieces) for set_pieces in pieces.values())):
        of_rows = [pieces[name][number : number + 1] for name in rows]
        widest = max(len(piece.nodes[0]) for row_pieces in of_rows for piece in row_pieces)
        nodes = np.full((len(rows), widest), PADDING, np.int64)
        is_read = np.zeros((len(rows), widest), np.bool_)
        for row, row_pieces in enumerate(of_rows):
            for piece in row_pieces:
                nodes[row, : piece.nodes.shape[1]] = piece.nodes
                is_read[row, : piece.nodes.shape[1]] = piece.is_read
        yield TreePass(nodes, is_read)


def _pieces(trie: Trie, number: int, width: int, with_root: bool, leaves: bool) -> list[TreePass]:
    nodes = np.arange(trie.roots[number], trie.roots[number + 1])
    if not leaves:
        nodes = nodes[trie.first_child[nodes + 1] > trie.first_child[nodes]]
    if not with_root:
        nodes = nodes[trie.depth[nodes] > 0]
    passes = []
    for start in range(0, len(nodes), width):
        fresh = nodes[start : start + width]
        above = trie.path(int(fresh[0]))[0 if with_root else 1 : -1]
        of_piece = np.concatenate([np.array(above, np.int64), fresh])
        is_read = np.arange(len(of_piece)) >= len(above)
        passes.append(TreePass(of_piece[None], is_read[None]))
    return passes


def as_tree(trie: Trie, nodes: Ints, device: Any) -> Tree:
    """Make the tensors of a pass; padding attends only to itself."""
    is_padding = nodes == PADDING
    number = torch.as_tensor(nodes, device=device)
    end = torch.as_tensor(np.where(is_padding, PADDING, trie.subtree_end[nodes]), device=device)
    # A node lies in the range of numbers of each ancestor's subtree; the range of padding is empty.
    sees = (number[:, None, :] <= number[:, :, None]) & (number[:, :, None] < end[:, None, :])
    sees |= torch.eye(nodes.shape[1], dtype=torch.bool, device=device)
    token = np.where(is_padding, 0, np.maximum(trie.token[nodes], 0))
    return Tree(
        tokens=torch.as_tensor(token, device=device),
        depth=torch.as_tensor(np.where(is_padding, 0, trie.depth[nodes]), device=device),
        sees=sees,
    )


class NodeScores:
    """Log-probabilities of the nodes of each row's set, filled pass by pass.

    `edge` [rows, nodes of the widest set]: of a node's token after its parent; `end`: of the end
    token after the node. Nodes count from the root of the row's set.
    """

    def __init__(self, trie: Trie, sets: Sequence[int], *, end_token: int | None) -> None:
        """Allocate the scores; `end` stays 0 if `end_token` is None."""
        self._trie = trie
        self._sets = np.asarray(sets)
        self._first = trie.roots[self._sets]
        self._end_token = end_token
        widest = int((trie.roots[self._sets + 1] - self._first).max())
        self.edge = np.zeros((len(sets), widest))
        self.end = np.zeros((len(sets), widest))

    def read(self, tree_pass: TreePass, hidden: Any, head: Callable[[Any], Any], step: int) -> None:
        """Compute the scores of the nodes read in this pass from its hidden states [rows, W, D].

        `head` maps [positions, D] to logits; it is applied to `step` positions at a time.
        """
        num_rows = len(self.edge)
        nodes = np.broadcast_to(tree_pass.nodes, (num_rows, tree_pass.nodes.shape[1]))
        row, column = np.nonzero(np.broadcast_to(tree_pass.is_read, nodes.shape))
        node = nodes[row, column]
        device = hidden.device
        states = hidden[torch.as_tensor(row, device=device), torch.as_tensor(column, device=device)]
        position, child = _edges(self._trie, node)
        log_probs, ends = _log_probs(
            states, head, step, position, self._trie.token[child], self._end_token
        )
        self.edge[row[position], child - self._first[row[position]]] = log_probs
        if self._end_token is not None:
            self.end[row, node - self._first[row]] = ends

    @property
    def are_finite(self) -> bool:
        """Whether all scores that were read are finite."""
        return bool(np.isfinite(self.edge).all() and np.isfinite(self.end).all())

    def of_candidates(self) -> tuple[Floats, Floats]:
        """Return the sum over the tokens of each candidate, and the score of its end token.

        Both are [rows, candidates of the largest set], smaller sets padded with minus infinity.
        """
        most = int(np.diff(self._trie.first_candidate)[self._sets].max())
        tokens = np.full((len(self._sets), most), -np.inf)
        ends = np.full((len(self._sets), most), -np.inf)
        for number in np.unique(self._sets):
            rows = np.flatnonzero(self._sets == number)
            at = self._trie.candidate_ends(number) - self._trie.roots[number]
            tokens[rows, : len(at)] = self._sums(rows, number)[:, at]
            ends[rows, : len(at)] = self.end[rows][:, at]
        return tokens, ends

    def _sums(self, rows: Ints, number: int) -> Floats:
        """Add log-probabilities down from the root of a set [rows, nodes]."""
        first = self._trie.roots[number]
        depth = self._trie.depth[first : self._trie.roots[number + 1]]
        parent = self._trie.parent[first : self._trie.roots[number + 1]] - first
        total: Floats = self.edge[rows, : len(depth)]
        for level in range(2, int(depth.max()) + 1):
            nodes = np.flatnonzero(depth == level)
            total[:, nodes] += total[:, parent[nodes]]
        return total


def _edges(trie: Trie, nodes: Ints) -> tuple[Ints, Ints]:
    """Return the children of nodes [M] as (place in nodes [E], child [E]), in order of place."""
    first = trie.first_child[nodes]
    count = trie.first_child[nodes + 1] - first
    position = np.repeat(np.arange(len(nodes)), count)
    within = np.arange(len(position)) - (np.cumsum(count) - count)[position]
    return position, trie.children[first[position] + within]


def _log_probs(
    states: Any, head: Callable[[Any], Any], step: int, position: Ints, token: Ints, end: int | None
) -> tuple[Any, Any]:
    """Return log p(token [E] | states [M, D] at position [E]) and log p(end | states) [M].

    They are normalised in fp32 in any precision of the model. The logits of at most `step`
    positions are in memory at a time.
    """
    device = states.device
    tokens = torch.as_tensor(token, device=device)
    places = torch.as_tensor(position, device=device)
    edges, ends = [], []
    for start in range(0, len(states), step):
        logits = head(states[start : start + step]).float()
        norm = logits.logsumexp(-1)
        low, high = np.searchsorted(position, [start, start + step])
        here = places[low:high] - start
        edges.append(logits[here, tokens[low:high]] - norm[here])
        if end is not None:
            ends.append(logits[:, end] - norm)
    none = torch.zeros(0, device=device)
    return (
        torch.cat([none, *edges]).cpu().double().numpy(),
        torch.cat([none, *ends]).cpu().double().numpy(),
    )
