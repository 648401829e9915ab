"""Marks on a frame: the box as dashes, the cells' probabilities as dots, the offset as a line.

Coordinates are px of the picture drawn on, measured from its top-left corner: pixel `i` spans
`[i, i + 1]`. Every function returns a new picture `(H, W, 3)` uint8 RGB and leaves its input alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.drawing.colours import BLUE, GREEN, INSTANCES, RED, Colour

Image = NDArray[np.uint8]
Point = tuple[float, float]

SHIFT = 4  # cv2 takes fixed-point coordinates with this many fractional bits
DASH = 0.035  # length of a dash, share of the picture's longer side
LARGEST_DOT = 0.75  # radius at p = 1, share of the shorter side of a cell
SMALLEST_SHOWN = 1e-3  # a probability below it has no dot, which would be less than a pixel


def draw_box(image: Image, box: NDArray[np.floating], colour: Colour = RED) -> Image:
    """The border of a box as dashes that begin and end at its corners.

    Args:
        image: (H, W, 3).
        box: (4,) `x, y, w, h`; may reach beyond the picture.
        colour: RGB.
    """
    drawn = image.copy()
    x, y, width, height = (float(value) for value in box)
    corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
    dash = max(3.0, DASH * max(image.shape[:2]))
    for start, end in zip(corners, corners[1:] + corners[:1], strict=True):
        for dash_start, dash_end in _dashes(start, end, dash):
            _line(drawn, dash_start, dash_end, colour)
    return drawn


def draw_instances(image: Image, boxes: NDArray[np.floating]) -> Image:
    """The boxes of several subjects (K, 4), each in its id's colour; NaN where one is not there."""
    for number, box in enumerate(boxes):
        if np.isfinite(box).all():
            image = draw_box(image, box, INSTANCES[number % len(INSTANCES)])
    return image


def draw_dots(image: Image, probability: NDArray[np.floating]) -> Image:
    """A dot at every cell's centre whose area is proportional to the cell's probability.

    Args:
        image: (H, W, 3).
        probability: (C,) with C = G*G cells, row by row.
    """
    drawn = image.copy()
    grid = grid_of(len(probability))
    height, width = image.shape[:2]
    largest = LARGEST_DOT * min(height, width) / grid
    for cell, p in enumerate(probability):
        if p < SMALLEST_SHOWN:
            continue
        centre, radius = cell_centre(cell, grid, height, width), largest * float(np.sqrt(p))
        cv2.circle(drawn, _fixed(centre), round(radius * 2**SHIFT), BLUE, -1, cv2.LINE_AA, SHIFT)
    return drawn


def draw_offset(image: Image, cell: int, cells: int, box: NDArray[np.floating]) -> Image:
    """A line from the winning cell's centre to the centre of the box that came of it.

    Args:
        image: (H, W, 3).
        cell: index of the winning cell, row by row.
        cells: C = G*G.
        box: (4,) `x, y, w, h`.
    """
    drawn = image.copy()
    x, y, width, height = (float(value) for value in box)
    start = cell_centre(cell, grid_of(cells), *image.shape[:2])
    end = (x + width / 2, y + height / 2)
    _line(drawn, start, end, GREEN)
    radius = max(2.0, max(image.shape[:2]) / 90)
    cv2.circle(drawn, _fixed(end), round(radius * 2**SHIFT), GREEN, -1, cv2.LINE_AA, SHIFT)
    return drawn


def draw_detection(
    image: Image, box: NDArray[np.floating], cell: int, probability: NDArray[np.floating]
) -> Image:
    """Dots, box and offset in one picture: what was detected in a frame, and from which cell.

    Args:
        image: (H, W, 3).
        box: (4,) `x, y, w, h`.
        cell: index of the winning cell.
        probability: (C,); with C = 1 (direct regression) the box is all.
    """
    if len(probability) == 1:
        return draw_box(image, box)
    drawn = draw_box(draw_dots(image, probability), box)
    return draw_offset(drawn, cell, len(probability), box)


def cell_centre(cell: int, grid: int, height: int, width: int) -> Point:
    """Centre `(x, y)` of a cell in a picture of `height` and `width` px.

    >>> cell_centre(1, 2, 100, 200)
    (150.0, 25.0)
    """
    row, column = divmod(cell, grid)
    return ((column + 0.5) / grid * width, (row + 0.5) / grid * height)


def grid_of(cells: int) -> int:
    """G of C = G*G cells."""
    return math.isqrt(cells)


def _dashes(start: Point, end: Point, dash: float) -> Iterator[tuple[Point, Point]]:
    """An odd number of equal pieces, every second one drawn: both corners are closed."""
    length = float(np.hypot(end[0] - start[0], end[1] - start[1]))
    pieces = max(1, 2 * round(length / dash / 2) + 1)
    points = np.linspace(start, end, pieces + 1)
    for first in range(0, pieces, 2):
        (x0, y0), (x1, y1) = points[first], points[first + 1]
        yield (float(x0), float(y0)), (float(x1), float(y1))


def _line(image: Image, start: Point, end: Point, colour: Colour) -> None:
    thickness = max(1, round(max(image.shape[:2]) / 130))
    cv2.line(image, _fixed(start), _fixed(end), colour, thickness, cv2.LINE_AA, SHIFT)


def _fixed(point: Point) -> tuple[int, int]:
    """Fixed-point coordinates for cv2, whose pixel `i` is centred at `i`."""
    return round((point[0] - 0.5) * 2**SHIFT), round((point[1] - 0.5) * 2**SHIFT)
