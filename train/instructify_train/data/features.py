"""Features of the pictures of the current window: encoded once, kept in memory while needed."""

import torch

from instructify_train.data.feature_files import FeatureFiles
from instructify_train.data.steps import Encode, Pass
from instructify_train.model import InstructBlip, to_device


class FeatureTable:
    """Features of frames by number, on the device of the model."""

    def __init__(
        self, model: InstructBlip, device: torch.device, files: FeatureFiles | None = None
    ) -> None:
        self._model = model
        self._device = device
        self._files = files
        self._kept: dict[int, torch.Tensor] = {}
        self.num_encoded = 0

    @property
    def encodes_anew(self) -> bool:
        """Whether each pass encodes its pictures again, since the tower is trained."""
        return not self._model.tower_is_frozen

    def take(self, pass_: Pass) -> torch.Tensor:
        """Encode the new frames of a pass; returns the features of all its frames [P, V, width]."""
        for group in pass_.encode:
            self._encode(group)
        return torch.stack([self._kept[frame] for frame in pass_.frames])

    def forget(self, pass_: Pass) -> None:
        """Drop the features that no later pass needs."""
        for frame in pass_.forget:
            self._kept.pop(frame, None)

    def finish(self) -> None:
        """Wait until the features for the disk are written; raises OSError if a write failed."""
        if self._files is not None:
            self._files.finish()

    def clear(self) -> None:
        """Drop all features."""
        self._kept.clear()

    def _encode(self, group: Encode) -> None:
        for frame, features in group.features.items():
            self._kept[frame] = to_device(features, self._device)
        new = [frame for frame in group.frames if frame not in group.features]
        if not new:
            return
        encoded = self._model.encode(to_device(group.pixels_P3HW, self._device))
        self.num_encoded += len(new)
        for frame, features in zip(new, encoded, strict=True):
            self._kept[frame] = features
            if self._files is not None and frame in group.keep:
                self._files.keep(group.keep[frame], features)
