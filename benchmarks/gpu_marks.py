"""Where the time of a training step goes: marks in the stream of the device around its parts."""

import time
from collections import defaultdict
from typing import Any

import torch

from instructify_train.run.trainer import Trainer


class Marks:
    """What runs from each mark to the next, by name; CUDA events, or the clock of a CPU."""

    def __init__(self, device: torch.device) -> None:
        self._on_gpu = device.type == "cuda"
        self._marks: list[tuple[str, Any]] = []

    def mark(self, name: str) -> None:
        """Say that from here on `name` runs."""
        moment: Any = time.perf_counter()
        if self._on_gpu:
            moment = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            moment.record()
        self._marks.append((name, moment))

    def seconds(self) -> dict[str, float]:
        """Add up the seconds of each name, and forget the marks."""
        if self._on_gpu:
            torch.cuda.synchronize()
        found: dict[str, float] = defaultdict(float)
        for (name, begin), (_, end) in zip(self._marks, self._marks[1:], strict=False):
            found[name] += begin.elapsed_time(end) / 1e3 if self._on_gpu else end - begin
        self._marks = []
        return dict(found)


def watch(trainer: Trainer) -> Marks:
    """Put marks around the parts of a trainer's steps.

    The backward pass is told apart where the gradient of what the language model reads is there:
    what runs before is the language model's, what runs behind it the Q-Former's.
    """
    marks = Marks(trainer.device)
    inner = trainer.setup.prepared.inner
    take, prefix, update = trainer.features.take, inner.prefix, trainer._update

    def watched_take(one: Any) -> Any:
        marks.mark("tower")
        features = take(one)
        marks.mark("qformer")
        return features

    def turn(_: Any) -> None:
        marks.mark("qformer")

    def watched_prefix(*given: Any) -> Any:
        embeds: Any = prefix(*given)
        marks.mark("language")
        if embeds.requires_grad:
            embeds.register_hook(turn)
        return embeds

    def watched_update(step: int) -> None:
        marks.mark("optimizer")
        update(step)
        marks.mark("between steps")

    changed: Any = trainer
    changed.features.take = watched_take
    changed.setup.prepared.inner.prefix = watched_prefix
    changed._update = watched_update
    marks.mark("between steps")
    return marks
