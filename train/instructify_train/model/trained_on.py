"""The datasets that a model was trained on, stored beside its weights.

The folder of a model may come from anybody, so the file is checked when it is read: it holds names
of datasets and nothing else. Without the file the datasets of a model are unknown.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from instructify._util.errors import UserError
from instructify._util.outside import NotReadableError, decode_json, read_regular
from instructify_train.model.names import is_path
from instructify_train.tiny import PRESETS

TRAINED_ON = "instructify.json"
_MOST_BYTES = 1 << 20

_Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_]{1,200}\Z")]


class TrainedOn(msgspec.Struct, frozen=True, kw_only=True):
    """Names of datasets, each in order and once.

    Attributes:
        datasets: Those that the model learnt from.
        fine_tuned_on: Those that a run was for alone.
        evaluation_prompts: Those that were asked in training as they are evaluated.
    """

    format: Literal[1] = 1
    datasets: tuple[_Name, ...] = ()
    fine_tuned_on: tuple[_Name, ...] = ()
    evaluation_prompts: tuple[_Name, ...] = ()

    def after(self, base: "TrainedOn") -> "TrainedOn":
        """Add what the model knew that this training began with."""
        return TrainedOn(
            datasets=_union(self.datasets, base.datasets),
            fine_tuned_on=_union(self.fine_tuned_on, base.fine_tuned_on),
            evaluation_prompts=_union(self.evaluation_prompts, base.evaluation_prompts),
        )

    def to_text(self) -> str:
        """Write it as the file holds it."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1).decode() + "\n"


NOT_NOTED = TrainedOn()


def read_trained_on(model: str | None) -> TrainedOn:
    """Read what a model was trained on; nothing for one that is no folder or has no such file.

    Raises:
        UserError: The file is damaged, or of another version.
    """
    if model is None or model in PRESETS or not is_path(model):
        return NOT_NOTED
    path = Path(model).expanduser() / TRAINED_ON
    try:
        return decode_json(read_regular(path, _MOST_BYTES), TrainedOn)
    except (FileNotFoundError, NotADirectoryError):
        return NOT_NOTED
    except (OSError, NotReadableError) as error:
        raise UserError(
            f"{path} is damaged or of another version of instructify ({error}); delete it, and "
            "nothing is known of what the model was trained on, or merge the run again"
        ) from error


def as_trained_on(value: Any) -> TrainedOn:
    """Check plain values; ValidationError where they are something else."""
    return msgspec.convert(value, TrainedOn)


def _union(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({*first, *second}))
