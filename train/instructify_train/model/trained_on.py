"""The datasets that a model was trained on, stored beside its weights.

A model's folder may come from a stranger, so the file is checked when it is read: it may hold only
names of datasets. Without the file, the datasets of a model are unknown.
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
    """Names of datasets, in order and without repetition.

    Attributes:
        datasets: Datasets that the model was trained on.
        fine_tuned_on: Datasets that were the only one of a run.
        evaluation_prompts: Datasets that were trained on with the prompts of their evaluation.
    """

    format: Literal[1] = 1
    datasets: tuple[_Name, ...] = ()
    fine_tuned_on: tuple[_Name, ...] = ()
    evaluation_prompts: tuple[_Name, ...] = ()

    def after(self, base: "TrainedOn") -> "TrainedOn":
        """Add the datasets of the model that this training started from."""
        return TrainedOn(
            datasets=_union(self.datasets, base.datasets),
            fine_tuned_on=_union(self.fine_tuned_on, base.fine_tuned_on),
            evaluation_prompts=_union(self.evaluation_prompts, base.evaluation_prompts),
        )

    def to_text(self) -> str:
        """Return the contents of the file."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1).decode() + "\n"


NOT_NOTED = TrainedOn()


def read_trained_on(model: str | None) -> TrainedOn:
    """Read what a model was trained on; `NOT_NOTED` if it is not a folder or has no such file.

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
    """Convert plain values; raises ValidationError for values of another form."""
    return msgspec.convert(value, TrainedOn)


def _union(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({*first, *second}))
