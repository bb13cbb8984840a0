"""Numbers for plots: records and templates of the whole build, texts of samples spread over it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from instructify.build import Build
from instructify.inspecting.tokens import Reading

MOST_ROWS = 20_000  # of a split, for lengths and answers
_ANSWERS = 10
_STRIP = (5, 25, 50, 75, 95)


class Texts(NamedTuple):
    """Counts of one dataset: words of each text, and how often each answer occurs."""

    instruction_words: list[int]
    response_words: list[int]
    answers: Counter[str]


def build_figures(build: Build, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Count records, template use, words and answers of some splits."""
    texts: dict[str, Texts] = {}
    drawn: dict[str, Counter[str]] = {}
    records = []
    for name, split in pairs:
        entry, of = build.dataset(name), build.split(name, split)
        counts = texts.setdefault(name, Texts([], [], Counter()))
        uses = drawn.setdefault(entry.task, Counter())
        step = max(1, -(-of.samples // MOST_ROWS))
        for batch in build.samples(name, split).batches():
            uses.update(_counts(batch.column("template")))
            rows = pa.array(np.arange(0, batch.num_rows, step))
            _count_texts(counts, batch.take(rows))
        num_kept = max(0, of.records - sum(of.sample_rejects.values()))
        rejected = sum(of.rejects.values())
        records.append([name, split, entry.role, num_kept, of.samples, rejected])
    return {
        "records": records,
        "templates": {task: dict(uses) for task, uses in drawn.items()},
        "words": _strips(
            {
                name: (counts.instruction_words, counts.response_words)
                for name, counts in texts.items()
            }
        ),
        "answers": [_top(name, counts.answers) for name, counts in texts.items() if counts.answers],
        "most_rows": MOST_ROWS,
    }


def token_figures(readings: Iterable[tuple[str, Reading]]) -> dict[str, Any]:
    """Count the tokens of the shown samples by dataset, and the samples that truncation cut."""
    lengths: dict[str, tuple[list[int], list[int]]] = {}
    cut: dict[str, list[int]] = {}
    for name, reading in readings:
        num_labels = len(reading.label_ids)
        inside = num_labels if reading.decoder is None else 0
        lengths.setdefault(name, ([], []))[0].append(len(reading.language) - inside)
        if num_labels:
            lengths[name][1].append(num_labels)
        cut.setdefault(name, []).append(int(reading.is_cut))
    return {
        "tokens": _strips(lengths),
        "cut": [[name, sum(flags), len(flags)] for name, flags in cut.items()],
    }


def _counts(column: pa.DictionaryArray) -> dict[str, int]:
    counted = pc.value_counts(column.cast(pa.string()))
    return {row["values"]: row["counts"] for row in counted.to_pylist()}


def _count_texts(counts: Texts, batch: pa.RecordBatch) -> None:
    responses = batch.column("response").drop_null()
    counts.instruction_words.extend(_words(batch.column("instruction")))
    counts.response_words.extend(_words(responses))
    counts.answers.update(text.strip().lower() for text in responses.to_pylist())


def _words(texts: pa.Array) -> list[int]:
    counts: list[int] = pc.list_value_length(pc.utf8_split_whitespace(texts)).to_pylist()
    return counts


def _strips(lengths: Mapping[str, tuple[list[int], list[int]]]) -> list[dict[str, Any]]:
    return [
        {"name": name, "instruction": _strip(instructions), "response": _strip(responses)}
        for name, (instructions, responses) in lengths.items()
    ]


def _strip(numbers: Sequence[int]) -> list[float] | None:
    """Return the minimum, the percentiles 5, 25, 50, 75 and 95, and the maximum."""
    if not numbers:
        return None
    middle = [round(float(value), 1) for value in np.percentile(numbers, _STRIP)]
    return [min(numbers), *middle, max(numbers)]


def _top(name: str, answers: Counter[str]) -> dict[str, Any]:
    return {
        "name": name,
        "total": answers.total(),
        "distinct": len(answers),
        "top": [[text[:80], count] for text, count in answers.most_common(_ANSWERS)],
    }
