"""Show the progress of each step as a bar on stderr, if that is a terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from instructify._util.terminal import bar_stream

if TYPE_CHECKING:
    from tqdm import tqdm


class Bar:
    """Counts finished units."""

    def __init__(self, bar: "tqdm | None") -> None:
        self._bar = bar

    def advance(self, amount: int = 1) -> None:
        if self._bar is not None:
            self._bar.update(amount)


class Progress:
    """Shows steps if `shown`; otherwise silent."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown

    @classmethod
    def for_terminal(cls) -> "Progress":
        return cls(shown=sys.stderr.isatty())

    @contextmanager
    def stage(self, name: str, total: int, unit: str) -> Iterator[Bar]:
        """Open the bar of a step, which disappears when the step is done."""
        if not self._shown or total == 0:
            yield Bar(None)
            return
        from tqdm import tqdm  # slow to import

        with tqdm(
            total=total,
            desc=f"{name:<9}",
            unit=f" {unit}",
            file=bar_stream(),
            leave=False,
            ncols=79,
        ) as bar:
            yield Bar(bar)
