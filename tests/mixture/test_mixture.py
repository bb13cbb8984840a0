"""What a mixture promises: exact shares, each record once a pass, one stream whoever reads it."""

import dataclasses
import hashlib
import pickle
import time
from collections import Counter
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructify._util.errors import UserError
from instructify.mixture import CYCLE, Drawn, Member, Mixture, MixtureState, Topology, schedule
from instructify.mixture.permutation import permute
from instructify.mixture.schedule import Scheduler
from instructify.mixture.weights import quotas, shares

# Sizes of the complete training sets; LLaVA's as the paper counts them, in dialogues.
OFFICIAL = {
    "web_capfilt": 13_873_136,
    "ocr_vqa": 801_673,
    "coco_caption": 566_747,
    "vqav2": 443_757,
    "vqav2_qg": 443_757,
    "textcaps": 109_765,
    "llava_reasoning": 76_643,
    "llava_conversation": 58_000,
    "llava_detail": 23_240,
    "aokvqa": 17_056,
    "aokvqa_qg": 17_056,
    "okvqa": 9_009,
    "okvqa_qg": 9_009,
}
# sqrt(S_d) over the sum of all, with those sizes and no adjustment, by a pocket calculator.
SHARES = {
    "web_capfilt": 0.4566,
    "ocr_vqa": 0.1098,
    "coco_caption": 0.0923,
    "vqav2": 0.0817,
    "vqav2_qg": 0.0817,
    "textcaps": 0.0406,
    "llava_reasoning": 0.0339,
    "llava_conversation": 0.0295,
    "llava_detail": 0.0187,
    "aokvqa": 0.0160,
    "aokvqa_qg": 0.0160,
    "okvqa": 0.0116,
    "okvqa_qg": 0.0116,
}

small_sizes = st.lists(st.integers(1, 60), min_size=1, max_size=8)
orders = st.sampled_from(["stratified", "random_datasets", "random"])


def members(sizes: Mapping[str, int], draws: int = 1) -> list[Member]:
    return [Member(name=f"{name}/open", size=size, draws=draws) for name, size in sizes.items()]


def small(sizes: list[int], draws: int = 2, cycle: int = 512, **options: object) -> Mixture:
    named = {f"d{number}": size for number, size in enumerate(sizes)}
    return Mixture(members(named, draws), cycle=cycle, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def paper() -> Mixture:
    mixture = Mixture(members(OFFICIAL, draws=2), seed=7)
    mixture.sample(0)  # lays out the cycle, once
    return mixture


def equal(one: Drawn, other: Drawn) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def columns(drawn: Drawn) -> list[tuple[int, int, int]]:
    return list(zip(*(column.tolist() for column in drawn), strict=True))


# Shares and quotas


def test_official_sizes_give_the_shares_of_the_paper(paper: Mixture) -> None:
    for member, share in zip(paper.members, paper.probabilities, strict=True):
        assert share == pytest.approx(SHARES[member.dataset], abs=0.00006)


@given(
    sizes=st.lists(st.integers(1, 10**8), min_size=1, max_size=20),
    alpha=st.floats(0, 1),
    factor=st.floats(0.1, 10),
)
def test_quotas_are_whole_and_off_by_less_than_one(
    sizes: list[int], alpha: float, factor: float
) -> None:
    given_ = [Member(name=f"d{n}/open", size=size) for n, size in enumerate(sizes)]
    given_[0] = dataclasses.replace(given_[0], factor=factor)
    parts = shares(given_, alpha, {})
    assert parts.sum() == pytest.approx(1)
    cycle = 1 << 30  # so that nobody is rounded to nothing
    whole = quotas(given_, parts, cycle)
    assert whole.sum() == cycle
    assert (abs(whole - parts * cycle) < 1.001).all()


@pytest.mark.parametrize(("alpha", "expected"), [(0, 1 / 2), (0.5, 1 / 3), (1, 1 / 5)])
def test_alpha(alpha: float, expected: float) -> None:
    assert shares(members({"a": 100, "b": 400}), alpha, {})[0] == pytest.approx(expected)


def test_factor_weighed_size_and_fixed_shares() -> None:
    given_ = [
        Member(name="a/open", size=100),
        Member(name="b/caption", size=100),
        Member(name="b/open", size=100, factor=3),
        Member(name="c/open", size=7, weighed=400),
    ]
    assert shares(given_, 0.5, {}).tolist() == pytest.approx([1 / 7, 1 / 7, 3 / 7, 2 / 7])
    by_form = shares(given_, 0.5, {"b/open": 0.5})
    assert by_form.tolist() == pytest.approx([0.125, 0.125, 0.5, 0.25])
    by_dataset = shares(given_, 0.5, {"b": 0.4, "c": 0.1})
    assert by_dataset.tolist() == pytest.approx([0.5, 0.1, 0.3, 0.1])


@pytest.mark.parametrize(
    ("fixed", "said"),
    [
        ({"aa": 0.5}, "'a'"),
        ({"a": 0.5, "b": 0.5}, "leave nothing"),
        ({"a": 0.5, "a/open": 0.5}, "twice"),
        ({"a": 1.5}, "above 0 to 1"),
        ({"a": 0.2, "b": 0.2, "c": 0.2}, "add up to 0.6"),
    ],
)
def test_fixed_shares_that_cannot_be(fixed: dict[str, float], said: str) -> None:
    with pytest.raises(UserError, match=said):
        Mixture(members({"a": 1, "b": 1, "c": 1}), fixed=fixed)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ([], "1 to 255"),
        ([Member(name="a/open", size=0)], "no records"),
        ([Member(name="a/open", size=1)] * 2, "twice"),
        ([Member(name="a/open", size=1, factor=0)], "leave it out"),
        ([Member(name="a/open", size=1, factor=float("nan"))], "factor"),
        (
            [Member(name="a/open", size=1, factor=1e-9), Member(name="b/open", size=1)],
            "less than one",
        ),
    ],
)
def test_members_that_cannot_be(wrong: list[Member], said: str) -> None:
    with pytest.raises(UserError, match=said):
        Mixture(wrong)


# The order of a cycle


@given(st.lists(st.integers(1, 120), min_size=1, max_size=24))
def test_any_prefix_is_within_one_sample_of_every_quota(of: list[int]) -> None:
    cycle = sum(of)
    laid = Scheduler(of).first(cycle)
    places = np.arange(1, cycle + 1)
    for member, quota in enumerate(of):
        own = laid.member == member
        assert own.sum() == quota
        assert laid.rank[own].tolist() == list(range(quota))
        assert (abs(np.cumsum(own) * cycle - places * quota) < cycle).all()


@given(st.lists(st.integers(1, 120), min_size=1, max_size=24), st.data())
def test_a_cycle_is_the_same_however_far_it_is_assigned_at_once(
    of: list[int], data: st.DataObject
) -> None:
    cycle = sum(of)
    whole = Scheduler(of).first(cycle)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schedule, "_STEP", data.draw(st.integers(1, 50)))
        scheduler = Scheduler(of)
        for count in data.draw(st.lists(st.integers(0, cycle + 9), max_size=5)):
            first = scheduler.first(count)
            assert len(first.member) >= min(count, cycle)
            assert np.array_equal(first.member, whole.member[: len(first.member)])
            assert np.array_equal(first.rank, whole.rank[: len(first.rank)])


def test_the_cycle_of_the_paper_too(paper: Mixture) -> None:
    drawn = paper.samples(0, CYCLE).member
    places = np.arange(1, CYCLE + 1)
    for member, quota in enumerate(paper.quotas.tolist()):
        off = abs(np.cumsum(drawn == member) * CYCLE - places * quota)
        assert off.max() < CYCLE
    assert np.array_equal(paper.samples(5 * CYCLE, CYCLE).member, drawn)


# Records and draws


@given(size=st.integers(1, 3000), key=st.integers(0, 2**64 - 1), other=st.integers(0, 2**64 - 1))
def test_a_permutation_holds_each_number_once(size: int, key: int, other: int) -> None:
    places = np.arange(size)
    sizes = np.full(size, size)
    one = permute(places, sizes, np.full(size, key, np.uint64))
    assert sorted(one.tolist()) == places.tolist()
    if size > 30 and key != other:
        assert not np.array_equal(one, permute(places, sizes, np.full(size, other, np.uint64)))


def test_all_permutations_of_a_few_come_up() -> None:
    """Any element may come to any place, about equally often."""
    for size in (2, 3, 5, 8):
        keys = np.repeat(np.arange(4000, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15), size)
        places = np.tile(np.arange(size), 4000)
        to = permute(places, np.full(len(places), size), keys)
        for place in range(size):
            counts = np.bincount(to[places == place], minlength=size)
            assert (abs(counts - 4000 / size) < 5 * np.sqrt(4000 / size)).all()


@given(sizes=small_sizes, seed=st.integers(0, 2**40))
@settings(max_examples=40)
def test_each_record_once_a_pass_and_a_draw_a_pass(sizes: list[int], seed: int) -> None:
    mixture = small(sizes, draws=3, seed=seed)
    drawn = mixture.samples(0, 4 * mixture.cycle)
    for number, member in enumerate(mixture.members):
        own = drawn.member == number
        records, draws = drawn.record[own], drawn.draw[own]
        for done, start in enumerate(range(0, len(records) - member.size + 1, member.size)):
            stretch = slice(start, start + member.size)
            assert sorted(records[stretch].tolist()) == list(range(member.size))
            assert set(draws[stretch].tolist()) == {done % 3}


def test_passes_come_in_different_orders() -> None:
    mixture = small([50], draws=1)
    records = mixture.samples(0, 500).record.reshape(10, 50)
    assert len({tuple(one.tolist()) for one in records}) == 10


@given(sizes=small_sizes, position=st.integers(0, 2**50), order=orders)
@settings(max_examples=40)
def test_samples_exist_at_any_position(sizes: list[int], position: int, order: str) -> None:
    mixture = small(sizes, order=order)
    for draw in columns(mixture.samples(position, 20)):
        member = mixture.members[draw[0]]
        assert 0 <= draw[1] < member.size
        assert 0 <= draw[2] < member.draws


def test_random_order_draws_by_the_shares_and_with_replacement() -> None:
    mixture = small([900, 100, 25], order="random", draws=4, cycle=CYCLE)
    drawn = mixture.samples(0, 60_000)
    counts = np.bincount(drawn.member, minlength=3) / 60_000
    assert counts == pytest.approx(mixture.probabilities, abs=0.01)
    first = drawn.record[drawn.member == 0]
    assert len(set(first[:900].tolist())) < 700  # 900 without replacement would all differ
    assert np.bincount(drawn.draw) / 60_000 == pytest.approx([0.25] * 4, abs=0.01)
    per_record = np.bincount(first, minlength=900)
    assert abs(per_record - len(first) / 900).max() < 6 * np.sqrt(len(first) / 900)


@given(sizes=small_sizes, batch=st.integers(1, 9), order=orders)
@settings(max_examples=40)
def test_batches_of_one_dataset(sizes: list[int], batch: int, order: str) -> None:
    mixture = small(sizes, logical_batch=batch, order=order)
    drawn = mixture.samples(0, mixture.cycle * batch)
    by_batch = drawn.member.reshape(-1, batch)
    assert (by_batch == by_batch[:, :1]).all()
    if order == "stratified":
        assert np.bincount(by_batch[:, 0]).tolist() == mixture.quotas.tolist()
    if order != "random":
        for number, member in enumerate(mixture.members):
            records = drawn.record[drawn.member == number][: member.size]
            assert len(set(records.tolist())) == len(records)


def test_datasets_at_random_and_records_in_passes() -> None:
    """As LAVIS: `random.choices` for the dataset, shuffled passes within it."""
    sizes = [900, 100, 25]
    mixture = small(sizes, order="random_datasets", draws=3, logical_batch=12, cycle=1 << 16)
    drawn = mixture.samples(0, 12 * 20_000)
    turns = drawn.member.reshape(-1, 12)[:, 0]
    shares = np.bincount(turns, minlength=3) / len(turns)
    assert shares == pytest.approx(mixture.probabilities, abs=0.015)
    # Independent: what follows a member does not depend on it, and runs are of geometric length.
    for member in range(3):
        after = np.bincount(turns[1:][turns[:-1] == member], minlength=3)
        assert after / after.sum() == pytest.approx(mixture.probabilities, abs=0.04)
    for member, size in enumerate(sizes):
        records = drawn.record[drawn.member == member]
        passes = records[: len(records) // size * size].reshape(-1, size)
        assert (np.sort(passes, axis=1) == np.arange(size)).all()
        assert (passes[0] != passes[1]).any()
        draws = drawn.draw[drawn.member == member][: 3 * size : size]
        assert draws.tolist() == [0, 1, 2]
    other = small(sizes, order="random_datasets", draws=3, logical_batch=12, cycle=1 << 16, seed=1)
    assert (other.samples(0, 12 * 500).member != drawn.member[: 12 * 500]).any()


def test_a_cycle_of_random_datasets_does_not_repeat_the_last() -> None:
    mixture = small([40, 10, 3], order="random_datasets", logical_batch=2, cycle=64)
    drawn = mixture.samples(0, 4 * 2 * 64)
    cycles = [tuple(one.tolist()) for one in drawn.member.reshape(4, -1)]
    assert len(set(cycles)) == 4
    first = [
        tuple(records[members == 0][:40].tolist())
        for members, records in zip(
            drawn.member.reshape(4, -1), drawn.record.reshape(4, -1), strict=True
        )
    ]
    assert len(set(first)) == 4, "each cycle has passes of its own"


# One stream


@given(
    sizes=small_sizes,
    start=st.integers(0, 5000),
    count=st.integers(0, 300),
    order=orders,
    batch=st.sampled_from([None, 1, 7]),
)
@settings(max_examples=40)
def test_going_on_is_running_through(
    sizes: list[int], start: int, count: int, order: str, batch: int | None
) -> None:
    mixture = small(sizes, order=order, logical_batch=batch)
    whole = mixture.samples(0, start + count)
    part = mixture.samples(start, count)
    assert equal(part, Drawn(*(column[start:] for column in whole)))
    if count:
        assert tuple(mixture.sample(start)) == columns(part)[0]
    backwards = mixture.samples_at(np.arange(start, start + count)[::-1])
    assert columns(backwards) == columns(part)[::-1]


def stream_hash(mixture: Mixture, topology: Topology, workers: int, start: int, steps: int) -> str:
    """Hash what all ranks and workers read, put together step by step."""
    passes = steps * topology.accumulation
    read: dict[int, tuple[int, int, int]] = {}
    for rank in range(topology.world):
        own = [topology.worker_pieces(start, rank, worker, workers) for worker in range(workers)]
        for number in range(passes):  # a loader asks its workers in turn
            piece = next(own[number % workers])
            drawn = columns(mixture.samples(piece.start, len(piece)))
            assert not read.keys() & set(piece)
            read.update(zip(piece, drawn, strict=True))
    assert sorted(read) == list(range(start, start + steps * topology.batch))
    return hashlib.sha256(str(sorted(read.items())).encode()).hexdigest()


@given(
    batch=st.integers(12, 40),
    world=st.sampled_from([1, 2, 3, 4]),
    accumulation=st.sampled_from([1, 2, 3]),
    workers=st.sampled_from([1, 2, 4, 8]),
    start=st.integers(0, 1000),
    order=orders,
)
@settings(max_examples=40)
def test_any_topology_reads_the_same_stream(
    batch: int, world: int, accumulation: int, workers: int, start: int, order: str
) -> None:
    mixture = small([40, 10, 3], order=order)
    many = Topology(batch=batch, world=world, accumulation=accumulation)
    one = stream_hash(mixture, Topology(batch=batch), 1, start, 4)
    assert stream_hash(mixture, many, workers, start, 4) == one
    sizes = {
        len(many.piece(start, 0, micro, rank))
        for micro in range(accumulation)
        for rank in range(world)
    }
    assert max(sizes) - min(sizes) <= 1


def test_a_run_stopped_at_any_step_goes_on_with_other_ranks() -> None:
    mixture = small([40, 10, 3])
    whole = stream_pieces(mixture, Topology(batch=24), 0, 20)
    for step in range(20):
        first = stream_pieces(mixture, Topology(batch=24, world=2), 0, step)
        rest = stream_pieces(
            mixture, Topology(batch=24, world=3, accumulation=2), step * 24, 20 - step
        )
        assert first + rest == whole


def stream_pieces(
    mixture: Mixture, topology: Topology, start: int, steps: int
) -> list[tuple[int, int, int]]:
    pieces = [
        topology.piece(start, step, micro, rank)
        for step in range(steps)
        for micro in range(topology.accumulation)
        for rank in range(topology.world)
    ]
    return [one for piece in pieces for one in columns(mixture.samples(piece.start, len(piece)))]


@pytest.mark.parametrize(("batch", "world", "accumulation"), [(4, 5, 1), (4, 2, 3), (0, 1, 1)])
def test_batches_that_cannot_be_cut(batch: int, world: int, accumulation: int) -> None:
    with pytest.raises(UserError, match="at least"):
        Topology(batch=batch, world=world, accumulation=accumulation)


def test_what_the_stream_depends_on() -> None:
    mixture = small([40, 10, 3], seed=1)
    again = Mixture(mixture.members[::-1], cycle=512, seed=1)
    assert again.hash == mixture.hash
    assert equal(again.samples(0, 300), mixture.samples(0, 300))
    assert equal(pickle.loads(pickle.dumps(mixture)).samples(0, 300), mixture.samples(0, 300))
    for other in (small([40, 10, 3], seed=2), small([40, 10, 4], seed=1)):
        assert not np.array_equal(other.samples(0, 300).record, mixture.samples(0, 300).record)
    assert small([40, 10, 3], seed=2).hash == mixture.hash
    hashes = {
        small([40, 10, 3]).hash,
        small([40, 10, 4]).hash,
        small([40, 10, 3], draws=3).hash,
        small([40, 10, 3], order="random").hash,
        small([40, 10, 3], logical_batch=4).hash,
        small([40, 10, 3], alpha=1.0).hash,
    }
    assert len(hashes) == 6


def test_the_stream_stays_what_it_was(paper: Mixture) -> None:
    """A change here means that runs begun with an earlier version cannot be resumed."""
    assert paper.hash[:16] == "51bbe15a90268da9"
    drawn = paper.samples(10**8, 1000)
    assert hashlib.sha256(np.stack(drawn).tobytes()).hexdigest()[:16] == "378160a2881a3242"
    random = Mixture(paper.members, order="random", seed=7).samples(10**8, 1000)
    assert hashlib.sha256(np.stack(random).tobytes()).hexdigest()[:16] == "8067b9e4da682f5d"
    lavis = Mixture(paper.members, order="random_datasets", seed=7, logical_batch=12)
    assert (
        hashlib.sha256(np.stack(lavis.samples(10**8, 1000)).tobytes()).hexdigest()[:16]
        == "e2be39821aa3e36c"
    )


@pytest.mark.parametrize("position", [10**8, 10**12])
def test_far_samples_take_no_longer(paper: Mixture, position: int) -> None:
    times = []
    for number in range(30):
        start = time.perf_counter()
        paper.sample(position + number)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.001


# What a checkpoint keeps

BUILDS = {"d0": "aa", "d1": "bb"}


def test_a_state_comes_back(paper: Mixture) -> None:
    state = MixtureState.of(paper, BUILDS, 12_345)
    assert MixtureState.from_json(state.to_json(), "x") == state
    assert state.check(paper, BUILDS) == ()


@pytest.mark.parametrize(
    ("mixture", "builds", "said"),
    [
        (small([40, 11]), BUILDS, "d1/open was 10 records, .* and is 11 records"),
        (small([40, 10], seed=3), BUILDS, "the seed was 0 and is 3"),
        (small([40, 10, 5]), {**BUILDS, "d2": "cc"}, "d2/open was added"),
        (small([40]), {"d0": "aa"}, "d1/open was taken out"),
        (small([40, 10], order="random"), BUILDS, "order was stratified and is random"),
        (small([40, 10]), {"d0": "aa", "d1": "xx"}, "samples of d1 were made anew"),
    ],
)
def test_a_changed_mixture_is_refused(mixture: Mixture, builds: dict[str, str], said: str) -> None:
    state = MixtureState.of(small([40, 10]), BUILDS, 100)
    with pytest.raises(UserError, match=said):
        state.check(mixture, builds)
    assert state.check(mixture, builds, accept_changes=True)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{}", "no mixture state"),
        (b"\xff\xfe", "no mixture state"),
        (b'{"version": 9}', "version 9"),
        (b'{"version": 1, "position": "a"}', "damaged"),
    ],
)
def test_a_state_that_cannot_be_read(data: bytes, said: str) -> None:
    with pytest.raises(UserError, match=said):
        MixtureState.from_json(data, "run/state.json")


def test_shares_hold_over_many_cycles(paper: Mixture) -> None:
    """Counts of a stretch far out, for the sum of all that stands above."""
    counts = Counter(paper.samples(3 * CYCLE + 17, 100_000).member.tolist())
    for number, probability in enumerate(paper.probabilities.tolist()):
        assert abs(counts[number] - 100_000 * probability) < 2
