"""Endpoint error and outliers against a loop over px."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.flow.metrics import endpoint_error, outliers

FLOWS = arrays(np.float32, (3, 4, 2), elements=st.floats(-200, 200, width=32))


@settings(deadline=None)
@given(FLOWS, FLOWS)
def test_as_px_by_px(flow, truth):
    error, wrong = endpoint_error(flow, truth), outliers(flow, truth)
    assert error.shape == wrong.shape == (3, 4)
    for row in range(3):
        for column in range(4):
            (u, v), (x, y) = flow[row, column].tolist(), truth[row, column].tolist()
            expected = math.sqrt((u - x) ** 2 + (v - y) ** 2)
            assert math.isclose(error[row, column], expected, rel_tol=1e-5, abs_tol=1e-5)
            limit = max(3.0, 0.05 * math.sqrt(x * x + y * y))
            if abs(expected - limit) > 1e-3:  # rounding decides on the border itself
                assert wrong[row, column] == (expected > limit)


def test_both_limits_make_an_outlier():
    truth = np.array([[0.0, 0.0], [100.0, 0.0], [100.0, 0.0], [10.0, 0.0]], np.float32)
    flow = truth + np.array([[3.1, 0.0], [0.0, 4.9], [0.0, 5.1], [0.0, 2.9]], np.float32)
    assert outliers(flow, truth).tolist() == [True, False, True, False]


def test_no_number_is_an_outlier():
    assert outliers(np.full((1, 2), np.nan), np.zeros((1, 2))).all()


def test_the_true_magnitude_sets_the_limit():
    """5.1 px are more than 5 % of 100 px, though less than those of the 105.1 px estimated."""
    assert outliers(np.array([[105.1, 0.0]]), np.array([[100.0, 0.0]])).all()
    assert not outliers(np.array([[100.0, 0.0]]), np.array([[105.1, 0.0]])).any()
