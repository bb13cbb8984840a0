"""."""

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
