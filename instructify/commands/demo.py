"""`demo`: twins of all releases, all 26 datasets converted, and a look at some samples."""

import shutil
import sys
import time
from pathlib import Path

from instructify.build.opened import Build
from instructify.commands.convert import run_convert
from instructify.commands.inspect import run_inspect
from instructify.errors import UserError
from instructify.twins.make import WRITERS, make_twin

_MARK = ".instructify-demo"
_SHOWN = ("vqav2", "aokvqa", "visdial", "msvd_qa")


def run_demo(out: Path, jobs: int) -> None:
    """Do it all in a folder of its own, which a second run writes anew."""
    start = time.monotonic()
    _clear(out)
    print(f"1. synthetic releases of all 26 datasets in {out / 'raw'}", file=sys.stderr)
    make_twin(list(WRITERS), out / "raw")
    print(f"2. converted into {out / 'build'}\n", file=sys.stderr)
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
    print("\n3. some samples\n", file=sys.stderr)
    build = Build.open(out / "build")
    for name in _SHOWN:
        split = next(iter(build.dataset(name).splits))
        run_inspect(out / "build", name, 1, split, None, as_json=False)
        print()
    print(
        f"done in {time.monotonic() - start:.0f} s. More: instructify inspect {out / 'build'} -n 3"
        f"\nYour own data: instructify catalog, then instructify convert NAME --raw DIR --out BUILD"
    )


def _clear(out: Path) -> None:
    """Empty the folder of an earlier demo; refuse any other that holds something."""
    if out.is_dir() and any(out.iterdir()):
        if not (out / _MARK).exists():
            raise UserError(f"{out} is not empty and no earlier demo; choose another --out")
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / _MARK).touch()
