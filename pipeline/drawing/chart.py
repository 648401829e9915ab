"""Line charts as SVG text, which takes the page's colours, light or dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import NamedTuple

LEFT, RIGHT, TOP, BOTTOM = 44, 8, 8, 20  # px around the plot: room for the labels
DIGIT = 7  # px of a label's character, about


@dataclass(frozen=True)
class Series:
    """One line: `y` over `x`, NaN where there is no value (the line is broken there).

    Attributes:
        style: CSS class of the line, e.g. `line`, `line faint`.
    """

    x: Sequence[float]
    y: Sequence[float]
    style: str = "line"


class _Axis(NamedTuple):
    low: float
    high: float
    start: float  # px
    stop: float  # px

    def px(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.stop - self.start)


def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    size: tuple[int, int] = (340, 170),
    y_range: tuple[float, float] | None = None,
) -> str:
    """An `<svg>` element with axes, ticks and the lines; `title` is read by screen readers.

    Args:
        series: at least one with at least one finite value.
        title: what the chart shows.
        size: width and height, px.
        y_range: limits of y; without it they follow the values.

    Raises:
        ValueError: no finite value.
    """
    points = [p for s in series for p in zip(s.x, s.y, strict=True) if math.isfinite(p[1])]
    if not points:
        raise ValueError("a chart needs a finite value")
    width, height = size
    x_low, x_high = _widened(min(p[0] for p in points), max(p[0] for p in points))
    y_low, y_high = y_range or _widened(min(p[1] for p in points), max(p[1] for p in points))
    x_axis = _Axis(x_low, x_high, LEFT, width - RIGHT)
    y_axis = _Axis(y_low, y_high, height - BOTTOM, TOP)
    parts = [
        f'<svg class="chart" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        *(_y_tick(value, y_axis, width) for value in ticks(y_low, y_high, 4)),
        *(_x_tick(value, x_axis, size) for value in ticks(x_low, x_high, 5)),
        *(line for s in series for line in _lines(s, x_axis, y_axis)),
        "</svg>",
    ]
    return "".join(parts)


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers within [low, high], about so many.

    >>> ticks(0, 1, 4)
    [0.0, 0.5, 1.0]
    >>> ticks(3, 1480, 5)
    [500.0, 1000.0]
    """
    rough = (high - low) / about
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(m * magnitude for m in (1, 2, 5, 10) if m * magnitude >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(step * index, 12) for index in range(first, last + 1)]


def smoothed(values: Sequence[float], window: int) -> list[float]:
    """Running mean of the last `window` values, of the finite ones among them.

    >>> smoothed([1.0, 3.0, 5.0], 2)
    [1.0, 2.0, 4.0]
    """
    means = []
    for end in range(1, len(values) + 1):
        recent = [v for v in values[max(0, end - window) : end] if math.isfinite(v)]
        means.append(sum(recent) / len(recent) if recent else math.nan)
    return means


def _widened(low: float, high: float) -> tuple[float, float]:
    """Limits that differ, so that a constant line lies in the middle."""
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _lines(series: Series, x_axis: _Axis, y_axis: _Axis) -> list[str]:
    """One `<polyline>` per run of finite values; a lone value is a dot."""
    lines = []
    pairs = zip(series.x, series.y, strict=True)
    for finite, run in groupby(pairs, key=lambda pair: math.isfinite(pair[1])):
        if not finite:
            continue
        points = [f"{x_axis.px(x):.1f},{y_axis.px(y):.1f}" for x, y in run]
        if len(points) == 1:
            x, y = points[0].split(",")
            lines.append(f'<circle class="{series.style} dot" cx="{x}" cy="{y}" r="2"/>')
        else:
            lines.append(f'<polyline class="{series.style}" points="{" ".join(points)}"/>')
    return lines


def _y_tick(value: float, axis: _Axis, width: int) -> str:
    y = f"{axis.px(value):.1f}"
    return (
        f'<line class="grid" x1="{LEFT}" x2="{width - RIGHT}" y1="{y}" y2="{y}"/>'
        f'<text class="tick" x="{LEFT - 6}" y="{y}" dy=".32em" text-anchor="end">{value:g}</text>'
    )


def _x_tick(value: float, axis: _Axis, size: tuple[int, int]) -> str:
    width, height = size
    text, x = f"{value:g}", axis.px(value)
    if x + len(text) * DIGIT / 2 <= width:
        place = f'x="{x:.1f}" text-anchor="middle"'
    else:  # the picture's edge would cut it
        place = f'x="{width}" text-anchor="end"'
    return f'<text class="tick" {place} y="{height - 5}">{text}</text>'
