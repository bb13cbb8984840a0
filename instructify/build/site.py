"""Open a build for a writing command: the lock, the engine, and the staging folder."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from instructify._util.shards import make_folder
from instructify.build.commit import finish_commit
from instructify.build.engine_options import EngineOptions
from instructify.build.lock import write_lock
from instructify.build.part_workers import open_part, part_at_work
from instructify.build.paths import BuildPaths
from instructify.build.workers import Workers, open_workers


@contextmanager
def open_site(options: EngineOptions, paths: BuildPaths) -> Iterator[Workers]:
    """Open the engine, and the build for writing, as its only writer or as a part."""
    with open_workers(options) as workers:
        if options.part is not None:
            with open_part(options.part, paths, workers) as part:
                yield part
            return
        with write_lock(paths.lock):
            finish_commit(paths)
            make_folder(paths.staging)
            yield workers


def clear_staging(paths: BuildPaths) -> None:
    """Remove staged results after a commit, unless a late part still uses them."""
    owner = part_at_work(paths.parts)
    if owner is not None:
        print(
            f"{paths.staging} stays: process {owner.pid} on {owner.host} works there as a part "
            "of this conversion; the next convert or retemplate removes it.",
            file=sys.stderr,
        )
        return
    shutil.rmtree(paths.staging, ignore_errors=True)
