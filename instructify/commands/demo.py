"""`demo`: twins of all releases, all 26 datasets converted, a tiny model trained on 13 of them.

Nothing is downloaded. The towers of the tiny model are trained first, as those of the published
models were. The recipe `tiny` says whether they then stay frozen.
"""

import shutil
import sys
import time
from pathlib import Path

from instructify._util.errors import UserError
from instructify.build import Build, EngineOptions
from instructify.commands.convert import ConvertOptions, run_convert
from instructify.commands.demo_model import train_and_ask
from instructify.commands.inspect import run_inspect
from instructify.twins import WRITERS, make_twin, twin_datasets

_MARK = ".instructify-demo"
_SHOWN = ("vqav2", "visdial")
_LARGER = ("vqav2", "coco_caption")  # what the tiny model learns from most


def run_demo(out: Path, jobs: int, *, full: bool, trains: bool) -> None:
    """Run all steps in the folder `out`; a second run replaces what is in it."""
    start = time.monotonic()
    _clear(out)
    datasets = twin_datasets()
    print(f"1. synthetic releases of {len(datasets)} datasets in {out / 'raw'}", file=sys.stderr)
    make_twin([name for name in WRITERS if name not in _LARGER], out / "raw")
    make_twin(_LARGER, out / "raw", scale=40 if full else 12)
    print(f"2. converted into {out / 'build'}\n", file=sys.stderr)
    _convert(out, jobs, datasets, None)
    _convert(out, jobs, ["vizwiz"], "val")  # its usual split, test, has no golds to score
    print("\n3. some samples\n", file=sys.stderr)
    build = Build.open(out / "build")
    for name in _SHOWN:
        split = next(iter(build.dataset(name).splits))
        run_inspect(out / "build", name, 1, split, None, as_json=False)
        print()
    if trains:
        train_and_ask(out, build, full=full)
    print(
        f"\ndone in {time.monotonic() - start:.0f} s. More: "
        f"instructify inspect {out / 'build'} -n 3"
        "\nYour own data: instructify catalog, then instructify convert NAME --raw DIR --out BUILD"
    )


def _convert(out: Path, jobs: int, names: list[str], split: str | None) -> None:
    options = ConvertOptions(
        names=names,
        groups=(False, False, False),
        raw=out / "raw",
        out=out / "build",
        split=split,
        engine=EngineOptions(jobs=jobs),
    )
    code = run_convert(options, as_json=False)
    if code:
        raise SystemExit(code)


def _clear(out: Path) -> None:
    """Empty the folder of an earlier demo; refuse any other folder that is not empty."""
    if out.is_dir() and any(out.iterdir()):
        if not (out / _MARK).exists():
            raise UserError(f"{out} is not empty and no earlier demo; choose another --out")
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / _MARK).touch()
