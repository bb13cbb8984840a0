"""Run one evaluation of a build: questions, answers, score, and a record of what produced them."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from instructify import __version__
from instructify._util.errors import UndefinedScoreError, UserError
from instructify._util.terminal import bar_stream
from instructify.build import Build, content_key
from instructify.catalog import Catalog
from instructify.metrics import (
    Prediction,
    Result,
    answer_key,
    choose_scoring,
    is_gold_for,
    score,
    variants,
)
from instructify.protocols import Protocol, Questions, read_questions
from instructify.templating import TemplateFolders
from instructify_train.distributed import Ranks, gather, wait_for_all
from instructify_train.evaluate.answering import Answerer, answerer_of
from instructify_train.evaluate.predict import Evaluator
from instructify_train.evaluate.result_folder import ResultFolder
from instructify_train.evaluate.trained import Trained
from instructify_train.run_folder import versions

_LIBRARIES = ("torch", "transformers", "tokenizers")


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluatedModel:
    """The model to evaluate, ready to answer, and what identifies it."""

    answerer: Answerer
    facts: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationOptions:
    """Options of an evaluation other than its protocol; `batch` does not change results."""

    out: Path
    templates: TemplateFolders
    limit: int | None = None
    batch: int = 16
    resume: bool = False
    shows: bool = True


def evaluated_model(
    source: str, trained: Trained, device: torch.device, precision: torch.dtype
) -> EvaluatedModel:
    """Prepare a model for evaluation and hash its weights in the precision used."""
    answerer = answerer_of(trained, device, precision)
    facts: dict[str, Any] = {
        "source": source,
        "step": None if trained.state is None else trained.state.step,
        "sha256": weights_sha256(answerer.model.model),
        "instruction_aware": trained.config.instruction_aware,
        "precision": str(precision).removeprefix("torch."),
        "frames": trained.data.frames,
        "language_model": answerer.model.model.config.text_config.model_type,
    }
    known = trained.trained_on
    if known.fine_tuned_on:
        facts["fine_tuned_on"] = list(known.fine_tuned_on)
    if known.evaluation_prompts:
        facts["evaluation_prompts"] = list(known.evaluation_prompts)
    return EvaluatedModel(answerer=answerer, facts=facts)


def weights_sha256(model: torch.nn.Module) -> str:
    """Hash names, types, shapes and bytes of all weights."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        plain = value.detach().cpu().contiguous()
        digest.update(f"{name} {plain.dtype} {tuple(plain.shape)}\n".encode())
        digest.update(plain.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def evaluate_protocol(
    evaluated: EvaluatedModel,
    build: Build,
    catalog: Catalog,
    protocol: Protocol,
    options: EvaluationOptions,
    ranks: Ranks,
) -> dict[str, Any]:
    """Evaluate one protocol, or read its result if there is one; to be called by all processes."""
    store = build.pictures()
    if store is None:
        raise UserError(
            f"{build.paths.root} was made without pictures; convert with `--pictures store` to "
            "evaluate on it"
        )
    questions = read_questions(build, protocol, catalog, options.templates, limit=options.limit)
    folder = ResultFolder(options.out / protocol.name)
    facts = _facts(evaluated, protocol, questions, options)
    with folder.held(is_first=ranks.is_first):
        if ranks.is_first:
            folder.claim(content_key("evaluation", facts), facts, resume=options.resume)
        wait_for_all()
        if folder.result() is None:
            evaluator = Evaluator(
                evaluated.answerer, protocol, questions, store, batch=options.batch
            )
            _answer(evaluator, folder, protocol, ranks, shows=options.shows)
            wait_for_all()
            if ranks.is_first:
                _finish(folder, evaluator.num_parts, build, catalog, protocol, questions, facts)
        wait_for_all()
    result = folder.result()
    assert result is not None
    return result


def _facts(
    evaluated: EvaluatedModel, protocol: Protocol, questions: Questions, options: EvaluationOptions
) -> dict[str, Any]:
    """Return everything that decides the answers; equal facts mean the same evaluation."""
    prompts = [[row.id, row.instruction, row.qformer_instruction] for row in questions.rows]
    return {
        "model": dict(evaluated.facts),
        "protocol": protocol.name,
        "protocol_sha256": protocol.key,
        "split_sha256": questions.split_sha256,
        "prompts_sha256": content_key("prompts", prompts),
        "candidates_sha256": questions.candidates_sha256,
        "limit": options.limit,
        "versions": {"instructify": __version__, **versions(_LIBRARIES)},
    }


def _answer(
    evaluator: Evaluator, folder: ResultFolder, protocol: Protocol, ranks: Ranks, *, shows: bool
) -> None:
    """Answer the missing parts of this process."""
    done = gather(folder.done())[
        0
    ]  # listed by the first process: else the shares of processes could overlap
    missing = [number for number in range(evaluator.num_parts) if number not in done]
    mine = missing[ranks.rank :: ranks.world]
    with tqdm(
        total=len(mine),
        desc=protocol.name,
        unit="part",
        file=bar_stream(),
        disable=None if shows and ranks.is_first else True,
        leave=False,
    ) as bar:
        for number, predictions in evaluator.parts(mine):
            folder.write_part(number, predictions)
            bar.update()


def _finish(
    folder: ResultFolder,
    num_parts: int,
    build: Build,
    catalog: Catalog,
    protocol: Protocol,
    questions: Questions,
    facts: Mapping[str, Any],
) -> None:
    predictions = folder.read_parts(num_parts)
    undefined = None
    try:
        scored = _scored(predictions, protocol, questions)
    except UndefinedScoreError as error:  # the other datasets of a suite continue
        scored, undefined = None, str(error)
    entry = build.dataset(protocol.dataset)
    by_id: dict[str | int, float] = {}
    if scored is not None:
        by_id.update(zip(scored[0].ids, scored[0].scores.tolist(), strict=True))
    rows = [
        {**row, "item_score": by_id[row["id"]]} if row["id"] in by_id else row
        for row in predictions
    ]
    result = {
        "name": protocol.name,
        "dataset": protocol.dataset,
        "role": entry.role,
        **facts,
        "protocol": protocol.value(),
        "asked": len(questions.rows),
        "of_total": questions.of_total,
        "complete": _is_complete(build, catalog, protocol, questions),
        "skipped": dict(questions.skipped),
        "without_gold": sum(not is_gold_for(row.item, protocol.metric) for row in questions.rows),
        "undefined": undefined,
        "score": None if scored is None else scored[0].summary(),
        "variants": {} if scored is None else scored[1],
    }
    folder.finish(rows, [row.item for row in questions.rows], result)


def _scored(
    rows: Sequence[Mapping[str, Any]], protocol: Protocol, questions: Questions
) -> tuple[Result, dict[str, float]] | None:
    """Score questions with golds by all variants of the metric; None if there are no golds."""
    if not questions.labelled:
        return None
    results = {
        name: score_predictions(rows, protocol, questions, name)
        for name in variants(protocol.dataset, protocol.metric, protocol.form)
    }
    return results[protocol.variant], {name: result.value for name, result in results.items()}


def score_predictions(
    rows: Sequence[Mapping[str, Any]], protocol: Protocol, questions: Questions, variant: str
) -> Result:
    """Score the predictions of questions with golds by one variant of the metric."""
    items = [
        answered.item for answered in questions.rows if is_gold_for(answered.item, protocol.metric)
    ]
    known = {item.id for item in items}
    key = answer_key(protocol.metric)
    predictions = [Prediction(row["id"], row[key]) for row in rows if row["id"] in known]
    scoring = choose_scoring(
        protocol.dataset,
        protocol.metric,
        variant,
        form=protocol.form,
        vocabulary=questions.vocabulary,
    )
    return score(scoring, items, predictions)


def _is_complete(
    build: Build, catalog: Catalog, protocol: Protocol, questions: Questions
) -> bool | None:
    """Whether all questions of the official split were answered; None if its size is unknown."""
    entry = build.dataset(protocol.dataset)
    dataset = catalog.dataset(protocol.dataset).with_options(entry.options)
    expected = dataset.split(protocol.split).expected_for(dataset.options)
    if expected is None or expected.records is None:
        return None
    # The catalog marks the official counts that are rounded.
    least = expected.records * (1.0 if expected.exact else 0.95)
    return entry.splits[protocol.split].records >= least and questions.is_whole
