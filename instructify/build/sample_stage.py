"""The last step before the commit: make samples of records and templates, unit by unit."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from instructify._util.errors import UserError
from instructify._util.shards import hash_file
from instructify.build.candidates import set_id
from instructify.build.manifest import Manifest, content_key
from instructify.build.paths import BuildPaths
from instructify.build.progress import Progress
from instructify.build.records_unit import REJECTS
from instructify.build.samples import (
    SAMPLE_SHARD_ROWS,
    SAMPLES,
    SamplesReceipt,
    SamplesSpec,
    SamplesUnit,
    draws_for,
    run_samples,
)
from instructify.build.state import Shard, SplitState, standing_shards
from instructify.build.workers import Workers
from instructify.templating import TemplateSet, fitting


@dataclass(frozen=True, kw_only=True, slots=True)
class Rendering:
    """The settings of rendering, which are the same for all splits of a run."""

    templates: TemplateSet
    folder: str
    task_titles: Mapping[str, str]
    draws: int | None
    seed: int


def run_sample_stage(
    groups: Sequence[tuple[Rendering, Sequence[SplitState]]],
    paths: BuildPaths,
    manifest: Manifest | None,
    pool: Workers,
    progress: Progress,
) -> None:
    """Render all splits whose samples in the build are not from the same inputs."""
    todo: list[tuple[SplitState, list[SamplesUnit]]] = []
    for rendering, states in groups:
        for state in states:
            units = _units(rendering, state, paths)
            state.samples_key = content_key("split", [unit.key for unit in units])
            if not _reuse(state, paths, manifest):
                todo.append((state, units))
    _check_records([state for state, _ in todo], paths)
    flat = [unit for _, units in todo for unit in units]
    with progress.stage("samples", len(flat), "shard") as bar:
        receipts = iter(pool.map(run_samples, flat, lambda *_: bar.advance(), stage="samples"))
    for state, units in todo:
        _take_over(state, units, [next(receipts) for _ in units])


def _check_records(states: Sequence[SplitState], paths: BuildPaths) -> None:
    """Refuse changed records of the build: wrong samples would remain after their repair."""
    for state in states:
        for path, facts in state.record_shards:
            if paths.staging not in path.parents and hash_file(path) != facts.sha256:
                raise UserError(
                    f"{path} was changed after the build; put it back, or delete it and "
                    f"`instructify convert {state.dataset}` into this build again."
                )


def _units(rendering: Rendering, state: SplitState, paths: BuildPaths) -> list[SamplesUnit]:
    spec = _spec(rendering, state)
    state.draws = spec.draws
    state.wanted_draws = rendering.draws
    state.templates_sha256 = content_key("templates", [t.sha256 for t in spec.templates])
    state.evaluation_prompts = sorted(
        {name for template in spec.templates for name in template.trains_on_evaluation_prompt}
    )
    state.templates_folder = rendering.folder
    state.prompts = rendering.templates.mode
    state.candidate_set = spec.candidate_set
    step = max(1, SAMPLE_SHARD_ROWS // spec.draws)
    units = []
    for number, shard in enumerate(state.record_shards):
        for start in range(0, max(1, shard.facts.rows), step):
            unit = SamplesUnit(
                spec=spec,
                shard=shard.path,
                shard_sha256=shard.facts.sha256,
                start=start,
                stop=min(start + step, shard.facts.rows),
                problems=None if state.problems is None else state.problems[number],
                staging=paths.staging,
            )
            units.append(unit)
    return units


def _spec(rendering: Rendering, state: SplitState) -> SamplesSpec:
    entry = state.entry
    pool = rendering.templates.for_task(entry.task, dataset=state.dataset)
    sizes = {form: len(fitting(pool, form)) for form in state.forms}
    lacking = next((form for form, size in sizes.items() if not size), None)
    if lacking is not None:
        raise UserError(
            f"{rendering.templates.folder} has no template of task '{entry.task}' for the form "
            f"'{lacking}' of {state.dataset}; add one to {pool[0].dataset or entry.task}.yaml."
        )
    return SamplesSpec(
        dataset=state.dataset,
        split=state.split,
        task=entry.task,
        task_name=rendering.task_titles[entry.task],
        dataset_name=entry.title if entry.role == "held-in" else "",
        templates=pool,
        draws=draws_for(state.records, state.split, sizes, rendering.draws),
        seed=rendering.seed,
        candidate_set=None if state.candidates is None else set_id(state.candidates),
        own_candidates=entry.own_candidates,
        reader=state.reader,
        source_hashes={source.name: source.sha256 for source in state.raw},
        records_key=state.records_key,
        problems_sha256=state.problems_sha256,
    )


def _reuse(state: SplitState, paths: BuildPaths, manifest: Manifest | None) -> bool:
    standing = state.standing
    if standing is None or manifest is None or standing.samples_key != state.samples_key:
        return False
    shards = standing_shards(manifest, paths, state.dataset, standing.sample_shards)
    if shards is None:
        return False
    state.samples = standing.samples
    state.sample_shards = shards
    state.sample_rejects = Counter(standing.sample_rejects)
    state.sample_ledgers = None
    return True


def _take_over(
    state: SplitState, units: Sequence[SamplesUnit], receipts: Sequence[SamplesReceipt]
) -> None:
    state.samples = sum(receipt.samples for receipt in receipts)
    state.sample_shards = [
        Shard(unit.folder / SAMPLES, receipt.shard)
        for unit, receipt in zip(units, receipts, strict=True)
    ]
    state.sample_rejects = sum((Counter(receipt.rejects) for receipt in receipts), Counter())
    state.sample_ledgers = [unit.folder / REJECTS for unit in units]
