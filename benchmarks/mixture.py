"""The mixture alone: samples a second by block size, one far sample, and the usual ways beside it.

Run: python benchmarks/mixture.py. Thirteen datasets with the sizes of the complete releases. Peers
draw from the same shares: `datasets.interleave_datasets` (iterable, over ranges) and torch's
WeightedRandomSampler where torch is there. Figures are medians of rounds.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import islice

import datasets
import numpy as np

from instructify.mixture import Member, Mixture

SIZES = {
    "aokvqa": 17_056,
    "aokvqa_qg": 17_056,
    "coco_caption": 566_747,
    "llava_conversation": 294_393,
    "llava_detail": 23_240,
    "llava_reasoning": 76_643,
    "ocr_vqa": 801_673,
    "okvqa": 9_009,
    "okvqa_qg": 9_009,
    "textcaps": 109_765,
    "vqav2": 443_757,
    "vqav2_qg": 443_757,
    "web_capfilt": 13_873_136,
}
FAR = 10**8
ROUNDS = 5


def seconds(work: Callable[[], object]) -> float:
    """Time one piece of work: the median of some rounds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def ours(order: str) -> None:
    """Time blocks far out in the stream, one sample, and the laying out of the cycle."""
    members = [Member(name=f"{name}/open", size=size) for name, size in SIZES.items()]
    mixture = Mixture(members, order=order)
    start = time.perf_counter()
    mixture.sample(0)
    first = time.perf_counter() - start
    one = seconds(lambda: mixture.sample(FAR))
    print(f"{order:<11} first sample {first * 1e3:,.0f} ms, sample 1e8 {one * 1e6:,.0f} us")
    for block in (192, 4_096, 65_536):
        took = seconds(lambda size=block: mixture.samples(FAR, size))  # type: ignore[misc]
        print(f"{order:<11} blocks of {block:>6,}: {block / took / 1e6:5.2f} M samples/s")


def interleaved(count: int) -> None:
    """Draw from `datasets.interleave_datasets`, and extrapolate its way to a far sample."""

    def numbers(size: int) -> Iterator[dict[str, int]]:
        for number in range(size):
            yield {"number": number}

    members = [
        datasets.IterableDataset.from_generator(numbers, gen_kwargs={"size": size})
        for size in SIZES.values()
    ]
    roots = np.sqrt(list(SIZES.values()))
    mixed = datasets.interleave_datasets(members, probabilities=(roots / roots.sum()).tolist())
    start = time.perf_counter()
    drawn = sum(1 for _ in islice(mixed, count))
    rate = drawn / (time.perf_counter() - start)
    print(f"datasets    interleave: {rate / 1e6:.4f} M samples/s; to 1e8: {FAR / rate:,.0f} s")


def weighted(count: int) -> None:
    """Draw from torch's sampler, which has every sample of a pass in memory and no far access."""
    if find_spec("torch") is None:
        print("torch       is not installed")
        return
    from torch.utils.data import WeightedRandomSampler

    roots = np.sqrt(list(SIZES.values()))

    def draw() -> None:
        for _ in WeightedRandomSampler((roots / roots.sum()).tolist(), count):
            pass

    print(f"torch       WeightedRandomSampler: {count / seconds(draw) / 1e6:.2f} M members/s")


if __name__ == "__main__":
    ours("stratified")
    ours("random")
    interleaved(20_000)
    weighted(200_000)
