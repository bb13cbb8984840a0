"""Candidate sets as tries over token ids, stored in flat arrays; a shared prefix is stored once.

Nodes are numbered in preorder (a parent before its children, children by ascending token). So the
nodes of a set, and those of a subtree, are a range of numbers, and comparing numbers tells whether
a node is an ancestor of another. The order of the candidates affects only the order of `ends`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

ROOT_TOKEN = -1


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Trie:
    """Token sequences of one or several candidate sets; each set has a root of its own.

    `token`, `parent`, `depth`, `subtree_end` [nodes]: the token of a node and its parent (both -1
    for roots), the number of tokens from the root, and one past the last node of its subtree.
    `children` lists all nodes except roots by parent and token; the children of node n are
    `children[first_child[n]:first_child[n + 1]]`. `roots` [sets + 1] ends with the number of nodes.
    `ends` [candidates] is the node at which a candidate ends, in the order given; the candidates of
    set s are `first_candidate[s]:first_candidate[s + 1]`. Equal candidates end at the same node.
    """

    token: Ints
    parent: Ints
    depth: Ints
    subtree_end: Ints
    children: Ints
    first_child: Ints
    roots: Ints
    ends: Ints
    first_candidate: Ints

    @classmethod
    def of(cls, candidates: Sequence[Sequence[int]], *, end: int | None = None) -> "Trie":
        """Build the trie of one candidate set; see `of_sets`."""
        return cls.of_sets([candidates], end=end)

    @classmethod
    def of_sets(cls, sets: Sequence[Sequence[Sequence[int]]], *, end: int | None = None) -> "Trie":
        """Build one trie of several candidate sets, with the token `end` after every candidate.

        Raises ValueError if a set has no candidates, a candidate has no tokens, or a token is
        negative or equal to `end`.
        """
        table, lengths, set_of = _as_table(sets, end)
        order = np.lexsort((*table.T[::-1], set_of))
        is_new = _new_nodes(table[order], lengths[order], set_of[order])
        numbers = np.where(is_new, np.cumsum(is_new).reshape(is_new.shape) - 1, -1)
        # In sorted rows, a shared node is the last new node of its column.
        node_at = np.maximum.accumulate(numbers, axis=0)
        rows, depth = np.nonzero(is_new)
        token = np.where(depth > 0, table[order][rows, depth - 1], ROOT_TOKEN)
        parent = np.where(depth > 0, node_at[rows, depth - 1], ROOT_TOKEN)
        ends = np.empty(len(order), np.int64)
        ends[order] = node_at[np.arange(len(order)), lengths[order]]
        return cls(
            token=token,
            parent=parent,
            depth=depth,
            subtree_end=_subtree_ends(parent, depth),
            children=np.flatnonzero(depth)[np.argsort(parent[depth > 0], kind="stable")],
            first_child=_offsets(np.bincount(parent[depth > 0], minlength=len(token))),
            roots=np.append(np.flatnonzero(depth == 0), len(token)),
            ends=ends,
            first_candidate=_offsets(np.bincount(set_of, minlength=len(sets))),
        )

    @property
    def num_nodes(self) -> int:
        """The number of nodes, roots included."""
        return len(self.token)

    @property
    def num_sets(self) -> int:
        """The number of candidate sets."""
        return len(self.roots) - 1

    @property
    def max_depth(self) -> int:
        """The number of tokens of the longest candidate, `end` included."""
        return int(self.depth.max())

    def candidate_ends(self, number: int) -> Ints:
        """Return the node at which each candidate of a set ends."""
        return self.ends[self.first_candidate[number] : self.first_candidate[number + 1]]

    def sets_of_rows(self, sets: Sequence[int] | None, num_rows: int) -> list[int]:
        """Return the candidate set of each row; None means that there is only one set.

        Raises ValueError if `sets` does not give a set for each row.
        """
        if sets is None and self.num_sets == 1:
            return [0] * num_rows
        named = [] if sets is None else [int(number) for number in sets]
        if len(named) != num_rows or any(not 0 <= number < self.num_sets for number in named):
            raise ValueError(
                f"sets must name one of {self.num_sets} candidate sets for each of {num_rows} "
                f"rows; it names {len(named)}"
            )
        return named

    def path(self, node: int) -> list[int]:
        """Return the nodes from the root down to `node`, both included."""
        nodes = [node]
        while self.parent[nodes[-1]] >= 0:
            nodes.append(int(self.parent[nodes[-1]]))
        return nodes[::-1]

    def find(self, tokens: Sequence[int], number: int = 0) -> int | None:
        """Return the first candidate of a set that has exactly these tokens (and `end`, if any)."""
        node = int(self.roots[number])
        for token in tokens:
            below = self.children[self.first_child[node] : self.first_child[node + 1]]
            place = int(np.searchsorted(self.token[below], token))
            if place == len(below) or self.token[below[place]] != token:
                return None
            node = int(below[place])
        matches = np.flatnonzero(self.candidate_ends(number) == node)
        return int(matches[0]) if len(matches) else None


def _as_table(sets: Sequence[Sequence[Sequence[int]]], end: int | None) -> tuple[Ints, Ints, Ints]:
    """Return candidates as rows padded with -1, with their lengths and their sets."""
    sizes = np.array([len(candidates) for candidates in sets], np.int64)
    if not len(sizes) or not sizes.all():
        raise ValueError(f"candidate set {int(np.argmin(sizes)) if len(sizes) else 0} is empty")
    candidates = [candidate for of_set in sets for candidate in of_set]
    lengths = np.array([len(candidate) for candidate in candidates], np.int64)
    if not lengths.all():
        raise ValueError(f"candidate {int(np.argmin(lengths))} has no tokens")
    flat = np.fromiter((token for tokens in candidates for token in tokens), np.int64)
    if flat.min() < 0 or (end is not None and (flat == end).any()):
        raise ValueError(f"candidates hold a negative token or the end token {end}")
    longest = int(lengths.max())
    table = np.full((len(candidates), longest + (end is not None)), ROOT_TOKEN, np.int64)
    table[:, :longest][np.arange(longest) < lengths[:, None]] = flat
    if end is not None:
        table[np.arange(len(candidates)), lengths] = end
        lengths = lengths + 1
    return table, lengths, np.repeat(np.arange(len(sizes)), sizes)


def _new_nodes(table: Ints, lengths: Ints, set_of: Ints) -> Bools:
    """Mark the nodes of sorted rows that the row before does not share; column 0 is the root."""
    new_set = np.append(True, set_of[1:] != set_of[:-1])
    as_before = np.zeros(table.shape, np.bool_)
    as_before[1:] = table[1:] == table[:-1]
    as_before &= ~new_set[:, None]
    is_shared = np.logical_and.accumulate(as_before, axis=1)
    is_token = np.arange(table.shape[1]) < lengths[:, None]
    return np.hstack([new_set[:, None], is_token & ~is_shared])


def _subtree_ends(parent: Ints, depth: Ints) -> Ints:
    """Return one past the last node of each subtree, computed from the sizes of subtrees."""
    size = np.ones(len(parent), np.int64)
    for level in range(int(depth.max()), 0, -1):
        nodes = np.flatnonzero(depth == level)
        np.add.at(size, parent[nodes], size[nodes])
    return np.arange(len(parent)) + size


def _offsets(counts: Ints) -> Ints:
    return np.append(0, np.cumsum(counts))
