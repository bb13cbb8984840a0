"""Throughput of a run: samples per second, time spent waiting for data, peak memory."""

import resource
import time
from collections.abc import Iterable
from typing import Any

import torch

from instructify_train.data import Step


class Clock:
    """Time and samples since the last log line: rates, and the time spent waiting for data."""

    def __init__(self) -> None:
        self._left_out = 0
        self.begin()

    def leave_out(self, steps: int) -> None:
        """Do not count the next steps, in which layers are compiled."""
        self._left_out = steps

    def end_of_step(self) -> None:
        """Restart the count if the step that ended is left out."""
        if self._left_out > 0:
            self._left_out -= 1
            self.begin()

    def begin(self) -> None:
        """Start counting now."""
        self.samples = 0
        self.cut = [0, 0, 0]
        self._waited_s = 0.0
        self._since = time.monotonic()

    def waiting(self, items: Iterable[Step]) -> Iterable[Step]:
        """Iterate over items and measure the time spent waiting for each."""
        iterator = iter(items)
        while True:
            start = time.monotonic()
            item = next(iterator, None)
            self._waited_s += time.monotonic() - start
            if item is None:
                return
            yield item

    def facts(self, device: torch.device) -> dict[str, Any]:
        """Return the rates since the last call and restart the count."""
        wall_s = max(time.monotonic() - self._since, 1e-9)
        facts = {
            "samples_per_s": self.samples / wall_s,
            "data_wait": self._waited_s / wall_s,
            "memory_gb": peak_memory_gb(device),
            "cut_tokens": dict(zip(("qformer", "instruction", "response"), self.cut, strict=True)),
        }
        self.begin()
        return facts

    def shown(self, loss: float, device: torch.device) -> dict[str, str]:
        """Return the text of the progress bar."""
        wall_s = max(time.monotonic() - self._since, 1e-9)
        return {
            "loss": f"{loss:.3f}",
            "samples/s": f"{self.samples / wall_s:.0f}",
            "wait": f"{100 * self._waited_s / wall_s:.0f}%",
            "GB": f"{peak_memory_gb(device):.1f}",
        }


def peak_memory_gb(device: torch.device) -> float:
    """Return the most memory that this process has taken, on its device."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device)) / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
