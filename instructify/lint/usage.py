"""What a build made from its templates: how often each was drawn, and how varied and long texts
are.

Draws and distinct instructions are counted over all samples; words and n-grams over at most
`MOST_ROWS` samples of a task, spread evenly. Lengths are in words, and a word is at least one
token, so the true share of truncated texts is at least the share given here.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from instructify._util.keyed import Hashes, hash_texts
from instructify._util.wording import counted
from instructify.build import Build
from instructify.lint.finding import Finding
from instructify.lint.probes import Row
from instructify.lint.subject import Subject

MOST_ROWS = 20_000
INSTRUCTION_TOKENS = 128  # what training keeps of an instruction and of a response
RESPONSE_TOKENS = 256
_REAL_RECORDS = 20  # of each split
_TELLING_SHARE = 0.2
_CUT_SHARE = 0.05
_FEW = 20


class Lengths(NamedTuple):
    """Words of some texts: median, 95th percentile and maximum; the share over the limit."""

    median: int
    p95: int
    most: int
    over: float


class TaskUse(NamedTuple):
    """How a build used the templates of a task."""

    task: str
    samples: int
    drawn: int  # templates
    distinct: int  # instructions
    ngrams: tuple[float, float, float]  # distinct 1-, 2- and 3-grams per n-gram
    instruction: Lengths
    response: Lengths
    in_instruction: float  # share of longer responses that their instruction contains
    num_long: int


@dataclass(kw_only=True, slots=True)
class Usage:
    """The use of all tasks of a build, and the draws of each template by its key."""

    tasks: list[TaskUse] = field(default_factory=list)
    draws: Counter[str] = field(default_factory=Counter)
    hashes: dict[str, str] = field(default_factory=dict)  # template key => sha256
    forms: dict[str, set[str]] = field(default_factory=dict)  # task => forms of its records


def measure(build: Build) -> Usage:
    """Measure the samples of a build."""
    usage = Usage()
    tasks: dict[str, list[tuple[str, str]]] = {}
    for name, entry in build.manifest.datasets.items():
        for split, of in entry.splits.items():
            tasks.setdefault(entry.task, []).append((name, split))
            usage.forms.setdefault(entry.task, set()).update(of.forms)
    for task, splits in tasks.items():
        usage.tasks.append(_task(build, task, splits, usage))
    return usage


def real_records(build: Build) -> dict[tuple[str, str], list[Row]]:
    """Return some records of every split, for rendering templates."""
    records: dict[tuple[str, str], list[Row]] = {}
    for name, entry in build.manifest.datasets.items():
        for split in entry.splits:
            table = build.records(name, split)
            step = max(1, -(-len(table) // _REAL_RECORDS))
            for row in (table[at] for at in range(0, len(table), step)):
                records.setdefault((entry.task, row["form"]), []).append(row)
    return records


def usage_findings(usage: Usage, subjects: Sequence[Subject], folder: Path) -> Iterator[Finding]:
    """Report faults in the measured use."""
    known = {subject.template.key: subject.template.sha256 for subject in subjects}
    other = sorted(key for key, sha256 in usage.hashes.items() if known.get(key) != sha256)
    if other:
        more = "" if len(other) == 1 else f" and {len(other) - 1:,} more"
        what = f"it was rendered with other templates than these: {other[0]}{more}"
        yield Finding("warning", "other-templates", str(folder), None, None, what)
    if not other:
        yield from _never_drawn(usage, subjects)
    for use in usage.tasks:
        yield from _of_task(use, folder)


def _never_drawn(usage: Usage, subjects: Sequence[Subject]) -> Iterator[Finding]:
    """Find templates that were never drawn although the draws of their pool are many."""
    pools: dict[tuple[str, str], list[Subject]] = {}
    for subject in subjects:
        for task, form in subject.serves if subject.template.mode == "instruction" else ():
            if form in usage.forms.get(task, ()):
                pools.setdefault((task, form), []).append(subject)
    for (task, form), pool in pools.items():
        draws = sum(usage.draws[subject.template.key] for subject in pool)
        for subject in pool if draws >= _FEW * len(pool) else ():
            if not usage.draws[subject.template.key]:
                what = (
                    f"no sample of the build drew it, of {counted(draws, 'draw')} for {task} {form}"
                )
                yield subject.finding("warning", "never-drawn", what)


def _of_task(use: TaskUse, folder: Path) -> Iterator[Finding]:
    if use.in_instruction > _TELLING_SHARE and use.num_long >= _FEW:
        share = f"{use.in_instruction:.0%} of the longer responses of {use.task}"
        what = f"{share} stand in their instruction"
        yield Finding("warning", "answer-in-instruction", str(folder), None, None, what)
    for part, lengths, limit in (
        ("instructions", use.instruction, INSTRUCTION_TOKENS),
        ("responses", use.response, RESPONSE_TOKENS),
    ):
        if lengths.over > _CUT_SHARE:
            what = f"{lengths.over:.0%} of the {part} of {use.task} have over {limit} words"
            yield Finding("warning", "truncation", str(folder), None, None, what)


class _Taken(NamedTuple):
    """Texts of the samples that are measured."""

    instructions: list[str]
    responses: list[str | None]
    forms: list[str]


def _task(build: Build, task: str, splits: Sequence[tuple[str, str]], usage: Usage) -> TaskUse:
    samples = sum(build.split(name, split).samples for name, split in splits)
    step = max(1, -(-samples // MOST_ROWS))
    taken = _Taken([], [], [])
    hashes: list[Hashes] = []
    draws: Counter[str] = Counter()
    for name, split in splits:
        for batch in build.samples(name, split).batches():
            hashes.append(hash_texts(batch.column("instruction")))
            _count(batch, draws, usage)
            rows = pa.array(np.arange(0, batch.num_rows, step))
            taken.instructions.extend(batch.column("instruction").take(rows).to_pylist())
            taken.responses.extend(batch.column("response").take(rows).to_pylist())
            taken.forms.extend(batch.column("form").take(rows).to_pylist())
    usage.draws += draws
    in_instruction, num_long = _in_instruction(taken)
    return TaskUse(
        task=task,
        samples=samples,
        drawn=len(draws),
        distinct=len(np.unique(np.concatenate([np.empty(0, np.uint64), *hashes]))),
        ngrams=_ngrams(taken.instructions),
        instruction=_lengths(taken.instructions, INSTRUCTION_TOKENS),
        response=_lengths([text for text in taken.responses if text is not None], RESPONSE_TOKENS),
        in_instruction=in_instruction,
        num_long=num_long,
    )


def _count(batch: pa.RecordBatch, draws: Counter[str], usage: Usage) -> None:
    pairs = pa.table(
        {name: batch.column(name).cast(pa.string()) for name in ("template", "template_sha256")}
    )
    counted = pairs.group_by(["template", "template_sha256"]).aggregate([([], "count_all")])
    for row in counted.to_pylist():
        draws[row["template"]] += row["count_all"]
        usage.hashes[row["template"]] = row["template_sha256"]


def _lengths(texts: Sequence[str], limit: int) -> Lengths:
    if not texts:
        return Lengths(0, 0, 0, 0.0)
    words = pc.list_value_length(pc.utf8_split_whitespace(pa.array(texts))).to_numpy()
    return Lengths(
        median=int(np.median(words)),
        p95=int(np.percentile(words, 95)),
        most=int(words.max()),
        over=float((words > limit).mean()),
    )


def _ngrams(texts: Sequence[str]) -> tuple[float, float, float]:
    shares = []
    split = [text.lower().split() for text in texts]
    for size in (1, 2, 3):
        seen: set[tuple[str, ...]] = set()
        total = 0
        for words in split:
            grams = list(zip(*(words[at:] for at in range(size)), strict=False))
            total += len(grams)
            seen.update(grams)
        shares.append(len(seen) / total if total else 0.0)
    return shares[0], shares[1], shares[2]


def _in_instruction(taken: _Taken) -> tuple[float, int]:
    """Return the share of responses of three and more words that their instruction contains
    verbatim.

    Responses that choose among options are left out: the instruction always contains them.
    """
    long = [
        (instruction, response)
        for instruction, response, form in zip(*taken, strict=True)
        if response is not None and form != "multiple_choice" and len(response.split()) > 2
    ]
    held = sum(response in instruction for instruction, response in long)
    return (held / len(long) if long else 0.0), len(long)


def _tasks(subject: Subject) -> set[str]:
    return {task for task, _ in subject.serves}


def draws_by_template(usage: Usage, subjects: Sequence[Subject]) -> Mapping[str, int]:
    """Count the draws of every instruction template that fits records of the build, zeros included.

    A template whose forms no record of the build has can't be drawn, and is left out.
    """
    keys = [
        subject.template.key
        for subject in subjects
        if subject.template.mode == "instruction"
        and any(form in usage.forms.get(task, ()) for task, form in subject.serves)
    ]
    return {key: usage.draws[key] for key in sorted({*keys, *usage.draws})}
