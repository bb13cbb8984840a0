"""Decoding: greedy and beam search, free or restricted to candidates, and exact ranking.

`search` generates answers. `restrict` limits generation to `candidates`, stored in a `trie`.
`ranking` computes the log-likelihood of every candidate in forward passes over the nodes of the
trie (`tree_pass`, `tree_models`, `pass_memory`).
"""

from instructify_train.decode.candidates import candidate_tokens
from instructify_train.decode.ranking import Ranking, score_candidates
from instructify_train.decode.search import Decoding, generate_answers, generate_texts
from instructify_train.decode.trie import Trie

__all__ = [
    "Decoding",
    "Ranking",
    "Trie",
    "candidate_tokens",
    "generate_answers",
    "generate_texts",
    "score_candidates",
]
