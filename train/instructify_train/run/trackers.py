"""Send the numbers of a run to Weights & Biases and to trackio through their own clients.

The recipe selects them (`run.trackers: [wandb, trackio]`), and their own variables configure them
(WANDB_MODE=offline, TRACKIO_SPACE_ID, ...). The project is `instructify` unless WANDB_PROJECT or
TRACKIO_PROJECT is set. The identifier of a run is stored in its folder, so a resumed run continues
the same curves.
"""

import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Protocol

import msgspec

from instructify._util.errors import UserError, first_line
from instructify._util.outside import NotReadableError, decode_json, read_regular
from instructify._util.shards import write_json

IDENTIFIER = "tracker.json"
_PROJECT = "instructify"


class Tracker(Protocol):
    """A destination for the numbers of a run."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Log the numbers of a step."""

    def finish(self) -> None:
        """Send the remaining numbers and close the client."""


def require_clients(names: Sequence[str]) -> None:
    """Refuse trackers whose client is not installed, before anything of a run is written."""
    for name in names:
        _client(name)


def open_trackers(names: Sequence[str], run: Path, settings: Mapping[str, Any]) -> list[Tracker]:
    """Open the trackers of a run; raises UserError if a client is missing or does not start."""
    if not names:
        return []
    identifier = identifier_of(run)
    trackers: list[Tracker] = []
    for name in names:
        client = _client(name)
        try:
            trackers.append(_OPEN[name](client, run, identifier, settings))
        except Exception as error:  # each client has its own exceptions
            raise UserError(
                f"{name} does not start ({first_line(error)}); see its documentation, or leave it "
                "out of 'run.trackers'"
            ) from error
    return trackers


def _client(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise UserError(
            f"'run.trackers' names {name}, which is not installed here ({first_line(error)}); "
            f"install it by `pip install 'instructify[{name}]'`, or leave it out"
        ) from error


class _ClientRun:
    """A run of Weights & Biases or trackio, whose clients have the same functions."""

    def __init__(self, run: Any) -> None:
        self._run = run

    def log(self, values: Mapping[str, float], step: int) -> None:
        self._run.log(dict(values), step=step)

    def finish(self) -> None:
        self._run.finish()


def _wandb(client: Any, run: Path, identifier: str, settings: Mapping[str, Any]) -> Tracker:
    opened = client.init(
        project=os.environ.get("WANDB_PROJECT", _PROJECT),
        name=run.resolve().name,
        id=identifier,
        dir=str(run),
        config=dict(settings),
        resume="allow",
    )
    return _ClientRun(opened)


def _trackio(client: Any, run: Path, identifier: str, settings: Mapping[str, Any]) -> Tracker:
    opened = client.init(
        project=os.environ.get("TRACKIO_PROJECT", _PROJECT),
        name=f"{run.resolve().name}-{identifier}",
        config=dict(settings),
        resume="allow",
    )
    return _ClientRun(opened)


_OPEN: dict[str, Callable[[Any, Path, str, Mapping[str, Any]], Tracker]] = {
    "wandb": _wandb,
    "trackio": _trackio,
}


def identifier_of(run: Path) -> str:
    """Read the identifier of a run, or create one for a new run.

    Raises:
        UserError: the note of the run holds no identifier.
    """
    path = run / IDENTIFIER
    try:
        return decode_json(read_regular(path), _Note).id
    except FileNotFoundError:
        identifier = secrets.token_hex(4)
        write_json(path, {"id": identifier})
        return identifier
    except (OSError, NotReadableError) as error:
        raise UserError(
            f"{path} holds no identifier of a run ({first_line(error)}); delete it, and the "
            "trackers begin a new run"
        ) from error


class _Note(msgspec.Struct):
    id: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z_-]{1,64}\Z")]
