"""Checkpoints: trained weights, optimizer state and position of the run, written atomically.

    RUN/checkpoints/step-00003000/model.safetensors      trained weights, 32 bits
                                  optimizer.safetensors  both moments of each
                                  state.json             step, mixture, sums, hashes of the others

A checkpoint is written to a temporary folder, synced and renamed. A damaged checkpoint is skipped
for the one before it, with a message. No pickle is written or read.
"""

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from instructify._util.errors import UserError
from instructify._util.outside import NotReadableError, decode_json, read_regular
from instructify._util.shards import discard, fresh_folder, hash_file, sync, unwritable, write_bytes
from instructify.mixture import MixtureState

STATE_FORMAT = 1
_PREFIX = "step-"
_FOLDER = re.compile(r"step-[0-9]{8,15}")
_STAGED = ".staged-"
_MODEL = "model.safetensors"
_OPTIMIZER = "optimizer.safetensors"
_STATE = "state.json"


class Best(msgspec.Struct, frozen=True, kw_only=True):
    """The best checkpoint so far: by the mean of its scores if there are any, else by its loss."""

    step: int
    loss: float | None
    score: float | None = None

    def is_better_than(self, other: "Best | None") -> bool:
        """Compare with the best so far by score, then by loss; the later wins if both are equal."""
        if other is None or (self.score is None) != (other.score is None):
            return True
        if self.score is not None and other.score is not None and self.score != other.score:
            return self.score > other.score
        if self.loss is None or other.loss is None:
            return True
        return self.loss <= other.loss


@dataclass(frozen=True, kw_only=True, slots=True)
class RunState:
    """The position of a run after `step` steps; `tally` counts the samples drawn so far.

    `awaits_validation` is true if this step is due for validation and was not validated yet. A run
    that was stopped or killed there validates it at the next start.
    """

    version: int = STATE_FORMAT
    step: int
    mixture: MixtureState
    best: Best | None = None
    awaits_validation: bool = False
    tally: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """Contents of a checkpoint; `optimizer` maps `exp_avg/NAME` and `exp_avg_sq/NAME` to tensors.

    `optimizer` is empty if only the weights were read, which are a third of the bytes.
    """

    weights: dict[str, torch.Tensor]
    optimizer: dict[str, torch.Tensor]
    state: RunState


def folder_of(run: Path, step: int) -> Path:
    """Return the folder of a step."""
    return run / "checkpoints" / f"{_PREFIX}{step:08d}"


def steps_of(run: Path) -> list[int]:
    """List the steps that have a checkpoint, oldest first."""
    folder = run / "checkpoints"
    if not folder.is_dir():
        return []
    names = [path.name for path in folder.iterdir() if _FOLDER.fullmatch(path.name)]
    return sorted(int(name.removeprefix(_PREFIX)) for name in names)


def save(run: Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint atomically: its folder holds all files or does not exist."""
    final = folder_of(run, checkpoint.state.step)
    staged = final.with_name(f"{_STAGED}{final.name}")
    fresh_folder(staged)
    try:
        _fill(staged, checkpoint)
        discard(final)
        os.replace(staged, final)
    finally:  # on a full disk, half a checkpoint would use the space that the next start needs
        discard(staged)
    sync(final.parent)
    return final


def _fill(staged: Path, checkpoint: Checkpoint) -> None:
    save_tensors(checkpoint.weights, staged / _MODEL)
    save_tensors(checkpoint.optimizer, staged / _OPTIMIZER)
    hashes = {name: hash_file(staged / name) for name in (_MODEL, _OPTIMIZER)}
    _write_state(staged, replace(checkpoint.state, files=hashes))
    sync(staged)


def note_validation(run: Path, step: int, best: Best | None) -> None:
    """Record in the checkpoint of a step that it was validated, and which step is best now."""
    folder = folder_of(run, step)
    _write_state(folder, replace(read_state(folder), best=best, awaits_validation=False))


def _write_state(folder: Path, state: RunState) -> None:
    write_bytes(folder / _STATE, msgspec.json.encode(state, order="sorted"))


def save_tensors(tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Write tensors and sync them to disk; the mode of the file follows the umask."""
    try:
        path.touch()  # with the mode of the umask
        mode = path.stat().st_mode
        save_file(tensors, path)
        path.chmod(mode)
    except OSError as error:
        raise unwritable(path, error) from error
    except SafetensorError as error:  # the exception of safetensors for errors of the system
        raise UserError(
            f"{path} can't be written: {error}; make room or choose another place, then run the "
            "same command again."
        ) from error
    sync(path)


def load(run: Path, step: int, *, with_optimizer: bool = True) -> Checkpoint:
    """Read a checkpoint and check its hashes; raises UserError if it is damaged."""
    folder = folder_of(run, step)
    state = read_state(folder)
    if state.step != step:
        raise UserError(f"{folder / _STATE} is that of step {state.step}; use an older checkpoint")
    names = (_MODEL, _OPTIMIZER) if with_optimizer else (_MODEL,)
    for name in names:
        path = folder / name
        if not path.is_file() or hash_file(path) != state.files.get(name):
            raise UserError(f"{path} is damaged; use an older checkpoint")
    try:
        weights = load_file(folder / _MODEL)
        optimizer = load_file(folder / _OPTIMIZER) if with_optimizer else {}
    except (SafetensorError, OSError) as error:
        raise UserError(f"{folder} is damaged ({error}); use an older checkpoint") from error
    return Checkpoint(weights=weights, optimizer=optimizer, state=state)


def read_state(folder: Path) -> RunState:
    """Read the state of a checkpoint."""
    path = folder / _STATE
    try:
        data = read_regular(path)
        version = decode_json(data, _Version).version
        if version != STATE_FORMAT:
            raise UserError(
                f"{path} has format {version} and this version of instructify reads "
                f"{STATE_FORMAT}; go on with the version that wrote it, or start a new run"
            )
        state = decode_json(data, RunState)
    except (OSError, NotReadableError) as error:
        raise UserError(f"{path} is missing or damaged; use an older checkpoint") from error
    if state.step < 0 or state.mixture.position < 0:
        raise UserError(f"{path} is damaged (a count below 0); use an older checkpoint")
    return state


def load_last(run: Path, *, with_optimizer: bool = True) -> tuple[Checkpoint | None, list[str]]:
    """Read the newest complete checkpoint; also returns the reasons why newer ones were skipped.

    If all checkpoints are damaged, the first value is None and the second is not empty.
    """
    passed: list[str] = []
    for step in reversed(steps_of(run)):
        try:
            return load(run, step, with_optimizer=with_optimizer), passed
        except UserError as error:
            passed.append(str(error))
    return None, passed


def prune(run: Path, keep: int, best: Best | None, at: int) -> None:
    """Remove all but the last checkpoints up to step `at` and the best, and incomplete ones.

    Checkpoints after `at` are damaged: the run would otherwise have resumed from them.
    """
    done = [step for step in steps_of(run) if step <= at]
    kept = {*done[-keep:], *([best.step] if best else [])}
    for step in steps_of(run):
        if step not in kept:
            discard(folder_of(run, step))
    remove_staged(run)


def remove_staged(run: Path) -> None:
    """Remove incomplete checkpoints of killed processes; only for the writer of the run."""
    for left in (run / "checkpoints").glob(f"{_STAGED}*"):
        discard(left)


def remove_all(run: Path) -> None:
    """Remove every checkpoint of a run."""
    discard(run / "checkpoints")


class _Version(msgspec.Struct):
    version: int
