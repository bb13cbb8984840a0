"""Numbers for plots: records and templates of the whole build, texts of a spread of its samples."""

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
    """What is counted of a dataset."""

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
        own = texts.setdefault(name, Texts([], [], Counter()))
        uses = drawn.setdefault(entry.task, Counter())
        step = max(1, -(-of.samples // MOST_ROWS))
        for batch in build.samples(name, split).batches():
            uses.update(_counts(batch.column("template")))
            rows = pa.array(np.arange(0, batch.num_rows, step))
            _count_texts(own, batch.take(rows))
        kept = max(0, of.records - sum(of.sample_rejects.values()))
        rejected = sum(of.rejects.values())
        records.append([name, split, entry.role, kept, of.samples, rejected])
    return {
        "records": records,
        "templates": {task: dict(uses) for task, uses in drawn.items()},
        "words": _strips(
            {name: (one.instruction_words, one.response_words) for name, one in texts.items()}
        ),
        "answers": [_top(name, one.answers) for name, one in texts.items() if one.answers],
        "most_rows": MOST_ROWS,
    }


def token_figures(readings: Iterable[tuple[str, Reading]]) -> dict[str, Any]:
    """Count tokens of the shown samples by dataset, and those that truncation cut."""
    told: dict[str, tuple[list[int], list[int]]] = {}
    cut: dict[str, list[int]] = {}
    for name, one in readings:
        num_labels = len(one.label_ids)
        inside = num_labels if one.decoder is None else 0
        told.setdefault(name, ([], []))[0].append(len(one.language) - inside)
        if num_labels:
            told[name][1].append(num_labels)
        cut.setdefault(name, []).append(int(one.is_cut))
    return {
        "tokens": _strips(told),
        "cut": [[name, sum(flags), len(flags)] for name, flags in cut.items()],
    }


def _counts(column: pa.DictionaryArray) -> dict[str, int]:
    counted = pc.value_counts(column.cast(pa.string()))
    return {row["values"]: row["counts"] for row in counted.to_pylist()}


def _count_texts(own: Texts, batch: pa.RecordBatch) -> None:
    responses = batch.column("response").drop_null()
    own.instruction_words.extend(_words(batch.column("instruction")))
    own.response_words.extend(_words(responses))
    own.answers.update(text.strip().lower() for text in responses.to_pylist())


def _words(texts: pa.Array) -> list[int]:
    found: list[int] = pc.list_value_length(pc.utf8_split_whitespace(texts)).to_pylist()
    return found


def _strips(told: Mapping[str, tuple[list[int], list[int]]]) -> list[dict[str, Any]]:
    return [
        {"name": name, "instruction": _strip(asked), "response": _strip(said)}
        for name, (asked, said) in told.items()
    ]


def _strip(numbers: Sequence[int]) -> list[float] | None:
    """Take least, 5, 25, 50, 75, 95 of a hundred, and most."""
    if not numbers:
        return None
    middle = [round(float(one), 1) for one in np.percentile(numbers, _STRIP)]
    return [min(numbers), *middle, max(numbers)]


def _top(name: str, answers: Counter[str]) -> dict[str, Any]:
    return {
        "name": name,
        "total": answers.total(),
        "distinct": len(answers),
        "top": [[text[:80], count] for text, count in answers.most_common(_ANSWERS)],
    }
