import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.flow_image import MagnitudeHistogram, encode_flow


@given(st.floats(-50, 50), st.floats(-50, 50), st.floats(0.1, 20))
def test_encoding_is_the_documented_formula(u, v, scale):
    red, green, blue = encode_flow(np.array([u, v]), scale)
    assert red == pytest.approx(0.5 + 0.5 * math.tanh(u / scale), abs=1e-5)
    assert green == pytest.approx(0.5 + 0.5 * math.tanh(v / scale), abs=1e-5)
    assert blue == pytest.approx(math.tanh(math.hypot(u, v) / scale), abs=1e-5)


def test_encoding_keeps_shape_and_range_of_float16():
    flow = np.random.default_rng(0).normal(0, 100, (2, 5, 7, 2)).astype(np.float16)
    image = encode_flow(flow, 1.0)
    assert image.shape == (2, 5, 7, 3)
    assert image.dtype == np.float32
    assert image.min() >= 0.0
    assert image.max() <= 1.0
    assert encode_flow(np.zeros(2), 1.0).tolist() == [0.5, 0.5, 0.0]


@given(
    arrays(np.float32, st.integers(1, 200), elements=st.floats(0.0625, 512, width=32)),
    st.floats(1, 100),
)
def test_percentile_is_exact_to_one_step(magnitudes, percent):
    histogram = MagnitudeHistogram()
    for part in np.array_split(magnitudes, 3):
        histogram.add(part)
    exact = float(np.percentile(magnitudes, percent, method="inverted_cdf"))
    assert exact * 0.9999 <= histogram.percentile(percent) <= exact * 1.012


def test_percentile_of_nothing_and_of_no_motion_is_zero():
    histogram = MagnitudeHistogram()
    assert histogram.percentile(98) == 0.0
    histogram.add(np.zeros((4, 4)))
    assert histogram.percentile(98) == 0.0
