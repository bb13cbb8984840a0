"""Rendering alone: Jinja per row, `datasets.map`, and our columns, in one run on the same rows.

Run: python benchmarks/render.py [--rows N]. W1 is ten plain question templates, W2 ten mixed ones;
each row uses one of the ten. Every way's first rows are compared before anything is timed. The slow
ways are timed on a sample of the rows; figures are medians of rows per second.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import datasets
import jinja2
import numpy as np
import pyarrow as pa

from instructify._util.keyed import hash_texts, mix, uniform_index
from instructify.columns import render_table
from instructify.templating.model import Template

W1 = (
    "{{ question }}",
    "Look at the image and answer: {{ question }}",
    "{{ question }} Keep it short.",
    "Q: {{ question }} A:",
    "Question: {{ question }}\nAnswer:",
    "Question: {{ question }}\nShort answer:",
    "Someone asks about this picture: {{ question }} The short answer is",
    "Using what you see, reply in one to three words. {{ question }}",
    'What would you answer to "{{ question }}"?',
    "Answer from the image alone. {{ question }} Be brief.",
)
W2 = (
    "{{ question }}",
    "Q: {{ question }} A:",
    "Answer this: {{ question | lower }}",
    "{{ question | trim | capitalize }} Answer:",
    "{% if context %}{{ context }}\n{% endif %}{{ question }}",
    "{% if context %}Given: {{ context }} {% else %}No context. {% endif %}{{ question }}",
    "{{ question }} Options: {{ choices | join(', ') }}",
    "{{ question }}{% for c in choices %} ({{ loop.index0 | letter }}) {{ c }}{% endfor %}",
    "{{ question }}\n{% for c in choices %}- {{ c | lower }}\n{% endfor %}Choose one.",
    "{{ question }} Pick one of {{ choices | length }}: {{ choices | join(' or ') }}.",
)
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SAMPLE_ROWS = 20_000
BATCH_ROWS = 65_536
ROUNDS = 5

Way = Callable[[int], Any]


class Timing(NamedTuple):
    """What one way reached."""

    way: str
    rows_per_s: float


def main() -> None:
    """Print one table per workload."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    datasets.disable_progress_bars()
    table = make_table(rows)
    which = uniform_index(mix(hash_texts([str(row) for row in range(rows)]), "benchmark", 0), 10)
    for name, sources in (("W1, ten plain templates", W1), ("W2, ten mixed templates", W2)):
        print(f"\n{name}, {rows:,} rows")
        report(measure(table, which, sources))


def make_table(rows: int) -> pa.Table:
    """Make questions of VQA's length, four choices each, a context on every other row."""
    nouns = np.array(["dog", "red bus", "Umbrella", "man on the left", "traffic light", "cup"])
    colours = np.array(["Red", "blue", "dark green", "white", "black and white"])
    numbers = np.arange(rows)
    questions = np.char.add("What is the ", nouns[numbers % 6])
    questions = np.char.add(
        questions, np.char.add(" doing near number ", (numbers % 977).astype("U"))
    )
    questions = np.char.add(questions, "?")
    choices = pa.array(colours).take(pa.array((np.arange(rows * 4) * 7 // 3) % 5))
    offsets = pa.array(np.arange(rows + 1) * 4, pa.int32())
    contexts = pa.array(np.char.add("Scene ", (numbers % 31).astype("U")), mask=numbers % 2 == 1)
    return pa.table(
        {
            "question": pa.array(questions, pa.string()),
            "answer": pa.array(colours).take(pa.array(numbers % 5)),
            "choices": pa.ListArray.from_arrays(offsets, choices),
            "context": contexts,
        }
    )


def measure(table: pa.Table, which: np.ndarray[Any, Any], sources: Sequence[str]) -> list[Timing]:
    """Check that all ways agree, then time each."""
    ways: dict[str, tuple[Way, int]] = {
        "Jinja per row (get_template, render)": (naive(table, which, sources), SAMPLE_ROWS),
        "datasets.map, batches of 1000": (mapped(table, which, sources), SAMPLE_ROWS),
        "instructify columns, batches of 65,536": (ours(table, which, sources), len(which)),
    }
    outputs = [as_list(way(2_000)) for way, _ in ways.values()]
    if any(output != outputs[0] for output in outputs):
        sys.exit("the ways disagree")
    floor = copied(ours(table, which, sources)(len(which)))
    return timed({**ways, "memcpy of the output": (floor, len(which))})


def as_list(texts: Sequence[str] | pa.ChunkedArray) -> list[str]:
    """Bring what a way returns into one shape."""
    return texts.to_pylist() if isinstance(texts, pa.ChunkedArray) else list(texts)


def naive(table: pa.Table, which: np.ndarray[Any, Any], sources: Sequence[str]) -> Way:
    """Render as one would at first: look the template up and call it with the row."""
    environment = jinja_environment(sources)

    def run(rows: int) -> list[str]:
        records = table.slice(0, rows).to_pylist()
        return [
            environment.get_template(str(number)).render(**record)
            for number, record in zip(which[:rows].tolist(), records, strict=True)
        ]

    return run


def mapped(table: pa.Table, which: np.ndarray[Any, Any], sources: Sequence[str]) -> Way:
    """Render by `datasets.map` over batches, with templates compiled beforehand."""
    environment = jinja_environment(sources)
    templates = [environment.get_template(str(number)) for number in range(len(sources))]
    dataset = datasets.Dataset(table.append_column("which", pa.array(which)))

    def render(batch: Mapping[str, Sequence[Any]]) -> dict[str, list[str]]:
        names = list(batch)
        records = (dict(zip(names, row, strict=True)) for row in zip(*batch.values(), strict=True))
        return {"instruction": [templates[record["which"]].render(record) for record in records]}

    def run(rows: int) -> pa.ChunkedArray:
        part = dataset.select(range(rows))
        done = part.map(
            render,
            batched=True,
            batch_size=1000,
            remove_columns=part.column_names,
            keep_in_memory=True,
            load_from_cache_file=False,
            new_fingerprint="benchmark",
        )
        return done.data.column("instruction")

    return run


def jinja_environment(sources: Sequence[str]) -> jinja2.Environment:
    """Set Jinja up as users do, with the one filter that it lacks."""
    loader = jinja2.DictLoader({str(number): source for number, source in enumerate(sources)})
    environment = jinja2.Environment(loader=loader, keep_trailing_newline=True)
    environment.filters["letter"] = lambda index: LETTERS[index]
    return environment


def ours(table: pa.Table, which: np.ndarray[Any, Any], sources: Sequence[str]) -> Way:
    """Render by columns, a batch at a time."""
    templates = [
        Template(task="benchmark", id=str(number), version=1, forms=("open",), instruction=source)
        for number, source in enumerate(sources)
    ]

    def run(rows: int) -> pa.ChunkedArray:
        bounds = [(start, min(start + BATCH_ROWS, rows)) for start in range(0, rows, BATCH_ROWS)]
        return pa.chunked_array(
            render_table(table.slice(start, end - start), templates, which[start:end]).instruction
            for start, end in bounds
        )

    return run


def timed(ways: Mapping[str, tuple[Way, int]]) -> list[Timing]:
    """Time the ways in turn, several rounds, so that a busy moment of the machine hits them all."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, (way, rows) in ways.items():
            start = time.perf_counter()
            way(rows)
            rates[name].append(rows / (time.perf_counter() - start))
    return [Timing(name, statistics.median(values)) for name, values in rates.items()]


def copied(texts: pa.ChunkedArray) -> Way:
    """Copy rendered bytes: no way of rendering can be faster."""
    sources = [np.frombuffer(chunk.buffers()[2], np.uint8) for chunk in texts.chunks]
    targets = [np.empty_like(source) for source in sources]

    def run(rows: int) -> list[str]:
        for target, source in zip(targets, sources, strict=True):
            np.copyto(target, source)
        return []

    return run


def report(timings: Sequence[Timing]) -> None:
    """Print rates, and their ratios to the first two ways."""
    naive_rate, map_rate = timings[0].rows_per_s, timings[1].rows_per_s
    print(f"{'way':42}{'rows/s':>14}{'x per row':>11}{'x map':>9}")
    for way, speed in timings:
        print(f"{way:42}{speed:>14,.0f}{speed / naive_rate:>11.1f}{speed / map_rate:>9.1f}")


if __name__ == "__main__":
    main()
