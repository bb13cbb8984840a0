"""Training from a build needs neither the package for clips nor that for the hub's datasets."""

import subprocess
import sys
from pathlib import Path

import pytest
from run_help import recipe_file

SCRIPT = """
import sys

sys.modules.update(av=None, datasets=None)  # importing them raises ImportError

from pathlib import Path

from instructify.build import Build
from instructify.catalog import load_catalog
from instructify_train.distributed import Ranks
from instructify_train.recipe import load_recipe
from instructify_train.run import set_up

config = load_recipe(sys.argv[2], ["run.validate_every=0"])
setup = set_up(Build.open(Path(sys.argv[1])), config, load_catalog(), Ranks())
print(sum(len(one.samples) for one in setup.steps(0)[0].passes))
"""


@pytest.mark.heavy
def test_a_step_is_made_without_them(whole_build: Path, tmp_path: Path) -> None:
    """In a process of its own, since the suite has imported both."""
    line = [sys.executable, "-c", SCRIPT, str(whole_build), str(recipe_file(tmp_path))]
    environment = {"PYTHONPATH": ":".join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(line, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == ["8"]
