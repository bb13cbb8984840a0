"""Every candidate gets the likelihood that the plain model gives it, whatever goes beside it."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from decoding_models import (
    ATTENTION,
    END,
    FAMILIES,
    PAD,
    Batch,
    one_by_one,
    prefixes,
    tiny_model,
)
from numpy.typing import NDArray

from instructify._util.errors import UserError
from instructify_train.decode.ranking import (
    Ranking,
    best_candidates,
    ranked_candidates,
    score_candidates,
)
from instructify_train.decode.search import Decoding, generate_answers
from instructify_train.decode.trie import Trie

TOLERANCE = 1e-5
LENGTHS = [5, 9, 3]
BATCH = prefixes(LENGTHS)
SMALL = 1_000  # bytes: several passes, a row at a time


def candidates(seed: int, count: int, longest: int = 6) -> list[list[int]]:
    """Random candidates with many shared beginnings; some are beginnings of others."""
    draw = random.Random(seed)
    return [
        [draw.randrange(3, 14) for _ in range(draw.randrange(1, longest))] for _ in range(count)
    ]


MANY = candidates(1, 150)


def scores(
    model: Any, batch: Batch, trie: Trie, sets: Sequence[int] | None = None, **options: Any
) -> NDArray[np.float64]:
    """Rank with the options of `Ranking`."""
    return score_candidates(
        model, batch.embeds, batch.mask, trie, Ranking(**options), end_token=END, sets=sets
    )


def expected(
    model: Any, batch: Batch, of_set: Sequence[Sequence[int]], end: int | None = END
) -> NDArray[np.float64]:
    """Score one by one, each row without padding."""
    return np.array(
        [
            [one_by_one(model, batch.row(row), candidate, end=end) for candidate in of_set]
            for row in range(len(batch.mask))
        ]
    )


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("family", FAMILIES)
def test_equals_one_by_one(family: str, attention: str) -> None:
    model = tiny_model(family, attention=attention)
    some = [*range(10), 149]
    slow = expected(model, BATCH, [MANY[place] for place in some])
    for padding in ("left", "right", "middle"):
        for memory_bytes in (2**31, SMALL):
            fast = scores(
                model, prefixes(LENGTHS, padding=padding), Trie.of(MANY), memory_bytes=memory_bytes
            )
            assert fast.shape == (3, 150)
            assert np.abs(fast[:, some] - slow).max() < TOLERANCE


@pytest.mark.parametrize("family", FAMILIES)
def test_long_candidates_keep_their_distances(family: str) -> None:
    """T5's distances are binned beyond 4 and capped at 12 here; positions of a pass go further."""
    model = tiny_model(family)
    draw = random.Random(5)
    begun = [draw.randrange(3, 90) for _ in range(20)]
    of_set = [[*begun[:cut], 7, *begun[cut:]] for cut in range(0, 20, 2)]
    fast = scores(model, BATCH, Trie.of(of_set))
    slow = expected(model, BATCH, of_set)
    assert np.abs(fast - slow).max() < 4 * TOLERANCE  # sums of 22 logs: about -100


@pytest.mark.parametrize("family", FAMILIES)
def test_modes(family: str) -> None:
    model = tiny_model(family)
    of_set, trie = MANY[:12], Trie.of(MANY[:12])
    with_end = expected(model, BATCH, of_set)
    lengths = np.array([len(candidate) for candidate in of_set])
    assert np.abs(scores(model, BATCH, trie, mode="mean") - with_end / (lengths + 1)).max() < 1e-5
    without = scores(model, BATCH, trie, mode="sum")
    assert np.abs(without - expected(model, BATCH, of_set, end=None)).max() < TOLERANCE
    assert np.array_equal(scores(model, BATCH, trie), scores(model, BATCH, trie, mode="sum+eos"))


def lavis_llama(
    model: Any, row: Batch, of_set: Sequence[Sequence[int]], segments: int
) -> list[float]:
    """The published procedure: pad a segment, mean of all losses, ignored ones (0) included."""
    found: list[float] = []
    size = len(of_set) // segments
    for number in range(segments):
        stop = len(of_set) if number == segments - 1 else (number + 1) * size
        segment = of_set[number * size : stop]
        longest = max(map(len, segment))
        tokens = torch.tensor([[*c, *[PAD] * (longest - len(c))] for c in segment])
        labels = tokens.masked_fill(tokens == PAD, -100)
        embeds = torch.cat(
            [row.embeds.expand(len(segment), -1, -1), model.get_input_embeddings()(tokens)], 1
        )
        with torch.no_grad():
            logits = model(inputs_embeds=embeds).logits[:, :-1]
        targets = torch.cat([torch.full((len(segment), row.mask.shape[1]), -100), labels], 1)
        loss = torch.nn.functional.cross_entropy(
            logits.transpose(1, 2), targets[:, 1:], reduction="none"
        )
        found += (-loss.mean(1)).tolist()
    return found


@pytest.mark.parametrize("segments", [1, 2, 5])
def test_lavis_is_reproduced_for_llama(segments: int) -> None:
    model = tiny_model("llama")
    of_set = MANY[:13]
    fast = scores(model, BATCH, Trie.of(of_set), mode="lavis", segments=segments)
    slow = [lavis_llama(model, BATCH.row(row), of_set, segments) for row in range(3)]
    assert np.abs(fast - np.array(slow)).max() < TOLERANCE


def test_lavis_depends_on_segments_and_no_other_mode_can() -> None:
    model = tiny_model("llama")
    trie = Trie.of(MANY[:13])
    one, five = (scores(model, BATCH, trie, mode="lavis", segments=n) for n in (1, 5))
    assert ranked_candidates(one) != ranked_candidates(five)
    with pytest.raises(UserError, match="the only one whose scores depend on it"):
        Ranking(mode="sum", segments=2)
    with pytest.raises(UserError, match="segments 14, but a row has 13 candidates"):
        scores(model, BATCH, trie, mode="lavis", segments=14)


def test_lavis_is_the_sum_with_end_for_t5() -> None:
    model = tiny_model("t5")
    trie = Trie.of(MANY[:13])
    lavis = scores(model, BATCH, trie, mode="lavis", segments=4)
    assert np.array_equal(lavis, scores(model, BATCH, trie))


def test_without_end_a_beginning_never_loses_and_with_it_may() -> None:
    model = tiny_model("llama")
    seconds = [[], *([token] for token in range(3, 97))]
    trie = Trie.of([[first, *second] for first in range(3, 9) for second in seconds])
    for mode in ("sum", "lavis"):
        short, long = np.split(scores(model, BATCH, trie, mode=mode).reshape(3, 6, -1), [1], 2)
        assert (short >= long).all()
    short, long = np.split(scores(model, BATCH, trie).reshape(3, 6, -1), [1], 2)
    assert (short < long).any()


@pytest.mark.parametrize("family", FAMILIES)
def test_order_of_candidates_changes_nothing_at_all(family: str) -> None:
    model = tiny_model(family)
    order = np.random.default_rng(0).permutation(len(MANY))
    straight = scores(model, BATCH, Trie.of(MANY))
    shuffled = scores(model, BATCH, Trie.of([MANY[place] for place in order]))
    assert np.array_equal(straight[:, order], shuffled)


@pytest.mark.parametrize("mode", ["sum+eos", "sum", "mean", "lavis"])
@pytest.mark.parametrize("family", FAMILIES)
def test_batch_and_passes_change_nothing_but_rounding(family: str, mode: str) -> None:
    model = tiny_model(family)
    trie = Trie.of(MANY)
    together = scores(model, BATCH, trie, mode=mode)
    alone = [scores(model, BATCH.row(row), trie, mode=mode) for row in range(3)]
    assert np.abs(together - np.concatenate(alone)).max() < TOLERANCE
    in_passes = scores(model, BATCH, trie, mode=mode, memory_bytes=SMALL)
    assert np.abs(together - in_passes).max() < TOLERANCE


@pytest.mark.parametrize("family", FAMILIES)
def test_each_row_may_have_its_own_candidates(family: str) -> None:
    model = tiny_model(family)
    sets = [candidates(7, 100), candidates(8, 4), candidates(9, 30)]
    for memory_bytes in (2**31, 400_000, SMALL):
        fast = scores(model, BATCH, Trie.of_sets(sets), sets=[2, 0, 1], memory_bytes=memory_bytes)
        assert fast.shape == (3, 100)
        for row, number in enumerate([2, 0, 1]):
            of_set = sets[number]
            alone = scores(model, BATCH.row(row), Trie.of(of_set))[0]
            assert np.abs(fast[row, : len(of_set)] - alone).max() < TOLERANCE
            assert np.isneginf(fast[row, len(of_set) :]).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_single_candidate_of_a_single_token(family: str) -> None:
    model = tiny_model(family)
    for mode, end in (("sum+eos", END), ("sum", None)):
        fast = scores(model, BATCH, Trie.of([[5]]), mode=mode)
        assert np.abs(fast - expected(model, BATCH, [[5]], end=end)).max() < TOLERANCE


def test_equal_candidates_score_equally_and_the_first_is_best() -> None:
    model = tiny_model("llama")
    found = scores(model, BATCH, Trie.of([[5, 6], [7], [5, 6], [7]]))
    assert np.array_equal(found[:, :2], found[:, 2:])
    assert set(best_candidates(found)) <= {0, 1}
    for order in ranked_candidates(found):
        assert order in ([0, 2, 1, 3], [1, 3, 0, 2])


def test_ranks_leave_out_what_a_row_does_not_have() -> None:
    found = np.array([[-2.0, -1.0, -np.inf], [-3.0, -3.0, -1.0]])
    assert ranked_candidates(found) == [[1, 0], [2, 0, 1]]
    assert best_candidates(found) == [1, 2]


@pytest.mark.parametrize("family", FAMILIES)
def test_probabilities_of_all_answers_do_not_exceed_one(family: str) -> None:
    model = tiny_model(family)
    distinct = [list(candidate) for candidate in {tuple(candidate) for candidate in MANY}]
    assert (np.exp(scores(model, BATCH, Trie.of(distinct))).sum(1) < 1).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_agrees_with_an_exhaustive_restricted_search(family: str) -> None:
    """With as many beams as candidates, no length penalty and no repetition, search is ranking."""
    from decoding_models import tiny_tokenizer

    model = tiny_model(family)
    of_set = [[3, 4], [3], [5, 6, 7], [5, 6], [8], [9, 9]]
    found = scores(model, BATCH, Trie.of(of_set))
    decoding = Decoding(
        beams=6, num_answers=6, length_penalty=0.0, restrict=Trie.of(of_set, end=END)
    )
    rows = generate_answers(model, tiny_tokenizer(family), BATCH.embeds, BATCH.mask, decoding)
    for row, answers in enumerate(rows):
        assert [answer.candidate for answer in answers] == ranked_candidates(found)[row]
        for answer in answers:
            assert answer.score == pytest.approx(found[row, answer.candidate], abs=1e-5)


def test_positions_of_300_candidates_are_a_twentieth() -> None:
    """The claim of the documentation, counted where positions enter the model."""
    model = tiny_model("llama")
    draw = random.Random(3)
    words = [[draw.randrange(3, 60) for _ in range(draw.randrange(1, 4))] for _ in range(40)]
    of_set = [[*draw.choice(words), *draw.choice(words)] for _ in range(300)]
    seen = []

    def count(module: Any, given: Any, options: Any) -> None:
        seen.append(options["inputs_embeds"].shape[:2].numel())

    handle = model.model.register_forward_pre_hook(count, with_kwargs=True)
    scores(model, prefixes([60]), Trie.of(of_set))
    handle.remove()
    usual = sum(60 + len(candidate) + 1 for candidate in of_set)
    assert usual > 20 * sum(seen)


def test_unmaskable_attention_and_training_mode_are_refused() -> None:
    model = tiny_model("llama")
    with pytest.raises(ValueError, match="evaluation mode"):
        scores(model.train(), BATCH, Trie.of(MANY))
    model.eval().config._attn_implementation = "flash_attention_2"
    with pytest.raises(UserError, match="can't mask attention 'flash_attention_2'"):
        scores(model, BATCH, Trie.of(MANY))


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_that_are_not_finite_are_refused(family: str) -> None:
    model = tiny_model(family)
    with torch.no_grad():
        model.get_output_embeddings().weight[5] = torch.nan
    with pytest.raises(UserError, match="not finite"):
        scores(model, BATCH, Trie.of([[5], [6]]))


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(UserError, match="no mode 'sum_eos'; did you mean 'sum\\+eos'"):
        Ranking(mode="sum_eos")  # type: ignore[arg-type]
    model = tiny_model("llama")
    for trie in (Trie.of([[5]], end=END), Trie.of([[97]])):
        with pytest.raises(ValueError, match="neither the end token 1 nor tokens outside"):
            scores(model, BATCH, trie)
    for sets in ([0], [0, 1, 0], [0, -1, 0]):
        with pytest.raises(ValueError, match="one of 1 candidate sets for each of 3 rows"):
            scores(model, BATCH, Trie.of(MANY), sets=sets)
    with pytest.raises(ValueError, match="one of 2 candidate sets"):
        scores(model, BATCH, Trie.of_sets([[[5]], [[6]]]))
