"""Things that are dear to make and are made once a test process."""

import os
from collections.abc import Iterator
from pathlib import Path

# Before torch and numpy are imported: test processes fill the cores, and threads of theirs beside
# them wait for one another (half of the CPU time of the trainer's tests went there).
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from browser import NAMES, Browser
from build_help import DATASETS, RELEASES, Commands
from export_help import make_odd_build
from hypothesis import settings
from own_help import convert_own, write_own

from instructify.twins.make import make_twin

# No test fails for being slow: machines are shared.
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")


@pytest.fixture(scope="session")
def raw_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small raw root with the twins of six unlike releases; not to be changed."""
    folder = tmp_path_factory.mktemp("twins") / "raw"
    make_twin(RELEASES, folder, scale=0.15)
    return folder


@pytest.fixture(scope="session")
def command() -> Iterator[Commands]:
    """Runs command lines quickly."""
    with Commands() as commands:
        yield commands


@pytest.fixture(scope="session")
def torch_command() -> Iterator[Commands]:
    """Runs quickly what needs torch and transformers, whose import takes seconds."""
    with Commands("instructify_train.run.launcher", "instructify_train.tiny.presets") as commands:
        yield commands


@pytest.fixture(scope="session")
def whole_build(
    raw_root: Path, command: Commands, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A build of all of `raw_root`, pictures stored; not to be changed."""
    out = tmp_path_factory.mktemp("whole") / "build"
    answer = command("convert", *DATASETS, "--raw", raw_root, "--out", out)
    assert answer.code == 0, answer.stderr
    return out


@pytest.fixture(scope="session")
def odd_build(command: Commands, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small build of all that an export may meet; not to be changed. See `export_help`."""
    return make_odd_build(command, tmp_path_factory.mktemp("odd"))


@pytest.fixture(scope="session")
def own_raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raw root of own datasets with its catalog; not to be changed. See `own_help`."""
    return write_own(tmp_path_factory.mktemp("own") / "raw")


@pytest.fixture(scope="session")
def own_build(own_raw: Path, command: Commands, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build of all own datasets of `own_raw`, two draws each; not to be changed."""
    return convert_own(command, own_raw, tmp_path_factory.mktemp("own-build") / "build")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser without a window, for the tests of one file; skipped where there is none."""
    browser = Browser.start()
    if browser is None:
        why = f"no Chromium here (looked for {', '.join(NAMES)})"
        if os.environ.get("INSTRUCTIFY_REQUIRE_BROWSER"):
            pytest.fail(why)
        pytest.skip(why)
    with browser:
        yield browser
