"""Marks lie where the geometry says, whatever the size of the picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.drawing.colours import BLUE, GREEN, RED
from pipeline.drawing.marks import (
    cell_centre,
    draw_box,
    draw_detection,
    draw_dots,
    draw_offset,
)

HEIGHT, WIDTH = 180, 240


def grey(height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
    return np.full((height, width, 3), 128, np.uint8)


def changed(drawn: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return (drawn != 128).any(axis=2)


def distance_to_border(box: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each pixel's centre to the border of the box, px, by brute force over its four sides."""
    x, y, w, h = box
    px, py = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    sides = [((x, y), (x + w, y)), ((x + w, y), (x + w, y + h))]
    sides += [((x, y), (x, y + h)), ((x, y + h), (x + w, y + h))]
    nearest = np.full((HEIGHT, WIDTH), np.inf)
    for (x0, y0), (x1, y1) in sides:
        dx = np.maximum(np.maximum(x0 - px, px - x1), 0)
        dy = np.maximum(np.maximum(y0 - py, py - y1), 0)
        nearest = np.minimum(nearest, np.hypot(dx, dy))
    return nearest


@given(x=st.floats(-8, 150), y=st.floats(-8, 120), w=st.floats(24, 120), h=st.floats(24, 120))
def test_dashes_lie_on_the_border_and_leave_gaps(x: float, y: float, w: float, h: float) -> None:
    box = np.array([x, y, w, h])
    marked = changed(draw_box(grey(), box))
    distance = distance_to_border(box)
    assert marked.any()
    assert distance[marked].max() <= 3.5
    assert (~marked & (distance < 0.75)).any()


def test_dashes_close_the_corners() -> None:
    drawn = draw_box(grey(), np.array([40.0, 30.0, 100.0, 80.0]))
    for x, y in [(40, 30), (139, 30), (40, 109), (139, 109)]:
        assert tuple(drawn[y, x]) == RED


def test_drawing_leaves_its_input_alone() -> None:
    image = grey()
    draw_detection(image, np.array([40.0, 30.0, 100.0, 80.0]), 9, np.full(64, 1 / 64))
    assert (image == 128).all()


def test_area_of_a_dot_is_proportional_to_its_probability() -> None:
    areas = []
    for p in (0.1, 0.2, 0.4, 0.8):
        probability = np.zeros(16)
        probability[5] = p
        drawn = draw_dots(grey(480, 640), probability)
        areas.append((np.abs(drawn.astype(int) - 128).sum(axis=2)).sum())
    assert np.allclose(np.divide(areas, areas[0]), [1, 2, 4, 8], rtol=0.06)


def test_a_dot_stands_on_its_cells_centre_and_none_where_p_is_zero() -> None:
    probability = np.zeros(16)
    probability[6] = 1.0  # row 1, column 2
    drawn = draw_dots(grey(), probability)
    rows, columns = np.nonzero(changed(drawn))
    assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx((150.0, 67.5), abs=0.6)
    assert tuple(drawn[67, 150]) == BLUE
    assert not changed(draw_dots(grey(), np.zeros(16))).any()


def test_cells_are_counted_row_by_row() -> None:
    assert cell_centre(0, 8, 80, 160) == (10.0, 5.0)
    assert cell_centre(9, 8, 80, 160) == (30.0, 15.0)
    assert cell_centre(63, 8, 80, 160) == (150.0, 75.0)


def test_the_line_joins_the_winning_cell_and_the_boxs_centre() -> None:
    box = np.array([100.0, 90.0, 60.0, 50.0])
    drawn = draw_offset(grey(), 0, 16, box)
    start, end = cell_centre(0, 4, HEIGHT, WIDTH), (130.0, 115.0)
    for share in (0.0, 0.3, 0.7, 1.0):
        x = start[0] + share * (end[0] - start[0])
        y = start[1] + share * (end[1] - start[1])
        assert tuple(drawn[int(y), int(x)]) == GREEN
    rows, columns = np.nonzero(changed(drawn))
    assert columns.min() >= start[0] - 4
    assert columns.max() <= end[0] + 4
    assert rows.min() >= start[1] - 4
    assert rows.max() <= end[1] + 4
