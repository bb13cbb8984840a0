"""The model: loaded from anywhere, frozen in parts, and its forward pass; texts to token ids.

`names` says what a model's name means, `hub` whether the hub is asked.
`loading` (and `blip2`, `lora`) makes a transformers model and its processor, `parts` chooses what
is trained, `tokens` and `collation` turn texts into padded arrays with labels, `forward` is the
forward pass.
"""

from instructify_train.model.collation import Layout, Micro, collate, length_of
from instructify_train.model.forward import InstructBlip, layout_of
from instructify_train.model.loading import (
    device_of,
    is_local,
    load_model,
    pixel_mean_std,
    precision_of,
    unloadable,
)
from instructify_train.model.lora import add_adapters, fold_adapters
from instructify_train.model.names import absolute_names, located_names, noted_sources
from instructify_train.model.parts import (
    Counted,
    choose_trained,
    count,
    set_dropout,
    set_precision,
    trained_parameters,
)
from instructify_train.model.tokens import LeftOut, Limits, SampleTokens, Tokens, limits_of

__all__ = [
    "Counted",
    "InstructBlip",
    "Layout",
    "LeftOut",
    "Limits",
    "Micro",
    "SampleTokens",
    "Tokens",
    "absolute_names",
    "add_adapters",
    "choose_trained",
    "collate",
    "count",
    "device_of",
    "fold_adapters",
    "is_local",
    "layout_of",
    "length_of",
    "limits_of",
    "load_model",
    "located_names",
    "noted_sources",
    "pixel_mean_std",
    "precision_of",
    "set_dropout",
    "set_precision",
    "trained_parameters",
    "unloadable",
]
