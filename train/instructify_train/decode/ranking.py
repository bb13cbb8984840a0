"""Compute the exact log-likelihood of every candidate after a prefix.

The model evaluates the prefix once, and tokens that several candidates begin with once (`trie.py`),
in passes that fit a memory budget. Up to rounding (1e-5 in fp32), scores do not depend on the other
rows of a batch or on the size of passes; the order of candidates does not change them at all.
Scores are log-probabilities normalised in fp32; in every mode, higher is better.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np
import torch

from instructify._util.errors import UserError, did_you_mean
from instructify_train.decode.pass_memory import PassSize, pass_size
from instructify_train.decode.prefix import Prefix, align
from instructify_train.decode.tree_models import tree_model
from instructify_train.decode.tree_pass import Floats, NodeScores, TreePass, as_tree, tree_passes
from instructify_train.decode.trie import Trie

Mode = Literal["sum+eos", "sum", "mean", "lavis"]
DEFAULT_MEMORY_BYTES = 2 * 2**30


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranking:
    """How candidates are scored.

    `sum+eos`: log p of the tokens and the end token, the probability of exactly this answer.
    `sum`: log p of the tokens without the end token, the probability that an answer starts with
    them; a candidate that is the beginning of another never scores lower than it.
    `mean`: `sum+eos` divided by the number of tokens, the end token included.
    `lavis`: what LAVIS (506965b) computes. For T5 that is `sum+eos`. For Llama it is `sum` over the
    length of the padded sequence: prefix + longest candidate of the segment - 1. `segments`
    (`n_segments` in LAVIS) splits the candidates, in the order given, into equal parts; the last
    part also takes the remainder. These scores depend on `segments`, and favour short candidates
    as `sum` does. `memory_bytes` limits the estimated memory of a pass, without the weights.
    """

    mode: Mode = "sum+eos"
    segments: int = 1
    memory_bytes: int = DEFAULT_MEMORY_BYTES

    def __post_init__(self) -> None:
        """Refuse unknown modes, and `segments` in a mode that does not use them."""
        if self.mode not in get_args(Mode):
            hint = did_you_mean(self.mode, get_args(Mode))
            raise UserError(f"ranking: there is no mode '{self.mode}'; {hint}")
        if self.segments < 1 or (self.segments > 1 and self.mode != "lavis"):
            raise UserError(
                f"ranking: segments {self.segments} with mode '{self.mode}': "
                "1, or more in mode 'lavis', the only one whose scores depend on it"
            )


def score_candidates(
    language_model: Any,
    inputs_embeds: Any,
    attention_mask: Any,
    trie: Trie,
    ranking: Ranking,
    *,
    end_token: int,
    sets: Sequence[int] | None = None,
) -> Floats:
    """Return the log-likelihood of each candidate of each row [rows, candidates], fp64.

    `inputs_embeds` [rows, positions, width] and `attention_mask` [rows, positions] may be padded
    anywhere. `trie` is built without an end token. If it has several candidate sets, `sets` gives
    the set of each row. Rows with fewer candidates than others are padded with minus infinity.
    Raises UserError if scores are not finite, ValueError if the trie has tokens of another model.
    """
    prefix = align(inputs_embeds, attention_mask)
    vocabulary = language_model.config.vocab_size
    if (trie.token == end_token).any() or trie.token.max() >= vocabulary:
        raise ValueError(
            f"candidates may hold neither the end token {end_token} nor tokens outside the model's "
            f"vocabulary of {vocabulary}; the largest is {trie.token.max()}"
        )
    row_sets = trie.sets_of_rows(sets, len(prefix.mask))
    size = pass_size(language_model, prefix, trie, ranking.memory_bytes)
    scores = np.full((len(row_sets), int(np.diff(trie.first_candidate).max())), -np.inf)
    for start in range(0, len(row_sets), size.rows):
        stop = start + size.rows
        rows = prefix.rows(start, stop)
        with torch.no_grad():
            part_scores = _score_rows(
                language_model, rows, trie, row_sets[start:stop], ranking, size, end_token
            )
        scores[start:stop, : part_scores.shape[1]] = part_scores
    return scores[:, : int(np.diff(trie.first_candidate)[row_sets].max())]


def best_candidates(scores: Floats) -> list[int]:
    """Return the best candidate of each row; if scores are equal, the first in the order given."""
    return [int(place) for place in scores.argmax(1)]


def ranked_candidates(scores: Floats) -> list[list[int]]:
    """Return the candidates of each row, best first; equal scores keep the order given."""
    order = np.argsort(-scores, axis=1, kind="stable")
    counts = np.isfinite(scores).sum(1)
    return [row[:count].tolist() for row, count in zip(order, counts, strict=True)]


def _score_rows(
    language_model: Any,
    prefix: Prefix,
    trie: Trie,
    sets: Sequence[int],
    ranking: Ranking,
    size: PassSize,
    end_token: int,
) -> Floats:
    """Score rows that fit into one pass."""
    is_decoder_only = not language_model.config.is_encoder_decoder
    endless = ("sum", "lavis") if is_decoder_only else ("sum",)
    with_end = ranking.mode not in endless
    model = tree_model(language_model, prefix)
    scores = NodeScores(trie, sets, end_token=end_token if with_end else None)
    with_root = model.root_states is None
    if not with_root:
        names = sets if len(set(sets)) > 1 else sets[:1]
        roots = trie.roots[np.asarray(names)][:, None]
        root_pass = TreePass(roots, np.ones_like(roots, dtype=np.bool_))
        scores.read(root_pass, model.root_states, model.logits, size.head_positions)
    passes = tree_passes(trie, sets, width=size.nodes, with_root=with_root, leaves=with_end)
    for tree_pass in passes:
        states = model.states(as_tree(trie, tree_pass.nodes, prefix.mask.device))
        scores.read(tree_pass, states, model.logits, size.head_positions)
    if not scores.are_finite:
        raise UserError(
            "the model's scores are not finite: check its weights and the precision it runs in"
        )
    tokens, ends = scores.of_candidates()
    if ranking.mode == "mean":
        return (tokens + ends) / (_lengths(trie, sets, tokens.shape[1]) + 1)
    if ranking.mode == "lavis" and is_decoder_only:
        return tokens / _lavis_lengths(trie, sets, ranking.segments, prefix)[:, : tokens.shape[1]]
    return tokens + ends if with_end else tokens


def _lengths(trie: Trie, sets: Sequence[int], width: int) -> Floats:
    """Return the number of tokens of each row's candidates [rows, width], padded with 1."""
    lengths = np.ones((len(sets), width))
    for row, number in enumerate(sets):
        of_set = trie.depth[trie.candidate_ends(number)]
        lengths[row, : len(of_set)] = of_set
    return lengths


def _lavis_lengths(trie: Trie, sets: Sequence[int], segments: int, prefix: Prefix) -> Floats:
    """Return the divisor that LAVIS uses for each candidate: the padded length of its segment.

    It is one less than the number of positions, since labels are shifted by one. The prefix counts
    with its own length, as in LAVIS with batch size 1; with larger batches LAVIS uses the longest
    prefix of the batch.
    """
    lengths = _lengths(trie, sets, int(np.diff(trie.first_candidate).max()))
    for row, number in enumerate(sets):
        count = len(trie.candidate_ends(number))
        if segments > count:
            raise UserError(
                f"ranking: segments {segments}, but a row has {count} candidates; "
                "at most one segment a candidate"
            )
        bounds = [*range(0, segments * (count // segments), count // segments), count]
        for start, stop in pairwise(bounds):
            lengths[row, start:stop] = lengths[row, start:stop].max()
    result: Floats = lengths + prefix.lengths.cpu().numpy()[:, None] - 1
    return result
