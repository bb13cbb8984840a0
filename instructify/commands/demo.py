"""`demo`: twins of all releases, all 26 datasets converted, a tiny model trained on 13 of them.

Nothing is downloaded. The tiny model's towers are taught first, as the published models' were, and
then stay frozen, or learn on, as the recipe `tiny` says.
"""

import os
import shutil
import sys
import textwrap
import time
from importlib.util import find_spec
from pathlib import Path

from instructify.build.opened import Build
from instructify.catalog import load_catalog
from instructify.commands.convert import run_convert
from instructify.commands.inspect import run_inspect
from instructify.errors import UserError
from instructify.twins.make import WRITERS, make_twin

_MARK = ".instructify-demo"
_SHOWN = ("vqav2", "visdial")
_LARGER = ("vqav2", "coco_caption")  # what the tiny model learns from most
_ASKED = (("vqav2", "val"), ("okvqa", "val"), ("gqa", "testdev"))
_NUM_ASKED = 200
_NUM_SHOWN = 4
_STEPS, _FULL_STEPS = 250, 2_000


def run_demo(out: Path, jobs: int, *, full: bool, trains: bool) -> None:
    """Do it all in a folder of its own, which a second run writes anew."""
    start = time.monotonic()
    _clear(out)
    print(f"1. synthetic releases of all 26 datasets in {out / 'raw'}", file=sys.stderr)
    make_twin([name for name in WRITERS if name not in _LARGER], out / "raw")
    make_twin(_LARGER, out / "raw", scale=40 if full else 12)
    print(f"2. converted into {out / 'build'}\n", file=sys.stderr)
    _convert(out, jobs)
    print("\n3. some samples\n", file=sys.stderr)
    build = Build.open(out / "build")
    for name in _SHOWN:
        split = next(iter(build.dataset(name).splits))
        run_inspect(out / "build", name, 1, split, None, as_json=False)
        print()
    if trains:
        _train(out, build, full=full)
    print(
        f"\ndone in {time.monotonic() - start:.0f} s. More: "
        f"instructify inspect {out / 'build'} -n 3"
        "\nYour own data: instructify catalog, then instructify convert NAME --raw DIR --out BUILD"
    )


def _convert(out: Path, jobs: int) -> None:
    code = run_convert(
        names=[],
        groups=(False, False, True),
        raw=out / "raw",
        out=out / "build",
        images=[],
        split=None,
        draws=None,
        seed=0,
        jobs=jobs,
        limit=None,
        pictures="store",
        ocr=None,
        settings=[],
        max_rejects=None,
        catalog_file=None,
        templates=None,
        as_json=False,
    )
    if code:
        raise SystemExit(code)


def _train(out: Path, build: Build, *, full: bool) -> None:
    """Teach the towers, train the tiny model, and ask it."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    if find_spec("torch") is None:
        print("4. no training: torch is not installed (`pip install 'instructify[train]'`)")
        return
    from train.distributed import Ranks
    from train.launch import launch
    from train.recipe import load_recipe
    from train.towers import TowersRequest, teach_towers

    started = time.monotonic()
    print("4. the towers of a tiny model, taught (a minute)", file=sys.stderr)
    request = TowersRequest() if full else TowersRequest(vision_steps=150, language_steps=250)
    teach_towers(request, out / "towers", lambda *_: None)
    print(f"   {time.monotonic() - started:.0f} s\n5. trained on 13 datasets\n", file=sys.stderr)
    settings = [f"model.name={out / 'towers'}", f"run.steps={_FULL_STEPS if full else _STEPS}"]
    config = load_recipe("tiny", settings)
    launch(build, config, load_catalog(), out / "run", Ranks(), resume=False, accept=False)
    print("\n6. questions about pictures that it never saw\n", file=sys.stderr)
    _ask(out, build)
    print(f"\nThe curves of the run: {out / 'run' / 'report.html'}")


def _ask(out: Path, build: Build) -> None:
    from train.answering import Answerer
    from train.loading import device_of
    from train.questions import ask, share_right
    from train.trained import load_trained

    answerer = Answerer(load_trained(str(out / "run")), device_of("cpu"))
    for dataset, split in _ASKED:
        asked = ask(answerer, build, dataset, split, _NUM_ASKED)
        for one in asked[:_NUM_SHOWN]:
            mark = "right" if one.is_right else f"no: {one.accepted[0]}"
            question = textwrap.shorten(one.instruction, 50, placeholder=" ...")
            print(f"  {question:<52}{one.answer[:14]:<15}{mark[:13]}")
        print(f"{dataset}: {100 * share_right(asked):.0f} % of {len(asked)} right\n")


def _clear(out: Path) -> None:
    """Empty the folder of an earlier demo; refuse any other that holds something."""
    if out.is_dir() and any(out.iterdir()):
        if not (out / _MARK).exists():
            raise UserError(f"{out} is not empty and no earlier demo; choose another --out")
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / _MARK).touch()
