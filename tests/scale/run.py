"""The same bytes by one process, four, two nodes of Ray and seven parts, also when killed.

Run: python tests/scale/run.py FOLDER [NAME...] [--ways WAY...] [--kills N] [--seed N] [--scale X]
         [--pairs N] [--pictures N]
Writes the twins of all releases into FOLDER/raw, and a twin of Web CapFilt of N pairs with pictures
in tars into FOLDER/pairs/raw; builds both in all four ways, then kills at random: a worker, a node,
the command or a part; the same command again has to end at the same bytes. Needs Ray.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from build_help import difference, tree
from capfilt_twin import write_capfilt
from ray_cluster import Cluster

from instructify.build import STAGES
from instructify.twins import WRITERS, make_twin

WAYS = ("processes", "parts", "ray", "kills")
KINDS = ("worker", "node", "command", "part")
PARTS = 7
COMMAND = [sys.executable, "-m", "instructify", "convert"]


class Rig:
    """One raw root and the build that every way has to give."""

    def __init__(self, folder: Path, names: Sequence[str], chance: random.Random) -> None:
        self.folder = folder
        self.chance = chance
        self.line = [*COMMAND, *(names or ["--all"]), "--raw", str(folder / "raw"), "--out"]
        self.wanted: dict[str, str] = {}
        self.length_s = 0.0

    def start(self, out: Path, *options: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*self.line, str(out), *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "RAY_AUTH_MODE": "disabled"},
        )

    def run(self, out: Path, *options: str) -> None:
        """Run to the end; the exit code has to be 0."""
        running = self.start(out, *options)
        _, stderr = running.communicate()
        if running.returncode:
            raise SystemExit(f"{options} left with {running.returncode}: {stderr[-2000:]}")

    def timed(self, what: str, out: Path, *options: str) -> Path:
        """Run to the end, say how long it took, and return the build."""
        start = time.monotonic()
        self.run(out, *options)
        print(f"{what}: {time.monotonic() - start:.1f} s", flush=True)
        return out

    def check(self, out: Path, what: str) -> None:
        """Compare a build with the wanted one, and remove it."""
        differing = difference(tree(out), self.wanted)
        if differing:
            raise SystemExit(f"{what}: other bytes in {differing[:9]}, see {out}")
        print(f"{what}: the same bytes", flush=True)
        shutil.rmtree(out)


def parts(rig: Rig, out: Path) -> None:
    """Seven parts in random order: in each stage two are killed, and one is run twice at once."""
    for stage in STAGES:
        order = rig.chance.sample(range(1, PARTS + 1), PARTS)
        struck, twice = set(order[:2]), order[2]
        for number in rig.chance.sample(order, PARTS):
            options = ("--stage", stage, "--part", f"{number}/{PARTS}")
            if number in struck:
                shot(rig, out, options, rig.chance.uniform(0.3, 3))
            other = rig.start(out, *options) if number == twice else None
            rig.run(out, *options)
            if other is not None and other.wait():
                raise SystemExit(f"{options}, run twice at once, left with {other.returncode}")
    rig.run(out)


def shot(rig: Rig, out: Path, options: Sequence[str], after_s: float) -> None:
    """Start a command and kill it and its processes after some time."""
    running = rig.start(out, *options)
    time.sleep(after_s)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGKILL)
    running.wait()


def strike(rig: Rig, cluster: Cluster, out: Path, kind: str) -> None:
    """Kill something at a random moment, and bring the conversion to its end."""
    engine = ("--engine", f"ray:{cluster.address}")
    after_s = rig.chance.uniform(0.2, 1) * rig.length_s
    if kind == "part":
        stage = rig.chance.choice(STAGES)
        for before in STAGES[: STAGES.index(stage)]:
            rig.run(out, "--stage", before)
        shot(rig, out, ("--stage", stage, "--part", "1/1"), rig.chance.uniform(0.5, 2.5))
        rig.run(out)
        return
    if kind == "command":
        shot(rig, out, engine, after_s)
        rig.run(out, *engine)
        return
    running = rig.start(out, *engine)
    time.sleep(after_s)
    if kind == "node":
        cluster.kill_node()
    else:
        while not cluster.kill_worker(rig.chance) and running.poll() is None:
            time.sleep(0.01)
    _, stderr = running.communicate()
    if running.returncode:
        raise SystemExit(f"killed a {kind}: left with {running.returncode}: {stderr[-2000:]}")
    cluster.revive()


def everywhere(rig: Rig, ways: Sequence[str], cluster: Cluster | None) -> None:
    """Build with one process, then in all ways that are wanted, and compare the bytes."""
    rig.wanted = tree(rig.timed("1 process", rig.folder / "one"))
    if "processes" in ways:
        rig.check(rig.timed("4 processes", rig.folder / "four", "--jobs", "4"), "4 processes")
    if "parts" in ways:
        parts(rig, rig.folder / "parts")
        rig.check(rig.folder / "parts", f"{PARTS} parts")
    if cluster is not None:
        engine = ("--engine", f"ray:{cluster.address}")
        start = time.monotonic()
        rig.check(rig.timed("two nodes of Ray", rig.folder / "ray", *engine), "two nodes of Ray")
        rig.length_s = time.monotonic() - start


def kill(rig: Rig, cluster: Cluster, kills: int) -> None:
    """Kill in turn each kind of process, at random moments."""
    for number in range(kills):
        kind = KINDS[number % len(KINDS)]
        out = rig.folder / f"killed-{number}"
        strike(rig, cluster, out, kind)
        rig.check(out, f"kill {number + 1} of {kills}, of a {kind}")


def main() -> None:
    """Build in all ways, then kill."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--pairs", type=int, default=2_000_000, help="0: without this twin")
    parser.add_argument("--pictures", type=int, default=4_000, help="in the twin of --pairs")
    given = parser.parse_args()
    chance = random.Random(given.seed)
    rig = Rig(given.folder, given.names, chance)
    if not (given.folder / "raw").exists():
        make_twin(list(WRITERS), given.folder / "raw", scale=given.scale)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the nodes have to be ended
    needs_ray = {"ray", "kills"}.intersection(given.ways)
    cluster = Cluster(given.folder) if needs_ray else None
    try:
        everywhere(rig, given.ways, cluster)
        if given.pairs:
            large = given.folder / "pairs"
            if not (large / "raw").exists():
                write_capfilt(large / "raw", pairs=given.pairs, pictures=given.pictures)
            everywhere(Rig(large, ["web_capfilt"], chance), given.ways, cluster)
        if cluster is not None and "kills" in given.ways:
            kill(rig, cluster, given.kills)
    finally:
        if cluster is not None:
            cluster.stop()


if __name__ == "__main__":
    main()
