"""Tiny models made from nothing: presets, their tokenizers, and how their towers are trained."""

from instructify_train.tiny.presets import CLIP_MEAN, CLIP_STD, PRESETS, Loaded, build_preset
from instructify_train.tiny.towers import TowersReport, TowersRequest, teach_towers

__all__ = [
    "CLIP_MEAN",
    "CLIP_STD",
    "Loaded",
    "PRESETS",
    "TowersReport",
    "TowersRequest",
    "build_preset",
    "teach_towers",
]
