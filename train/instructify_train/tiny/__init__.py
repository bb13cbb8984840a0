"""Tiny models that need no download: presets, tokenizers, and the training of their towers."""

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
