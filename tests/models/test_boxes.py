from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.boxes import (
    HOLE_SCALE,
    boxes_from_pixels,
    boxes_to_pixels,
    cell_centres,
    rectangle_mask,
)

shares = st.floats(0.05, 0.95)


def test_cell_centres_lie_in_the_middle_of_an_even_grid_row_by_row():
    centres = cell_centres(4)
    assert centres.shape == (16, 2)
    assert torch.allclose(centres[0], torch.tensor([0.125, 0.125]))
    assert torch.allclose(centres[1] - centres[0], torch.tensor([0.25, 0.0]))
    assert torch.allclose(centres[4] - centres[0], torch.tensor([0.0, 0.25]))


@settings(max_examples=50, deadline=None)
@given(shares, shares, shares, shares)
def test_hole_holds_exactly_the_pixels_whose_centre_is_inside(cx, cy, sx, sy):
    height, width = 11, 17
    mask = rectangle_mask(torch.tensor([[cx, cy, sx, sy]], dtype=torch.float64), height, width)
    for row in range(height):
        for column in range(width):
            dx, dy = abs((column + 0.5) / width - cx), abs((row + 0.5) / height - cy)
            inside = dx <= HOLE_SCALE * sx / 2 and dy <= HOLE_SCALE * sy / 2
            assert mask[0, 0, row, column] == float(inside)


def test_no_gradient_flows_from_a_hole_to_its_box():
    box = torch.tensor([[0.5, 0.5, 0.4, 0.4]], requires_grad=True)
    assert not rectangle_mask(box, 8, 8).requires_grad


@given(st.lists(st.tuples(shares, shares, shares, shares), min_size=1, max_size=4))
def test_pixel_boxes_round_trip(rows):
    boxes = torch.tensor(rows, dtype=torch.float64)
    again = boxes_from_pixels(boxes_to_pixels(boxes, 48, 64), 48, 64)
    np.testing.assert_allclose(again.numpy(), boxes.numpy(), atol=1e-9)


def test_pixel_box_is_top_left_and_size():
    box = boxes_to_pixels(torch.tensor([[0.5, 0.5, 0.5, 0.25]]), height=40, width=80)
    assert box[0].tolist() == [20.0, 15.0, 40.0, 10.0]
