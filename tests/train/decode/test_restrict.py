"""Restricted decoding gives what transformers' slow callback gives, for all beams at once."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from decoding_models import END, FAMILIES, PAD, Batch, prefixes, tiny_model

from instructify_train.decode.restrict import TrieLogitsProcessor
from instructify_train.decode.trie import Trie

BATCH = prefixes([5, 9, 3])


def candidates(seed: int, count: int) -> list[list[int]]:
    """Random candidates with many shared beginnings; some are beginnings of others."""
    draw = random.Random(seed)
    return [[draw.randrange(3, 12) for _ in range(draw.randrange(1, 6))] for _ in range(count)]


def callback(
    sets: Sequence[Sequence[Sequence[int]]], start: int
) -> Callable[[int, Any], list[int]]:
    """The same restriction as a function for one beam, from a plain dictionary."""
    followers: list[dict[tuple[int, ...], set[int]]] = []
    for of_set in sets:
        found: dict[tuple[int, ...], set[int]] = {}
        for candidate in of_set:
            for place, token in enumerate([*candidate, END]):
                found.setdefault(tuple(candidate[:place]), set()).add(token)
        followers.append(found)

    def allowed(row: int, ids: Any) -> list[int]:
        return sorted(followers[row].get(tuple(ids[start:].tolist()), {END, PAD}))

    return allowed


def search(model: Any, batch: Batch, beams: int, **options: Any) -> Any:
    """transformers' own search over the batch."""
    return model.generate(
        inputs_embeds=batch.embeds,
        attention_mask=batch.mask,
        num_beams=beams,
        num_return_sequences=beams,
        do_sample=False,
        max_new_tokens=7,
        eos_token_id=END,
        pad_token_id=PAD,
        return_dict_in_generate=True,
        output_scores=True,
        **options,
    )


@pytest.mark.parametrize("beams", [1, 5])
@pytest.mark.parametrize("family", FAMILIES)
def test_equals_prefix_allowed_tokens_fn(family: str, beams: int) -> None:
    model = tiny_model(family)
    start = int(family == "t5")
    sets = [candidates(seed, count) for seed, count in ((1, 40), (2, 3), (3, 1))]
    processor = TrieLogitsProcessor(
        Trie.of_sets(sets, end=END),
        start=start,
        num_beams=beams,
        after_end=[END, PAD],
        sets=[0, 1, 2],
    )
    ours = search(model, BATCH, beams, logits_processor=[processor])
    theirs = search(model, BATCH, beams, prefix_allowed_tokens_fn=callback(sets, start))
    assert torch.equal(ours.sequences, theirs.sequences)
    assert len(ours.scores) == len(theirs.scores)
    for mine, other in zip(ours.scores, theirs.scores, strict=True):
        assert torch.equal(mine, other)
    if beams > 1:
        assert torch.equal(ours.sequences_scores, theirs.sequences_scores)


@pytest.mark.parametrize("beams", [1, 5])
def test_prompt_ids_beside_embeddings_are_skipped(beams: int) -> None:
    """InstructBLIP hands Llama `input_ids` too; generated ids then come after the prompt's."""
    model = tiny_model("llama")
    of_set = candidates(4, 20)
    ids = torch.full(BATCH.mask.shape, 5)
    processor = TrieLogitsProcessor(
        Trie.of(of_set, end=END), start=ids.shape[1], num_beams=beams, after_end=[END, PAD]
    )
    with_ids = search(model, BATCH, beams, input_ids=ids, logits_processor=[processor])
    processor = TrieLogitsProcessor(
        Trie.of(of_set, end=END), start=0, num_beams=beams, after_end=[END, PAD]
    )
    without = search(model, BATCH, beams, logits_processor=[processor])
    assert torch.equal(with_ids.sequences[:, ids.shape[1] :], without.sequences)


def test_hand_worked_steps() -> None:
    trie = Trie.of([[4, 5], [4], [6]], end=END)
    processor = TrieLogitsProcessor(trie, start=1, num_beams=2, after_end=[END, PAD])
    scores = torch.arange(8.0).repeat(4, 1)
    ids = torch.tensor([[9, 4], [9, 6], [9, 7], [9, 4]])
    allowed = [row.isfinite().nonzero().flatten().tolist() for row in processor(ids, scores)]
    assert allowed == [[END, 5], [END], [PAD, END], [END, 5]]
    ids = torch.tensor([[9, 4, 1, 1], [9, 4, 5, 4], [9, 4, 5, 1], [9, 6, 1, 0]])
    allowed = [row.isfinite().nonzero().flatten().tolist() for row in processor(ids, scores)]
    assert allowed == [[PAD, END]] * 4
    allowed_first = processor(ids[:, :1], scores)[0]
    assert allowed_first.isfinite().nonzero().flatten().tolist() == [4, 6]
    assert allowed_first[4] == 4  # scores stay as they are


def test_closed_by_others_the_trie_wins() -> None:
    processor = TrieLogitsProcessor(
        Trie.of([[4], [6]], end=END), start=0, num_beams=2, after_end=[END]
    )
    scores = torch.zeros(4, 8)
    scores[0, [4, 6]] = -torch.inf
    scores[2, [4, 6]] = scores[3, [4, 6]] = -torch.inf
    got = processor(torch.empty((4, 0), dtype=torch.long), scores)
    assert got[0].isneginf().all()  # its row has another beam
    assert got[2, 4] == got[3, 6] == 0


def test_tokens_outside_the_vocabulary_are_refused() -> None:
    processor = TrieLogitsProcessor(Trie.of([[8]], end=END), start=0, num_beams=1, after_end=[END])
    with pytest.raises(ValueError, match="token 8 is outside the 8 scores"):
        processor(torch.empty((3, 0), dtype=torch.long), torch.zeros(3, 8))


def test_wrong_number_of_rows_is_refused() -> None:
    processor = TrieLogitsProcessor(
        Trie.of_sets([[[4]], [[5]]], end=END), start=0, num_beams=1, after_end=[END], sets=[0, 1]
    )
    with pytest.raises(ValueError, match="each of 3 rows; it names 2"):
        processor(torch.empty((3, 0), dtype=torch.long), torch.zeros(3, 8))
