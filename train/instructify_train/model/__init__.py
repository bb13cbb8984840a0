"""The model: loading, freezing, the forward pass, and tokenization.

`names` resolves the name of a model, and `hub` decides whether to send requests to the hub.
`loading` (with `blip2`, `lora`, `lavis_import`) loads a transformers model and its processor.
`parts` selects the trained parameters. `tokens` and `collation` turn texts into padded arrays with
labels. `forward` is the forward pass.
"""

from instructify_train.model.collation import (
    Layout,
    Micro,
    collate,
    length_of,
    positions_of,
    rows_of,
)
from instructify_train.model.costs import Costs, costs_of
from instructify_train.model.forward import InstructBlip, layout_of
from instructify_train.model.lavis_file import read_lavis
from instructify_train.model.lavis_import import Imported, LavisFiles, import_lavis
from instructify_train.model.lavis_names import lavis_parts, to_lavis
from instructify_train.model.loading import (
    device_of,
    load_model,
    pixel_mean_std,
    precision_of,
    unloadable,
)
from instructify_train.model.lora import add_adapters, fold_adapters
from instructify_train.model.names import absolute_names, located_names, noted_sources
from instructify_train.model.parts import (
    Counted,
    checkpoint_activations,
    choose_trained,
    count,
    set_dropout,
    set_precision,
    trained_parameters,
)
from instructify_train.model.pretrained import is_local
from instructify_train.model.saving import check_free, save_whole
from instructify_train.model.tokens import LeftOut, Limits, SampleTokens, Tokens, limits_of
from instructify_train.model.trained_on import (
    NOT_NOTED,
    TRAINED_ON,
    TrainedOn,
    as_trained_on,
    read_trained_on,
)
from instructify_train.model.transfer import to_device

__all__ = [
    "Costs",
    "Counted",
    "Imported",
    "InstructBlip",
    "LavisFiles",
    "Layout",
    "LeftOut",
    "Limits",
    "Micro",
    "NOT_NOTED",
    "SampleTokens",
    "TRAINED_ON",
    "Tokens",
    "TrainedOn",
    "absolute_names",
    "add_adapters",
    "as_trained_on",
    "check_free",
    "checkpoint_activations",
    "choose_trained",
    "collate",
    "costs_of",
    "count",
    "device_of",
    "fold_adapters",
    "import_lavis",
    "is_local",
    "lavis_parts",
    "layout_of",
    "length_of",
    "limits_of",
    "load_model",
    "located_names",
    "noted_sources",
    "pixel_mean_std",
    "positions_of",
    "precision_of",
    "read_lavis",
    "read_trained_on",
    "rows_of",
    "save_whole",
    "set_dropout",
    "set_precision",
    "to_device",
    "to_lavis",
    "trained_parameters",
    "unloadable",
]
