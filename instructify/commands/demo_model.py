"""The demo's model: train it on 13 datasets, ask it, and evaluate it on the other 13."""

import os
import sys
import textwrap
import time
from importlib.util import find_spec
from pathlib import Path

from instructify.build import Build
from instructify.catalog import load_catalog
from instructify.commands.eval import EvalRequest, run_eval
from instructify.commands.results import run_results
from instructify.templating import TemplateFolders

_ASKED = (("vqav2", "val"), ("okvqa", "val"), ("gqa", "testdev"))
_NUM_ASKED = 200
_NUM_SHOWN = 4
_NUM_EVALUATED = 200
_STEPS, _FULL_STEPS = 250, 1_000


def train_and_ask(out: Path, build: Build, *, full: bool) -> None:
    """Train the towers and the tiny model, and ask it questions; `full` also evaluates it."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    if find_spec("torch") is None:
        print("4. no training: torch is not installed (`pip install 'instructify[train]'`)")
        return
    from instructify_train.distributed import Ranks
    from instructify_train.recipe import load_recipe
    from instructify_train.run import StartOptions, launch
    from instructify_train.tiny import TowersRequest, teach_towers

    started = time.monotonic()
    took = "some minutes" if full else "a minute"
    print(f"4. training the towers of a tiny model ({took})", file=sys.stderr)
    request = TowersRequest(vision_steps=150, language_steps=250, grounding_steps=0)
    if full:
        request = TowersRequest(vision_steps=400, language_steps=400, grounding_steps=300)
    teach_towers(request, out / "towers", lambda *_: None)
    print(f"   {time.monotonic() - started:.0f} s\n5. training on 13 datasets\n", file=sys.stderr)
    settings = [f"model.name={out / 'towers'}", f"run.steps={_FULL_STEPS if full else _STEPS}"]
    config = load_recipe("tiny", settings)
    launch(build, config, load_catalog(), out / "run", Ranks(), StartOptions())
    print("\n6. questions about pictures that it never saw\n", file=sys.stderr)
    _ask(out, build)
    print(f"\nThe curves of the run: {out / 'run' / 'report.html'}")
    if full:
        print("\n7. the 13 held-out datasets, each by its protocol\n", file=sys.stderr)
        _evaluate(out)


def _ask(out: Path, build: Build) -> None:
    from instructify_train.evaluate import answerer_of, ask, load_trained, share_right
    from instructify_train.model import device_of

    answerer = answerer_of(load_trained(str(out / "run")), device_of("cpu"))
    for dataset, split in _ASKED:
        answers = ask(answerer, build, dataset, split, _NUM_ASKED)
        for answer in answers[:_NUM_SHOWN]:
            mark = "right" if answer.is_right else f"no: {answer.accepted[0]}"
            question = textwrap.shorten(answer.instruction, 50, placeholder=" ...")
            print(f"  {question:<52}{answer.answer[:14]:<15}{mark[:13]}")
        print(f"{dataset}: {100 * share_right(answers):.0f} % of {len(answers)} right\n")


def _evaluate(out: Path) -> None:
    """Print the tiny model's scores on twins below the published scores, to show the commands."""
    request = EvalRequest(
        model=str(out / "run"),
        build=out / "build",
        names=(),
        suite="held-out",
        out=out / "results",
        checkpoint="best",
        settings=(),
        limit=_NUM_EVALUATED,
        batch=32,
        device="cpu",
        precision="fp32",
        resume=False,
        templates=TemplateFolders.of(),
        catalog_file=None,
    )
    run_eval(request, as_json=False)
    print()
    page = out / "results.html"
    run_results([out / "results"], html=page, build=out / "build", markdown=False, as_json=False)
    print(
        "\n".join(
            textwrap.wrap(
                "The last row is a model of 2 million parameters on synthetic pictures: it shows "
                "that all 13 evaluations run, and says nothing about photographs.",
                80,
                break_on_hyphens=False,
            )
        )
    )
