"""Charts as positions in percent of a box: axes with round numbers, lines, markers, labels.

`templates/charts.html` draws them. Lines stretch with the page, labels do not.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, NamedTuple

_TICKS = 5
_MOST_HOVERS = 120
_MOST_DOTS = 30  # more dots hide the line
_LEAST_TO_CLIP = 20  # values; fewer have no outliers


class Series(NamedTuple):
    """A named line of (step, value); `style` holds CSS classes such as "faint", or nothing."""

    name: str
    points: Sequence[tuple[float, float]]
    style: str = ""

    @property
    def is_faint(self) -> bool:
        return "faint" in self.style.split()


class Tick(NamedTuple):
    """A position on an axis in percent, and its label."""

    at: float
    label: str


class Line(NamedTuple):
    """A line through points in a box of 1,000 by 1,000, in the notation of SVG."""

    style: str
    points: str


class Mark(NamedTuple):
    """A position in percent, and its text."""

    x: float
    y: float
    text: str
    style: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """All parts of a chart to draw."""

    title: str
    about: str
    y_name: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]
    marks: tuple[Mark, ...]
    ends: tuple[Mark, ...]
    note: str


class Scale(NamedTuple):
    """A range of values that maps to percent; with `is_up` larger values are higher."""

    low: float
    high: float
    is_up: bool = False

    def place(self, value: float) -> float:
        part = 100 * (value - self.low) / (self.high - self.low)
        return 100 - part if self.is_up else part


class IntervalScale(NamedTuple):
    """A value with its interval on an axis from 0, in percent of the axis."""

    at: float
    low: float
    width: float
    ticks: tuple[Tick, ...]
    published: float | None


def make_chart(
    title: str,
    series: Sequence[Series],
    *,
    y_name: str,
    about: str = "",
    best: Literal["lowest", "highest"] | None = None,
    clips: bool = False,
    labels_ends: bool = True,
) -> Chart:
    """Lay out lines over steps.

    Args:
        title: the title above the chart.
        series: the lines; the last one is drawn on top.
        y_name: the name of the values.
        about: a remark after the title.
        best: which value of the last line gets a marker.
        clips: leave values far above the others out of the scale, with a note.
        labels_ends: write the last value of each line that is not faint beside it.
    """
    steps = [step for line in series for step, _ in line.points] or [0.0]
    finite = [value for line in series for _, value in line.points if math.isfinite(value)]
    bound = _bound(finite) if clips else math.inf
    across = Scale(min(steps), max(steps) if max(steps) > min(steps) else min(steps) + 1)
    up = fitted([value for value in finite if value <= bound] or [0.0])
    total = sum(len(line.points) for line in series)
    return Chart(
        title=title,
        about=about,
        y_name=y_name,
        x_ticks=tuple(Tick(across.place(tick), f"{tick:,.0f}") for tick in _whole_ticks(across)),
        y_ticks=tuple(
            Tick(up.place(tick), f"{tick:,.10g}") for tick in nice_ticks(up.low, up.high)
        ),
        lines=tuple(line for each in series for line in _lines(each, across, up)),
        marks=tuple(mark for each in series for mark in _marks(each, across, up, y_name))
        + tuple(_best(series[-1:], across, up, best)),
        ends=tuple(mark for each in series if labels_ends for mark in _end(each, across, up)),
        note=_note(finite, bound, total),
    )


def interval_scale(
    value: float, interval: tuple[float, float], most: float, published: float | None = None
) -> IntervalScale:
    """Place a value and its interval on an axis from 0 to `most`."""

    def place(number: float) -> float:
        return 100 * max(0.0, min(number / most, 1.0)) if math.isfinite(number) else 0.0

    low, high = (place(bound) for bound in interval)
    ticks = tuple(Tick(25.0 * quarter, f"{most * quarter / 4:g}") for quarter in range(5))
    at = None if published is None else place(published)
    return IntervalScale(place(value), low, max(high - low, 0.3), ticks, at)


def nice_ticks(low: float, high: float) -> list[float]:
    """Choose round numbers between two, about five of them."""
    step = _round_step(low, high)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def fitted(values: Sequence[float]) -> Scale:
    """Return a scale from a round number at or below the lowest value to one above the highest."""
    low, high = min(values), max(values)
    if high - low <= 1e-6 * abs(high):
        high = low + (0.1 * abs(low) or 1)
    for _ in range(4):  # a wider span may have a larger step
        step = _round_step(low, high)
        low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    return Scale(low, high, is_up=True)


def _round_step(low: float, high: float) -> float:
    raw = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)


def _whole_ticks(across: Scale) -> list[float]:
    return [tick for tick in nice_ticks(across.low, across.high) if tick == round(tick)]


def _bound(values: Sequence[float]) -> float:
    """Find the value above which others are outliers: few, and far above the rest."""
    if len(values) < _LEAST_TO_CLIP:
        return math.inf
    ordered = sorted(values)
    usual = ordered[math.ceil(0.98 * len(ordered)) - 1]
    is_far = ordered[-1] - ordered[0] > 2 * (usual - ordered[0])
    return usual if is_far and usual > ordered[0] else math.inf


def _lines(series: Series, across: Scale, up: Scale) -> Iterator[Line]:
    """Draw a series with gaps where a value is not finite; a single point becomes a short line."""
    for is_finite, points in groupby(series.points, lambda point: math.isfinite(point[1])):
        if is_finite:
            places = [
                f"{10 * across.place(x):.1f},{10 * max(0.0, up.place(y)):.1f}" for x, y in points
            ]
            yield Line(series.style, " ".join(places * 2 if len(places) == 1 else places))


def _marks(series: Series, across: Scale, up: Scale, y_name: str) -> Iterator[Mark]:
    """Mark the points that show their values on hover."""
    if series.is_faint and len(series.points) > _MOST_HOVERS:
        return
    every = max(1, math.ceil(len(series.points) / _MOST_HOVERS))
    style = "hover" if len(series.points) > _MOST_DOTS or series.is_faint else series.style
    for at, (step, value) in enumerate(series.points):
        is_chosen = at % every == 0 or at == len(series.points) - 1
        if is_chosen and math.isfinite(value):
            text = f"{series.name}, step {step:,.0f}: {y_name} {value:.4g}"
            yield Mark(across.place(step), max(0.0, up.place(value)), text, style)


def _best(series: Sequence[Series], across: Scale, up: Scale, best: str | None) -> Iterator[Mark]:
    points = [point for line in series for point in line.points if math.isfinite(point[1])]
    if best is None or not points:
        return
    values = [value for _, value in points]
    best_value = min(values) if best == "lowest" else max(values)
    step = next(step for step, value in points if value == best_value)
    text = f"{best}: {best_value:.4g} at step {step:,.0f}"
    yield Mark(across.place(step), max(0.0, up.place(best_value)), text, "best")


def _end(series: Series, across: Scale, up: Scale) -> Iterator[Mark]:
    points = [point for point in series.points if math.isfinite(point[1])]
    if points and not series.is_faint:
        step, value = points[-1]
        text = _short(value, up.high - up.low)
        yield Mark(across.place(step), max(0.0, up.place(value)), text, series.style)


def _short(value: float, span: float) -> str:
    """Format a value with as many digits as its axis can show."""
    digits = 2 - math.floor(math.log10(0.999 * span))
    return f"{value:.0e}" if digits > 5 and value else f"{value:,.{min(max(digits, 0), 5)}f}"


def _note(finite: Sequence[float], bound: float, total: int) -> str:
    above = sum(value > bound for value in finite)
    notes = []
    if above:
        notes.append(
            f"{above:,} of {total:,} values are above the chart, the highest at {max(finite):.4g}."
        )
    if len(finite) < total:
        notes.append(f"{total - len(finite):,} of {total:,} values are not finite.")
    return " ".join(notes)
