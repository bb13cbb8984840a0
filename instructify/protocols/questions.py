"""The questions of a protocol: records of a build with prompt, candidates and reference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from instructify._util.errors import UserError, did_you_mean
from instructify.build import Build, content_key
from instructify.catalog import Catalog
from instructify.metrics import Item, is_gold_for, item_of_row
from instructify.mixture import choose_rows
from instructify.protocols.candidates import (
    CandidateSet,
    of_choices,
    of_labels,
    vocabulary_of,
)
from instructify.protocols.model import CandidateRule, Protocol
from instructify.protocols.prompts import prompt_template, render_prompts
from instructify.schema import RECORD_SCHEMA
from instructify.templating import TemplateFolders

DIFFICULT = "marked difficult"
_GOLDS = (
    *("record_id", "pictures", "references", "choices", "choice_index", "relevance"),
    *("subset", "difficult"),
)


class Question(NamedTuple):
    """One question; `candidates` is the index of its candidate set, or None."""

    id: str
    pictures: tuple[str, ...]
    instruction: str
    qformer_instruction: str | None
    candidates: int | None
    item: Item


@dataclass(frozen=True, kw_only=True, slots=True)
class Questions:
    """All questions of a protocol in the order of the build, and counts of those left out.

    `skipped` counts by reason. `vocabulary` is that of video answers, for the scorer.
    """

    rows: list[Question]
    sets: list[CandidateSet]
    skipped: Mapping[str, int]
    split_sha256: str
    of_total: int
    vocabulary: tuple[str, ...] | None
    labelled: bool

    @property
    def is_whole(self) -> bool:
        """Whether these are all questions of the protocol."""
        asked_for = {name: n for name, n in self.skipped.items() if name != DIFFICULT}
        return len(self.rows) == self.of_total and not asked_for

    @property
    def candidates_sha256(self) -> str | None:
        """The hash of all candidate sets and the set of each question; None without candidates."""
        if not self.sets:
            return None
        used = [row.candidates for row in self.rows]
        return content_key("candidates", [[candidates.sha256 for candidates in self.sets], used])


def read_questions(
    build: Build,
    protocol: Protocol,
    catalog: Catalog,
    templates: TemplateFolders,
    *,
    limit: int | None = None,
) -> Questions:
    """Read the records of a split and make the questions of a protocol.

    Args:
        build: the build to evaluate on.
        protocol: the protocol, which names dataset, split and form.
        catalog: the catalog with the titles of tasks.
        templates: the templates for prompts of the multitask baselines.
        limit: number of questions, chosen by a key; None for all.

    Raises:
        UserError: the build lacks the split, or has no record of the form.
    """
    records, skipped = _records(build, protocol)
    total = records.num_rows
    if limit is not None:
        rows = np.sort(choose_rows(total, limit, protocol.dataset, "evaluation"))
        records = records.take(rows)
    entry = build.dataset(protocol.dataset)
    constants = {
        "dataset": protocol.dataset,
        "split": protocol.split,
        "task": entry.task,
        "form": protocol.form,
        "task_name": catalog.tasks[entry.task].title,
        "dataset_name": entry.title if entry.role == "held-in" else "",
    }
    template = prompt_template(protocol, entry.task, templates)
    prompts = render_prompts(records, protocol, template, constants)
    if prompts.failed:
        skipped["prompt failed"] = len(prompts.failed)
        if len(prompts.failed) == records.num_rows:
            raise UserError(
                f"no prompt of {protocol.name} could be rendered: {prompts.failed[0].detail}"
            )
    asked_rows = _asked(build, protocol, records, prompts.instruction, prompts.qformer_instruction)
    return Questions(
        rows=asked_rows.rows,
        sets=asked_rows.sets,
        skipped=skipped,
        split_sha256=_split_sha256(build, protocol),
        of_total=total,
        vocabulary=asked_rows.vocabulary,
        labelled=any(is_gold_for(row.item, protocol.metric) for row in asked_rows.rows),
    )


class _Asked(NamedTuple):
    rows: list[Question]
    sets: list[CandidateSet]
    vocabulary: tuple[str, ...] | None


def _records(build: Build, protocol: Protocol) -> tuple[pa.Table, dict[str, int]]:
    """Return the records of the form that have a sample, so that their pictures are usable."""
    splits = build.dataset(protocol.dataset).splits
    if protocol.split not in splits:
        raise UserError(
            f"{build.paths.root} has no split '{protocol.split}' of {protocol.dataset}, which its "
            f"protocol evaluates; convert it with `--split {protocol.split}`, or use another with "
            f"`--set split=NAME`; {did_you_mean(protocol.split, splits)}"
        )
    opened = build.records(protocol.dataset, protocol.split)
    table = pa.Table.from_batches(list(opened.batches()), RECORD_SCHEMA)
    table = table.filter(pc.equal(table.column("form").cast(pa.string()), protocol.form))
    if not table.num_rows:
        raise UserError(
            f"{protocol.dataset}/{protocol.split} in {build.paths.root} has no records of form "
            f"'{protocol.form}', which {protocol.name} evaluates"
        )
    samples = build.samples(protocol.dataset, protocol.split).select(["record_id"])
    usable = pc.is_in(table.column("record_id"), samples.column("record_id"))
    usable_rows = table.filter(usable)
    if not usable_rows.num_rows:
        raise UserError(
            f"none of the {table.num_rows:,} records of {protocol.dataset}/{protocol.split} in "
            f"{build.paths.root} has a usable picture; `instructify check {protocol.dataset}` says "
            "how to get them"
        )
    skipped: dict[str, int] = {}
    if usable_rows.num_rows < table.num_rows:
        skipped["picture missing or unusable"] = table.num_rows - usable_rows.num_rows
    if protocol.skips_difficult:
        easy = usable_rows.filter(pc.invert(pc.fill_null(usable_rows.column("difficult"), False)))
        if easy.num_rows < usable_rows.num_rows:
            skipped[DIFFICULT] = usable_rows.num_rows - easy.num_rows
        usable_rows = easy
    return usable_rows, skipped


def _asked(
    build: Build,
    protocol: Protocol,
    records: pa.Table,
    instructions: Sequence[str | None],
    qformer: Sequence[str | None],
) -> _Asked:
    rule = protocol.candidates
    sets: dict[CandidateSet, int] = {}
    shared, vocabulary = _shared(build, protocol, rule)
    if rule is not None and shared is not None:
        sets[shared] = 0
    rows = []
    for row, instruction, qformer_instruction in zip(
        records.select(list(_GOLDS)).to_pylist(), instructions, qformer, strict=True
    ):
        if instruction is None:
            continue
        number = None
        if rule is not None:
            candidates = shared if shared is not None else _own(row, rule)
            number = sets.setdefault(candidates, len(sets))
        rows.append(
            Question(
                id=row["record_id"],
                pictures=tuple(row["pictures"]),
                instruction=instruction,
                qformer_instruction=qformer_instruction,
                candidates=number,
                item=item_of_row(
                    row, row["choices"] if protocol.form == "multiple_choice" else None
                ),
            )
        )
    return _Asked(rows, list(sets), vocabulary)


def _shared(
    build: Build, protocol: Protocol, rule: CandidateRule | None
) -> tuple[CandidateSet | None, tuple[str, ...] | None]:
    """Return the candidate set of all questions if they share one, and the scorer's vocabulary.

    Video answers are scored with their vocabulary even if they are not chosen from it.
    """
    if rule is not None and rule.source == "labels":
        return of_labels(rule.labels), None
    if rule is not None and rule.source == "choices":
        return None, None
    name = build.split(protocol.dataset, protocol.split).candidate_set
    if rule is None and name is None:
        return None, None
    vocabulary = vocabulary_of(build.candidate_sets(), name, protocol.dataset)
    return (None if rule is None else vocabulary), vocabulary.values


def _own(row: Mapping[str, Any], rule: CandidateRule) -> CandidateSet:
    if not row["choices"]:
        raise UserError(
            f"{row['record_id']} has no choices to rank; the protocol's 'candidates' are 'choices'"
        )
    return of_choices(row["choices"], rule)


def _split_sha256(build: Build, protocol: Protocol) -> str:
    """Hash the shards of records and of samples, which depend on the usable pictures."""
    split = build.split(protocol.dataset, protocol.split)
    files = build.manifest.files
    shards = [*split.record_shards, *split.sample_shards]
    return content_key("split", [[shard, files[shard].sha256] for shard in shards])
