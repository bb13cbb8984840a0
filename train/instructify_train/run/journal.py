"""The log of a run: `metrics.jsonl`, TensorBoard, trackers, and a progress bar or lines.

If the process is killed while it writes a line, the next start removes the partial line. It also
removes lines after the checkpoint that it resumes from, since those steps are done again.
"""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType
from tqdm import tqdm

from instructify._util.errors import UserError
from instructify._util.outside import NotReadableError, decode_values, read_regular
from instructify._util.shards import write_bytes
from instructify._util.terminal import bar_stream, harmless
from instructify_train.run.trackers import Tracker, open_trackers

LOG = "metrics.jsonl"
_MOST_BYTES = 1 << 32
_VALIDATION = frozenset({"validation", "scores"})  # a line of a validation has one of these
_SECONDS = 30.0  # at least, between two lines of progress if there is no terminal


class _Line(msgspec.Struct):
    """What the page reads of a line; a line of training has all of the second group."""

    step: Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
    validation: dict[str, float] | UnsetType = UNSET
    validation_mean: float | UnsetType = UNSET
    scores: dict[str, float] | UnsetType = UNSET

    last_loss: float | UnsetType = UNSET
    loss: float | UnsetType = UNSET
    samples_per_s: float | UnsetType = UNSET
    data_wait: float | UnsetType = UNSET
    memory_gb: float | UnsetType = UNSET
    lr: float | UnsetType = UNSET

    def __post_init__(self) -> None:
        training = (self.loss, self.samples_per_s, self.data_wait, self.memory_gb)
        if self.last_loss is not UNSET and UNSET in training:
            raise ValueError("a line of training lacks one of its numbers")


class Journal:
    """The log of one process; only the first one writes."""

    def __init__(
        self,
        run: Path,
        *,
        step: int,
        steps: int,
        awaits_validation: bool = False,
        tensorboard: bool,
        writes: bool,
        shows: bool,
        trackers: Sequence[str] = (),
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self._writer: Any = None
        self._trackers: list[Tracker] = []
        self._file: Any = None
        self._bar: Any = None
        self._says = writes
        self._step, self._steps = step, steps
        self._told_s = time.monotonic()
        if not writes:
            return
        # Step 0 is validated and logged again, as is a step whose validation was stopped.
        kept = _kept(run / LOG, step, validated=not awaits_validation) if step else []
        write_bytes(run / LOG, b"".join(kept))
        self._file = (run / LOG).open("ab")
        if tensorboard:
            self._writer = _tensorboard(run, step)
        self._trackers = open_trackers(trackers, run, settings or {})
        if shows:
            self._bar = tqdm(
                total=steps,
                initial=step,
                unit="step",
                file=bar_stream(),
                dynamic_ncols=True,
            )

    def log(self, line: Mapping[str, Any]) -> None:
        """Write a line, and its numbers to TensorBoard and the trackers."""
        if self._file is None:
            return
        self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()
        numbers = dict(_numbers(line))
        if self._writer is not None:
            for name, value in numbers.items():
                self._writer.add_scalar(name, value, line["step"])
        for tracker in self._trackers:
            tracker.log(numbers, line["step"])

    def advance(self, shown: Mapping[str, str]) -> None:
        """Advance the progress bar by a step; without a bar, print the progress at intervals."""
        self._step += 1
        if self._bar is not None:
            self._bar.set_postfix(shown, refresh=False)
            self._bar.update()
        elif time.monotonic() - self._told_s >= _SECONDS:
            self._told_s = time.monotonic()
            self.say(
                f"step {self._step:,} of {self._steps:,}: "
                f"loss {shown['loss']}, {shown['samples/s']} samples/s"
            )

    def say(self, text: str) -> None:
        """Print a line, above the bar where there is one."""
        if self._bar is not None:
            self._bar.write(harmless(text), file=bar_stream())
        elif self._says:
            print(text, file=sys.stderr, flush=True)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close everything, or after an exception only the bar: the log is already written, and
        a tracker that waits for its network must not keep a failed run.
        """
        if kind is None:
            self.close()
        elif self._bar is not None:
            self._bar.close()

    def close(self) -> None:
        """Close the bar, the log and the trackers."""
        for output in (self._file, self._writer, self._bar):
            if output is not None:
                output.close()
        for tracker in self._trackers:
            tracker.finish()


def read_log(run: Path) -> list[dict[str, Any]]:
    """Read the lines of a run's log, without a partial last line."""
    return [line for _, line in _decoded(run / LOG)]


def _kept(path: Path, step: int, *, validated: bool) -> list[bytes]:
    return [
        line
        for line, value in _decoded(path)
        if value["step"] < step
        or (value["step"] == step and (validated or not _VALIDATION.intersection(value)))
    ]


def _decoded(path: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Iterate over the lines of a log, each as bytes and decoded."""
    for number, line in enumerate(_whole_lines(path), 1):
        try:
            value = decode_values(line)
            msgspec.convert(value, _Line)
        except (NotReadableError, msgspec.ValidationError) as error:
            raise UserError(f"{path}, line {number} is damaged ({error}); delete it") from error
        yield line, value


def _whole_lines(path: Path) -> list[bytes]:
    try:
        data = read_regular(path, _MOST_BYTES)
    except FileNotFoundError:
        return []
    return [line for line in data.splitlines(keepends=True) if line.endswith(b"\n")]


def _tensorboard(run: Path, step: int) -> Any:
    from torch.utils.tensorboard import SummaryWriter  # optional, and slow to import

    # Hides the points that a killed start wrote for steps that are done again.
    return SummaryWriter(str(run / "tensorboard"), purge_step=step + 1 if step else 0)


def _numbers(line: Mapping[str, Any], path: str = "") -> list[tuple[str, float]]:
    numbers: list[tuple[str, float]] = []
    for name, value in line.items():
        if isinstance(value, Mapping):
            numbers += _numbers(value, f"{path}{name}/")
        elif isinstance(value, int | float) and name != "step":
            numbers.append((f"{path}{name}", float(value)))
    return numbers
