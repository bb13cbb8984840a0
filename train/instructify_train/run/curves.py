"""Curves as SVG: an axis of steps, an axis of losses, a line each, a key below."""

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

_WIDTH, _HEIGHT = 900, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 24, 10, 28
_TICKS = 5


class Curve(NamedTuple):
    """A named line of (step, value); `colour` is a number from 0 to 8, `faint` draws it thin."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: int
    faint: bool


class _Scale(NamedTuple):
    low: float
    high: float
    start: float
    end: float

    def place(self, value: float) -> float:
        part = (value - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)


def chart(curves: Sequence[Curve]) -> str:
    """Draw curves over one another."""
    steps = [step for curve in curves for step, _ in curve.points]
    values = [value for curve in curves for _, value in curve.points if math.isfinite(value)]
    across = _scale(min(steps), max(steps), _LEFT, _WIDTH - _RIGHT)
    up = _fitted(values or [0.0], _HEIGHT - _BOTTOM, _TOP)
    lines = "".join(_line(curve, across, up) for curve in curves)
    key = "".join(
        f'<span><i style="background:var(--c{curve.colour})"{_faint(curve)}></i>'
        f"{escape(curve.name)}</span>"
        for curve in curves
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="curves of the loss">'
        f'{_grid(across, up)}{lines}</svg><div class="key">{key}</div>'
    )


def nice_ticks(low: float, high: float) -> list[float]:
    """Choose round numbers between two, about five of them."""
    step = _round_step(low, high)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _round_step(low: float, high: float) -> float:
    raw = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    return next(power * one for one in (1, 2, 2.5, 5, 10) if power * one >= raw * 0.999)


def _fitted(values: Sequence[float], start: float, end: float) -> _Scale:
    """Span values from a round number at or below the lowest to one at or above the highest."""
    low, high = min(values), max(values)
    if high - low <= 1e-6 * abs(high):
        high = low + (0.1 * abs(low) or 1)
    for _ in range(4):  # a wider span may have a larger step
        step = _round_step(low, high)
        low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    return _Scale(low, high, start, end)


def _scale(low: float, high: float, start: float, end: float) -> _Scale:
    return _Scale(low, high if high > low else low + 1, start, end)


def _grid(across: _Scale, up: _Scale) -> str:
    drawn = []
    for value in nice_ticks(up.low, up.high):
        y = up.place(value)
        drawn.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
        )
    for value in nice_ticks(across.low, across.high):
        x = across.place(value)
        drawn.append(
            f'<text x="{x:.1f}" y="{_HEIGHT - 8}" text-anchor="middle">{value:,.0f}</text>'
        )
    return "".join(drawn)


def _line(curve: Curve, across: _Scale, up: _Scale) -> str:
    places = " ".join(
        f"{across.place(step):.1f},{up.place(value):.1f}"
        for step, value in curve.points
        if math.isfinite(value)
    )
    width = 1 if curve.faint else 2
    return (
        f'<polyline fill="none" stroke="var(--c{curve.colour})" stroke-width="{width}"'
        f'{_faint(curve)} points="{places}"/>'
    )


def _faint(curve: Curve) -> str:
    return ' class="raw"' if curve.faint else ""
