"""The control's ellipse: its half level, its symmetry, its place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.blob import ellipse_mask


@given(
    st.floats(10, 50), st.floats(10, 50), st.floats(4, 40), st.floats(4, 40), st.floats(0.3, 1.5)
)
def test_half_lies_on_the_ellipse(x, y, width, height, scale):
    mask = ellipse_mask(np.array([[x, y, width, height]], np.float32), 100, 120, scale)[0]
    v, u = np.mgrid[:100, :120] + 0.5
    radius = np.hypot(
        (u - x - width / 2) / (scale * width / 2), (v - y - height / 2) / (scale * height / 2)
    )
    clear = abs(radius - 1) > 1e-3  # float32 boxes shift the line by less
    np.testing.assert_array_equal((mask > 0.5)[clear], (radius < 1)[clear])
    assert mask.max() <= 1


def test_area_is_that_of_the_ellipse():
    mask = ellipse_mask(np.array([[100, 50, 200, 100]], np.float32), 200, 400, 0.8)[0]
    assert (mask > 0.5).sum() == pytest.approx(np.pi / 4 * 160 * 80, rel=0.01)


def test_one_mask_per_box_symmetric_about_its_centre():
    boxes = np.array([[10, 20, 30, 20], [0, 0, 60, 40]], np.float32)
    masks = ellipse_mask(boxes, 40, 60, 0.7)
    assert masks.shape == (2, 40, 60)
    assert masks.dtype == np.float32
    np.testing.assert_allclose(masks[1], masks[1, ::-1, ::-1], rtol=1e-5)
    np.testing.assert_allclose(ellipse_mask(boxes[:1], 40, 60, 0.7)[0], masks[0])


@pytest.mark.parametrize(("box", "scale"), [([0, 0, 0, 5], 1.0), ([0, 0, 5, 5], 0.0)])
def test_no_ellipse_without_extent(box, scale):
    with pytest.raises(ValueError, match="positive"):
        ellipse_mask(np.array([box], np.float32), 8, 8, scale)
