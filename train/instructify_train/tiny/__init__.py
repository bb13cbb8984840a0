"""Tiny models made from nothing: presets, their tokenizers, and how their towers are trained."""

from instructify_train.tiny.presets import PRESETS, Loaded, build_preset
from instructify_train.tiny.towers import TowersReport, TowersRequest, teach_towers

__all__ = [
    "Loaded",
    "PRESETS",
    "TowersReport",
    "TowersRequest",
    "build_preset",
    "teach_towers",
]
