from __future__ import annotations

import numpy as np
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from models.boxes import (
    EDGE,
    HOLE_SCALE,
    boxes_from_pixels,
    boxes_to_pixels,
    cell_centres,
    rectangle_mask,
    rectangle_with_gradient,
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


@settings(max_examples=30, deadline=None)
@given(st.floats(0.4, 0.6), st.floats(0.4, 0.6), st.floats(0.2, 0.6), st.floats(0.2, 0.6))
def test_a_hole_with_gradient_has_the_holes_pixels_and_the_gradient_of_its_edges(cx, cy, sx, sy):
    height, width = 40, 60
    for centre, side, pixels in ((cx, sx, width), (cy, sy, height)):
        ends = (centre + sign * HOLE_SCALE * side / 2 for sign in (-1, 1))
        # A pixel's centre on the very end of a ramp has no one gradient.
        assume(all(1e-4 < (end * pixels - 0.5) % 1 < 1 - 1e-4 for end in ends))
    box = torch.tensor([[cx, cy, sx, sy]], dtype=torch.float64, requires_grad=True)
    hole = rectangle_with_gradient(box, height, width)
    assert torch.equal(hole, rectangle_mask(box, height, width))
    gradient = torch.autograd.grad(hole.sum(), box)[0][0]
    # Of a soft rectangle's area, (1.1 sx W - EDGE) (1.1 sy H - EDGE), wherever its centre is.
    soft_x, soft_y = HOLE_SCALE * sx * width - EDGE, HOLE_SCALE * sy * height - EDGE
    expected = torch.tensor([0.0, 0.0, HOLE_SCALE * width * soft_y, HOLE_SCALE * height * soft_x])
    assert torch.allclose(gradient.float(), expected, rtol=1e-4, atol=1e-3)
    right = torch.zeros(height, width, dtype=torch.float64)
    right[:, width // 2 :] = 1
    pull = torch.autograd.grad((rectangle_with_gradient(box, height, width) * right).sum(), box)[0]
    assert pull[0, 0] > 0  # moving right covers more of what is there
