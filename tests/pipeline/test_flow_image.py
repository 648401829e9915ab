import math

import cv2
import numpy as np
import pytest
from helpers_motion import around_centre, pan, texture
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.flow import DisFlow
from pipeline.flow_image import MagnitudeHistogram, change_weight, encode_flow, residual_flow

SIZE = (96, 128)


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


def moving_square(step, square_step):
    """Target and source of a pan by `step` px, with a square that moves against the wall."""
    target, source = pan(2, SIZE, step)
    square = texture(28, 28, seed=9)
    target[30:58, 40:68] = square
    left = 40 - step + square_step
    source[30:58, left : left + 28] = square
    return target, source


def test_after_a_pan_only_the_square_moves_and_in_its_direction():
    target, source = moving_square(step=5, square_step=4)
    H = np.array([[1, 0, 5.0], [0, 1, 0], [0, 0, 1]])  # source px to target px
    flow, valid = residual_flow(target, source, H, DisFlow(), change_levels=5.0)
    inside = flow[34:54, 44:64]
    assert np.abs(np.median(inside, axis=(0, 1)) - [4.0, 0.0]).max() < 0.3
    far = np.ones(SIZE, bool)
    far[20:68, 28:84] = False
    assert np.linalg.norm(flow[far], axis=-1).max() < 0.2
    assert not valid[:, :5].any(), "the source does not show what the target has at its left"
    assert valid[:, 12:].all()
    assert not flow[~valid].any()


def test_the_inverse_homography_would_be_wrong():
    target, source = moving_square(step=5, square_step=4)
    H = np.array([[1, 0, -5.0], [0, 1, 0], [0, 0, 1]])
    flow, valid = residual_flow(target, source, H, DisFlow(), change_levels=5.0)
    assert np.median(np.linalg.norm(flow[valid], axis=-1)) > 5.0


@pytest.mark.parametrize(
    "motion", [{"shift": (7.0, -6.0)}, {"degrees": 5.0}, {"zoom": 0.9}, {"zoom": 1.1}]
)
def test_the_border_of_the_warp_makes_no_motion(motion):
    source, H = texture(*SIZE), around_centre(SIZE, **motion)
    target = cv2.warpPerspective(
        source, H, SIZE[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    flow, valid = residual_flow(target, source, H, DisFlow(), change_levels=0.0)
    assert np.linalg.norm(flow[valid], axis=-1).max() < 0.1
    assert valid.mean() > 0.6


def test_a_still_frame_stays_valid_to_its_border():
    frame = texture(*SIZE)
    flow, valid = residual_flow(frame, frame, np.eye(3), DisFlow(), change_levels=5.0)
    assert valid.all()
    assert not flow.any()


def test_drift_on_a_bare_floor_is_no_motion_but_a_plain_subject_is():
    x, y = np.meshgrid(np.arange(SIZE[1]), np.arange(SIZE[0]))
    light = 150 + 30 * np.sin(x / 40) * np.cos(y / 30)
    target, source = (
        np.repeat((light + t * 2 * np.sin(x / 25 + 1))[..., None], 3, axis=2).astype(np.uint8)
        for t in range(2)
    )
    cv2.circle(target, (60, 50), 9, (30, 30, 30), -1)
    cv2.circle(source, (64, 50), 9, (30, 30, 30), -1)
    drift, _ = residual_flow(target, source, np.eye(3), DisFlow(), change_levels=0.0)
    flow, _ = residual_flow(target, source, np.eye(3), DisFlow(), change_levels=5.0)
    assert np.linalg.norm(drift[:30], axis=-1).max() > 0.5
    assert not flow[:30].any()
    assert flow[45:56, 55:66, 0].mean() > 2.0


def test_change_weight_ramps_from_the_threshold_to_twice_it():
    frame = np.full((64, 64, 3), 100, np.uint8)
    for levels, expected in ((4, 0.0), (5, 0.0), (10, 1.0), (40, 1.0)):
        assert change_weight(frame, frame + levels, 5.0).min() == expected
        assert change_weight(frame, frame + levels, 5.0).max() == expected
    assert change_weight(frame, frame + 8, 5.0)[32, 32] == pytest.approx(0.6)
