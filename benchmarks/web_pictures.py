"""Web pictures: what a url costs that leads nowhere, what a second process gains, and memory.

    python benchmarks/web_pictures.py [ROUNDS] [URLS] [PICTURES]

Both sides of each comparison run in turn. `dead` are urls that no tar holds: `--pictures none`
beside the default, by one and two processes. `tars` are JPEGs in tars as img2dataset writes them,
of which each is decoded, by one and two processes. The memory of the first process is its peak as
the kernel counts it, and that part of it that is no mapped file.
"""

import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

import numpy as np
from capfilt_memory import write_list
from PIL import Image

_COMMAND = [sys.executable, "-m", "instructify", "convert", "web_capfilt", "--max-rejects", "100"]
_COMMAND += ["--allow-empty"]
_PICTURES_A_TAR = 1_000


class Run(NamedTuple):
    """One conversion: seconds, CPU seconds of all processes, and the peak of the first in MB."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    anonymous_mb: float


class _Watch(Thread):
    """Reads now and then how much memory a process has that is no mapped file."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak_kb = self.anonymous_kb = 0
        self._status, self._ended = Path(f"/proc/{pid}/status"), Event()

    def run(self) -> None:
        while not self._ended.wait(0.02):
            try:
                lines = dict(row.split(":", 1) for row in self._status.read_text().splitlines())
                self.peak_kb = int(lines["VmHWM"].split()[0])
                self.anonymous_kb = max(self.anonymous_kb, int(lines["RssAnon"].split()[0]))
            except (OSError, KeyError):
                return

    def end(self) -> None:
        self._ended.set()
        self.join()


def convert(raw: Path, options: Sequence[str]) -> Run:
    """Convert into a new folder and measure it."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [*_COMMAND, "--raw", str(raw), "--out", f"{scratch}/build", *options]
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        watch = _Watch(process.pid)
        watch.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        watch.end()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    cpu = usage.ru_utime + usage.ru_stime
    return Run(wall, cpu, watch.peak_kb / 1024, watch.anonymous_kb / 1024)


def write_tars(raw: Path, num_pictures: int) -> None:
    """Write tars of JPEGs of 640 x 480, and a list that names their urls."""
    noise = np.random.default_rng(1)
    rows = []
    for first in range(0, num_pictures, _PICTURES_A_TAR):
        path = raw / f"web_capfilt/webdataset/{first // _PICTURES_A_TAR:05}.tar"
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w") as tar:
            for number in range(first, min(first + _PICTURES_A_TAR, num_pictures)):
                url = f"https://pictures.example.org/{number}.jpg"
                rows.append({"url": url, "caption": f"picture number {number} of a beach"})
                _add(tar, f"{number:09}.jpg", _jpeg(noise))
                _add(tar, f"{number:09}.json", json.dumps({"url": url}).encode())
    (raw / "web_capfilt/ccs_synthetic_filtered.json").write_text(json.dumps(rows))


def _jpeg(noise: np.random.Generator) -> bytes:
    coarse = noise.integers(0, 256, (60, 80, 3), np.uint8)
    sink = io.BytesIO()
    Image.fromarray(coarse).resize((640, 480), Image.Resampling.BICUBIC).save(sink, "JPEG")
    return sink.getvalue()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def compare(raw: Path, ways: Mapping[str, Sequence[str]], rounds: int) -> dict[str, Run]:
    """Run all ways round by round; print and return the median of each figure."""
    runs: dict[str, list[Run]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, options in ways.items():
            runs[name].append(convert(raw, options))
    medians = {}
    for name, own in runs.items():
        median = Run(*(statistics.median(column) for column in zip(*own, strict=True)))
        medians[name] = median
        print(
            f"{name:<28}{median.wall_s:>8.2f}{median.cpu_s:>8.2f}"
            f"{median.peak_mb:>9.0f}{median.anonymous_mb:>9.0f}",
            flush=True,
        )
    return medians


def main(rounds: int, num_urls: int, num_pictures: int) -> None:
    """Measure dead urls, then tars, and print the ratios."""
    print(f"{'way':<28}{'wall s':>8}{'cpu s':>8}{'peak MB':>9}{'anon MB':>9}")
    with tempfile.TemporaryDirectory() as scratch:
        raw = Path(scratch)
        write_list(raw / "web_capfilt/ccs_synthetic_filtered.json", num_urls)
        ways = {
            "dead, --pictures none": ["--pictures", "none"],
            "dead, --jobs 1": [],
            "dead, --jobs 2": ["--jobs", "2"],
        }
        none, one, two = compare(raw, ways, rounds).values()
    print(
        f"a dead url: {(one.wall_s - none.wall_s) / num_urls * 1e6:.1f} us of wall time, "
        f"{(one.cpu_s - none.cpu_s) / num_urls * 1e6:.1f} us of CPU over --pictures none; "
        f"two processes {one.wall_s / two.wall_s:.2f}x"
    )
    if not num_pictures:
        return
    with tempfile.TemporaryDirectory() as scratch:
        raw = Path(scratch)
        write_tars(raw, num_pictures)
        by_jobs = {f"tars, --jobs {jobs}": ["--jobs", f"{jobs}"] for jobs in (1, 2)}
        one, two = compare(raw, by_jobs, rounds).values()
    print(
        f"a picture in a tar: {one.cpu_s / num_pictures * 1e3:.2f} ms of CPU; two processes "
        f"{one.wall_s / two.wall_s:.2f}x"
    )


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(*(given + [3, 500_000, 8_000][len(given) :]))
