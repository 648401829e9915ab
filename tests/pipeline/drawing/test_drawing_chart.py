"""Charts: lines where the values are, broken where there are none."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.drawing.chart import BOTTOM, LEFT, RIGHT, TOP, Series, line_chart, smoothed, ticks


def points(svg: str) -> list[list[tuple[float, float]]]:
    lines = ET.fromstring(svg).findall("polyline")
    return [
        [(float(x), float(y)) for x, y in (pair.split(",") for pair in line.get("points").split())]
        for line in lines
    ]


def test_the_ends_of_a_line_touch_the_limits() -> None:
    svg = line_chart([Series([0, 10], [0.0, 1.0])], title="t", size=(300, 150))
    assert points(svg) == [[(LEFT, 150 - BOTTOM), (300 - RIGHT, TOP)]]


def test_a_given_range_is_kept() -> None:
    svg = line_chart([Series([0, 10], [0.5, 0.5])], title="t", size=(300, 150), y_range=(0, 1))
    assert {y for _, y in points(svg)[0]} == {(150 - BOTTOM + TOP) / 2}


def test_a_missing_value_breaks_the_line_and_a_lone_one_is_a_dot() -> None:
    values = [1.0, 2.0, math.nan, 4.0, math.nan, 3.0, 2.0]
    svg = line_chart([Series(range(7), values)], title="t")
    assert [len(line) for line in points(svg)] == [2, 2]
    assert len(ET.fromstring(svg).findall("circle")) == 1


def test_a_title_is_escaped_and_read() -> None:
    svg = line_chart([Series([0, 1], [0.0, 1.0])], title="a < b & c")
    assert ET.fromstring(svg).findtext("title") == "a < b & c"


def test_a_constant_line_and_a_single_point_can_be_drawn() -> None:
    assert points(line_chart([Series([0, 1], [5.0, 5.0])], title="t"))
    assert "circle" in line_chart([Series([3], [5.0])], title="t")


@pytest.mark.parametrize("last", [1.0, 4000.0, 2e7])
def test_the_label_at_the_right_edge_is_not_cut(last: float) -> None:
    """A digit is about 0.6 of its 11 px wide; the picture ends at 340."""
    svg = ET.fromstring(line_chart([Series([0, last], [0.0, 1.0])], title="t"))
    label = [text for text in svg.iter() if text.text == f"{last:g}"][-1]
    reach = {"middle": 0.5, "end": 0.0}[label.attrib["text-anchor"]]
    assert float(label.attrib["x"]) + reach * 0.6 * 11 * len(label.text) <= 340


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(ValueError, match="finite"):
        line_chart([Series([0, 1], [math.nan, math.nan])], title="t")


@given(low=st.floats(-1e6, 1e6), span=st.floats(1e-6, 1e6), about=st.integers(2, 8))
def test_ticks_lie_inside_evenly_and_not_too_many(low: float, span: float, about: int) -> None:
    high = low + span
    marks = ticks(low, high, about)
    tolerance = 1e-6 * max(abs(low), abs(high), 1)
    assert len(marks) <= about + 1
    assert all(low - tolerance <= mark <= high + tolerance for mark in marks)
    steps = [b - a for a, b in pairwise(marks)]
    assert all(step == pytest.approx(steps[0], abs=tolerance) for step in steps)


def test_running_mean_skips_what_is_not_finite() -> None:
    assert smoothed([1.0, math.nan, 3.0, 5.0], 2) == [1.0, 1.0, 3.0, 4.0]
