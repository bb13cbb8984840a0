"""The plan of a mixture: a row per member for a run of some number of steps; plans compared."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from instructify.recipe.lengths import count_words
from instructify.recipe.loss_share import loss_shares
from instructify.recipe.members import MixedBuild, Part
from instructify.recipe.run_settings import RunSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanRow:
    """A member of the plan. `probability` is the share over a cycle; `passes` are over records.

    `loss_share` is the member's share of the loss (`loss_share.py`), `answer_share` its share of
    all words of responses.
    """

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
    loss_share: float
    disk_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """All rows, in the order of the recipe, and the figures for the whole plan."""

    recipe: str
    build: str
    note: str | None
    alpha: float
    size: str | int
    order: str
    shares: str
    batches: str
    logical_batch: int | None  # samples of one member that are drawn together
    seed: int
    mixture_hash: str
    steps: int
    batch: int
    window: int
    bucket: bool
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
        """Percentage points of all samples that the member gains or loses."""
        return 100 * (_probability(self.now) - _probability(self.before))


def make_plan(
    mixed: MixedBuild, *, steps: int, batch: int, settings: RunSettings | None = None
) -> Plan:
    """Compute the plan of a recipe on a build; `settings` say how its batches are dealt."""
    mixture, recipe = mixed.mixture, mixed.recipe
    dealt = RunSettings() if settings is None else settings
    counted = count_words(mixed)
    words = {name: float(counts.response.mean()) for name, counts in counted.items()}
    losses = loss_shares(mixture, counted, dealt, batch)
    probabilities = mixture.probabilities.tolist()
    spoken = [
        p * words[part.member.name] for p, part in zip(probabilities, mixed.parts, strict=True)
    ]
    rows = [
        _row(
            mixed,
            part,
            probability,
            total=steps * batch,
            words=words[part.member.name],
            answer_share=said / (math.fsum(spoken) or 1.0),
            loss_share=loss,
        )
        for part, probability, said, loss in zip(
            mixed.parts, probabilities, spoken, losses, strict=True
        )
    ]
    order = [member.dataset for member in recipe.members]
    files = mixed.build.manifest.files
    return Plan(
        recipe=recipe.name,
        build=mixed.build.paths.root.name,
        note=recipe.note,
        alpha=recipe.alpha,
        size=recipe.size,
        order=recipe.order,
        shares=recipe.shares,
        batches=recipe.batches,
        logical_batch=mixture.logical_batch,
        seed=recipe.seed,
        mixture_hash=mixture.hash,
        steps=steps,
        batch=batch,
        window=dealt.window,
        bucket=dealt.bucket,
        rows=tuple(sorted(rows, key=lambda row: order.index(row.dataset))),
        picture_bytes=sum(files[name].size_bytes for name in mixed.build.manifest.pictures.stores),
    )


def _row(
    mixed: MixedBuild,
    part: Part,
    probability: float,
    *,
    total: int,
    words: float,
    answer_share: float,
    loss_share: float,
) -> PlanRow:
    member = part.member
    weighed = member.size if member.weighed is None else member.weighed
    return PlanRow(
        member=member.name,
        dataset=part.dataset,
        form=part.form,
        splits=part.splits,
        size=member.size,
        weighed=weighed,
        root=float(weighed) ** mixed.recipe.alpha,
        factor=member.factor,
        probability=probability,
        expected_draws=probability * total,
        passes=probability * total / member.size,
        draws_per_record=member.draws,
        words_per_answer=words,
        answer_share=answer_share,
        loss_share=loss_share,
        disk_bytes=_disk_bytes(mixed, part),
    )


def compare(before: Plan, now: Plan) -> tuple[Change, ...]:
    """Compare two plans by member, the members of `now` first."""
    old = {row.member: row for row in before.rows}
    new = {row.member: row for row in now.rows}
    names = [*new, *(name for name in old if name not in new)]
    return tuple(Change(member=name, before=old.get(name), now=new.get(name)) for name in names)


def plan_value(plan: Plan, changes: Sequence[Change] = ()) -> dict[str, Any]:
    """Return a plan as JSON values."""
    value = {name: getattr(plan, name) for name in Plan.__slots__ if name != "rows"}
    rows = [{name: getattr(row, name) for name in PlanRow.__slots__} for row in plan.rows]
    result = {**value, "samples": plan.samples, "num_datasets": plan.num_datasets, "members": rows}
    if changes:
        result["changes"] = [
            {
                "member": change.member,
                "probability_before": None if change.before is None else change.before.probability,
                "probability_now": None if change.now is None else change.now.probability,
                "percentage_points": change.points,
                "loss_share_before": None if change.before is None else change.before.loss_share,
                "loss_share_now": None if change.now is None else change.now.loss_share,
            }
            for change in changes
        ]
    return result


def _probability(row: PlanRow | None) -> float:
    return 0.0 if row is None else row.probability


def _disk_bytes(mixed: MixedBuild, part: Part) -> int:
    """Return the bytes of the member's records and samples, without pictures."""
    manifest = mixed.build.manifest
    splits = [part.entry.splits[split] for split in part.splits]
    shards = [name for split in splits for name in (*split.record_shards, *split.sample_shards)]
    total = sum(manifest.files[name].size_bytes for name in shards)
    samples = sum(split.samples for split in splits)
    return round(total * part.index.forms[part.form].num_rows / samples)
