"""`eval`: the scores of a model on datasets, each evaluated with its protocol."""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from instructify._util.errors import UserError
from instructify._util.terminal import paragraph, wrapped
from instructify.build import Build
from instructify.catalog import Catalog, load_catalog
from instructify.protocols import (
    Mean,
    Protocol,
    check_folder,
    named_protocol,
    named_suite,
    protocol_folders,
    suite_means,
)
from instructify.templating import TemplateFolders


@dataclass(frozen=True, kw_only=True, slots=True)
class EvalRequest:
    """The options of `eval`."""

    model: str
    build: Path
    names: Sequence[str] = ()
    suite: str | None = None
    out: Path
    checkpoint: str = "best"
    settings: Sequence[str] = ()
    limit: int | None = None
    batch: int = 16
    device: str = "auto"
    precision: str = "auto"
    resume: bool = False
    templates: TemplateFolders = field(default_factory=TemplateFolders.of)
    catalog_file: Path | None = None


class Evaluated(NamedTuple):
    """The results of protocols as plain values, and why other protocols of a suite did not run."""

    results: list[dict[str, Any]]
    without: dict[str, str]
    is_first: bool  # whether this is the first process of a launcher


def run_eval(request: EvalRequest, *, as_json: bool) -> None:
    """Evaluate and print the scores; the processes of a launcher share the questions."""

    def tell(result: dict[str, Any]) -> None:
        if not as_json:
            print(result_line(result), flush=True)

    evaluation = evaluated(request, tell)
    if not evaluation.is_first:
        return
    for name, why in evaluation.without.items():
        print(f"not evaluated: {name}: {why}", file=sys.stderr)
    means = _means(request, evaluation.results)
    if as_json:
        value = {"results": evaluation.results, "not_evaluated": evaluation.without}
        mean_values = {mean.name: mean._asdict() for mean in means}
        print(json.dumps({**value, **({"means": mean_values} if means else {})}, indent=1))
        return
    print("".join(f"{mean_line(mean)}\n" for mean in means), end="")
    more = f"{request.out}: beside the published figures by `instructify results {request.out}`."
    print("\n" + paragraph(more, cut=False))


def evaluated(request: EvalRequest, tell: Callable[[dict[str, Any]], None]) -> Evaluated:
    """Evaluate with each requested protocol, and call `tell` with each result."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    catalog = load_catalog(extra=request.catalog_file)
    build = Build.open(request.build)
    protocols, without = chosen_protocols(request, catalog, build)
    from instructify_train.distributed import join, leave
    from instructify_train.evaluate import (
        EvaluationOptions,
        check_out,
        evaluate_protocol,
        evaluated_model,
        load_trained,
    )
    from instructify_train.model import device_of, precision_of

    check_out(request.out)
    device = device_of(request.device)
    ranks = join(device)
    try:
        model = evaluated_model(
            request.model,
            load_trained(request.model, request.checkpoint),
            device,
            precision_of(request.precision, device),
        )
        options = EvaluationOptions(
            out=request.out,
            templates=request.templates,
            limit=request.limit,
            batch=request.batch,
            resume=request.resume,
            shows=sys.stderr.isatty(),
        )
        if ranks.is_first and model.facts.get("fine_tuned_on"):
            print(_fine_tuned(model.facts["fine_tuned_on"]), file=sys.stderr)
        results = []
        for protocol in protocols:
            results.append(evaluate_protocol(model, build, catalog, protocol, options, ranks))
            if ranks.is_first:
                tell(results[-1])
    finally:
        leave()
    return Evaluated(results, without, ranks.is_first)


def chosen_protocols(
    request: EvalRequest, catalog: Catalog, build: Build
) -> tuple[list[Protocol], dict[str, str]]:
    """Load the requested protocols; of a suite, those that the build has the data for."""
    folder = protocol_folders(request.templates)
    check_folder(catalog, folder)
    if bool(request.names) == (request.suite is not None):
        raise UserError(
            "say what to evaluate: names of datasets, or one of --held-out, --held-in and --suite"
        )
    if request.suite is None:
        return [
            named_protocol(catalog, name, request.settings, folder=folder) for name in request.names
        ], {}
    suite = named_suite(request.suite, folder)
    every = [
        named_protocol(catalog, name, [*suite.settings_of(name), *request.settings], folder=folder)
        for name in suite.protocols
    ]
    lacks = {
        protocol.name: why for protocol in every if (why := _lack(build, protocol)) is not None
    }
    evaluable = [protocol for protocol in every if protocol.name not in lacks]
    if not evaluable:
        raise UserError(
            f"{build.paths.root} has nothing to evaluate of the suite {request.suite}: "
            f"{next(iter(lacks))} {next(iter(lacks.values()))}, and so on"
        )
    return evaluable, lacks


def _lack(build: Build, protocol: Protocol) -> str | None:
    entry = build.manifest.datasets.get(protocol.dataset)
    if entry is None:
        return "is not in the build"
    split = entry.splits.get(protocol.split)
    if split is None:
        return f"has no split '{protocol.split}' in the build"
    if not split.samples:
        return "has no usable picture in the build"
    return None if protocol.form in split.forms else f"has no records of form '{protocol.form}'"


def _fine_tuned(datasets: Sequence[str]) -> str:
    return paragraph(
        f"note: the model was fine-tuned on {', '.join(datasets)}; its score there is not a "
        "zero-shot score."
    )


def _means(request: EvalRequest, results: Sequence[Mapping[str, Any]]) -> list[Mean]:
    if request.suite is None:
        return []
    return suite_means(named_suite(request.suite, protocol_folders(request.templates)), results)


def mean_line(mean: Mean) -> str:
    """Return the mean of the scores of a suite as text for a terminal."""
    over = f"mean of {mean.name}, {len(mean.protocols)} sets"
    if mean.value is None:
        return "\n".join(wrapped(f"{over}: none, without {', '.join(mean.lacks)}"))
    return f"{over:<24}{100 * mean.value:6.2f}{'' if mean.complete else ' *'}"


def result_line(result: dict[str, Any]) -> str:
    """Return one result as a line for a terminal."""
    protocol = result["protocol"]
    where = f"{result['name']}/{protocol['split']}"
    if result.get("undefined"):
        return f"{where:<28}no score: {result['undefined']}"
    if result["score"] is None:
        return f"{where:<28}predicted {result['asked']:,}; its golds are not public"
    score = result["score"]
    low, high = (100 * bound for bound in score["interval"])
    value = f"{100 * score['value']:6.2f}  [{low:.1f}, {high:.1f}]"
    scorer = f"{score['metric']} ({score['variant']})"
    part = "" if result["complete"] else " *"
    return f"{where:<24}{value:<24}{scorer:<25}{score['count']:>5,}{part}"
