import cv2
import numpy as np
import pytest
from helpers_motion import around_centre, pan, texture
from hypothesis import given
from hypothesis import strategies as st

from models.flow.dis import DisFlow
from pipeline.optical_flow.residual import change_weight, consistency, stabilised

SIZE = (96, 128)


def residual_flow(target, source, H, change_levels):
    shown, valid = stabilised(target, source, H, None)
    flow = DisFlow().estimate(target[None], shown[None])[0]
    weight = change_weight(target, shown, change_levels) * valid
    return flow * weight[..., None], valid


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
    flow, valid = residual_flow(target, source, H, change_levels=5.0)
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
    flow, valid = residual_flow(target, source, H, change_levels=5.0)
    assert np.median(np.linalg.norm(flow[valid], axis=-1)) > 5.0


@pytest.mark.parametrize(
    "motion", [{"shift": (7.0, -6.0)}, {"degrees": 5.0}, {"zoom": 0.9}, {"zoom": 1.1}]
)
def test_the_border_of_the_warp_makes_no_motion(motion):
    source, H = texture(*SIZE), around_centre(SIZE, **motion)
    target = cv2.warpPerspective(
        source, H, SIZE[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    flow, valid = residual_flow(target, source, H, change_levels=0.0)
    assert np.linalg.norm(flow[valid], axis=-1).max() < 0.1
    assert valid.mean() > 0.6


def test_a_still_frame_stays_valid_to_its_border():
    frame = texture(*SIZE)
    flow, valid = residual_flow(frame, frame, np.eye(3), change_levels=5.0)
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
    drift, _ = residual_flow(target, source, np.eye(3), change_levels=0.0)
    flow, _ = residual_flow(target, source, np.eye(3), change_levels=5.0)
    assert np.linalg.norm(drift[:30], axis=-1).max() > 0.5
    assert not flow[:30].any()
    assert flow[45:56, 55:66, 0].mean() > 2.0


def test_change_weight_ramps_from_the_threshold_to_twice_it():
    frame = np.full((64, 64, 3), 100, np.uint8)
    for levels, expected in ((4, 0.0), (5, 0.0), (10, 1.0), (40, 1.0)):
        assert change_weight(frame, frame + levels, 5.0).min() == expected
        assert change_weight(frame, frame + levels, 5.0).max() == expected
    assert change_weight(frame, frame + 8, 5.0)[32, 32] == pytest.approx(0.6)


def constant(u, v):
    return np.broadcast_to(np.float32([u, v]), (*SIZE, 2)).copy()


@given(st.integers(-24, 24), st.integers(-24, 24))
def test_confidence_is_full_where_the_way_back_leads_home(quarters_right, quarters_down):
    u, v = quarters_right / 4, quarters_down / 4
    valid = np.ones(SIZE, bool)
    confidence = consistency(constant(u, v), constant(-u, -v), valid)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    leaves = (x + u < -0.5) | (x + u > SIZE[1] - 0.5) | (y + v < -0.5) | (y + v > SIZE[0] - 0.5)
    assert (confidence[~leaves] >= 254).all()
    assert not confidence[leaves].any()


def test_confidence_is_half_at_sundarams_limit_and_none_where_not_valid():
    valid = np.ones(SIZE, bool)
    valid[:10] = False
    forward, error = constant(3, 0), 0.0
    for _ in range(100):  # the error whose square is 0.01 (|f|^2 + |b|^2) + 0.5, by fixed point
        error = np.sqrt(0.01 * (9 + (error - 3) ** 2) + 0.5)
    confidence = consistency(forward, constant(error - 3, 0), valid)
    assert set(confidence[10:, :100].ravel().tolist()) <= {127, 128}
    assert not confidence[:10].any()


@pytest.mark.parametrize("as_check", [False, True])
def test_confidence_is_low_where_the_square_hides_the_wall(as_check):
    target, source = moving_square(step=0, square_step=6)
    dis = DisFlow()
    forward = dis.estimate(target[None], source[None])[0]
    backward = dis.estimate(source[None], target[None], as_check=as_check)[0]
    confidence = consistency(forward, backward, np.ones(SIZE, bool))
    assert confidence[36:52, 46:62].mean() > 200  # the square
    assert confidence[:24].mean() > 240  # the wall
    assert confidence[34:54, 69:73].mean() < 100  # wall that the square is about to hide
