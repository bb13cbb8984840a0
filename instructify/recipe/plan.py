"""What a mixture comes to: a row per member, for a run of so many steps; and two of them compared.

Lengths of answers are counted in words between white space, as no tokenizer is chosen yet; of large
members a spread of batches is counted.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from instructify.recipe.members import MixedBuild, Part
from instructify.recipe.sample_index import valid_batches

_COUNTED_BATCHES = 24  # per dataset; of up to 4,096 samples each


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanRow:
    """A member of the plan. `probability` is the share that is kept; `passes` are over records."""

    member: str
    dataset: str
    form: str
    splits: tuple[str, ...]
    size: int
    weighed: int
    root: float  # weighed ** alpha
    factor: float
    probability: float
    expected_draws: float
    passes: float
    draws_per_record: int
    words_per_answer: float
    answer_share: float
    disk_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """All rows, in the order of the recipe, and what holds for the whole."""

    recipe: str
    build: str
    note: str | None
    alpha: float
    size: str | int
    order: str
    batches: str
    seed: int
    mixture_hash: str
    steps: int
    batch: int
    rows: tuple[PlanRow, ...]
    picture_bytes: int

    @property
    def samples(self) -> int:
        return self.steps * self.batch

    @property
    def disk_bytes(self) -> int:
        return sum(row.disk_bytes for row in self.rows)

    @property
    def num_datasets(self) -> int:
        return len({row.dataset for row in self.rows})


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A member in two plans; None where a plan does not have it."""

    member: str
    before: PlanRow | None
    now: PlanRow | None

    @property
    def points(self) -> float:
        """Percentage points of all samples that the member gains."""
        return 100 * (_probability(self.now) - _probability(self.before))


def make_plan(mixed: MixedBuild, *, steps: int, batch: int) -> Plan:
    """Work out the plan of a recipe on a build."""
    mixture, recipe = mixed.mixture, mixed.recipe
    total = steps * batch
    words = _words(mixed)
    probabilities = mixture.probabilities.tolist()
    spoken = [
        p * words[part.member.name] for p, part in zip(probabilities, mixed.parts, strict=True)
    ]
    rows = []
    for part, probability, said in zip(mixed.parts, probabilities, spoken, strict=True):
        member = part.member
        weighed = member.size if member.weighed is None else member.weighed
        rows.append(
            PlanRow(
                member=member.name,
                dataset=part.dataset,
                form=part.form,
                splits=part.splits,
                size=member.size,
                weighed=weighed,
                root=float(weighed) ** recipe.alpha,
                factor=member.factor,
                probability=probability,
                expected_draws=probability * total,
                passes=probability * total / member.size,
                draws_per_record=member.draws,
                words_per_answer=words[member.name],
                answer_share=said / (math.fsum(spoken) or 1.0),
                disk_bytes=_disk_bytes(mixed, part),
            )
        )
    order = [member.dataset for member in recipe.members]
    files = mixed.build.manifest.files
    return Plan(
        recipe=recipe.name,
        build=mixed.build.paths.root.name,
        note=recipe.note,
        alpha=recipe.alpha,
        size=recipe.size,
        order=recipe.order,
        batches=recipe.batches,
        seed=recipe.seed,
        mixture_hash=mixture.hash,
        steps=steps,
        batch=batch,
        rows=tuple(sorted(rows, key=lambda row: order.index(row.dataset))),
        picture_bytes=sum(files[name].size_bytes for name in mixed.build.manifest.pictures.stores),
    )


def compare(before: Plan, now: Plan) -> tuple[Change, ...]:
    """Set two plans side by side, the members of `now` first."""
    old = {row.member: row for row in before.rows}
    new = {row.member: row for row in now.rows}
    names = [*new, *(name for name in old if name not in new)]
    return tuple(Change(member=name, before=old.get(name), now=new.get(name)) for name in names)


def plan_value(plan: Plan, changes: Sequence[Change] = ()) -> dict[str, Any]:
    """Shape a plan as JSON."""
    value = {name: getattr(plan, name) for name in Plan.__slots__ if name != "rows"}
    rows = [{name: getattr(row, name) for name in PlanRow.__slots__} for row in plan.rows]
    told = {**value, "samples": plan.samples, "num_datasets": plan.num_datasets, "members": rows}
    if changes:
        told["changes"] = [
            {
                "member": change.member,
                "probability_before": None if change.before is None else change.before.probability,
                "probability_now": None if change.now is None else change.now.probability,
                "percentage_points": change.points,
            }
            for change in changes
        ]
    return told


def _probability(row: PlanRow | None) -> float:
    return 0.0 if row is None else row.probability


def _disk_bytes(mixed: MixedBuild, part: Part) -> int:
    """Records and samples of the member's splits, by its part of the samples; no pictures."""
    manifest = mixed.build.manifest
    splits = [part.entry.splits[split] for split in part.splits]
    shards = [name for split in splits for name in (*split.record_shards, *split.sample_shards)]
    total = sum(manifest.files[name].size_bytes for name in shards)
    samples = sum(split.samples for split in splits)
    return round(total * part.index.forms[part.form].num_rows / samples)


class _Tally(NamedTuple):
    words: int
    answers: int


def _words(mixed: MixedBuild) -> dict[str, float]:
    """Count the words of each member's mean answer."""
    means: dict[str, float] = {}
    for part in mixed.parts:
        if part.member.name in means:
            continue
        tallies = _tallies(part.index.shards)
        for own in mixed.parts:
            if own.dataset == part.dataset:
                tally = tallies.get(own.form, _Tally(0, 0))
                means[own.member.name] = tally.words / max(1, tally.answers)
    return means


def _tallies(shards: Sequence[Path]) -> dict[str, _Tally]:
    tallies: dict[str, _Tally] = {}
    for batch in _spread(shards):
        answers = batch.column("response").is_valid().to_numpy(False)
        words = pc.list_value_length(pc.utf8_split_whitespace(batch.column("response")))
        counts = pc.fill_null(words, 0).to_numpy(False)
        forms = batch.column("form")
        codes = forms.indices.to_numpy(zero_copy_only=False)
        for code, form in enumerate(forms.dictionary.to_pylist()):
            own = (codes == code) & answers
            before = tallies.get(form, _Tally(0, 0))
            tallies[form] = _Tally(
                before.words + int(counts[own].sum()), before.answers + int(own.sum())
            )
    return tallies


def _spread(shards: Sequence[Path]) -> Iterator[pa.RecordBatch]:
    """Take all batches, or as many as are counted, spread evenly."""
    columns = ("response", "form")
    batches = [batch for shard in shards for batch in valid_batches(shard, columns)]
    places = np.linspace(0, len(batches) - 1, min(len(batches), _COUNTED_BATCHES))
    for place in places.astype(np.int64):
        yield batches[place]
