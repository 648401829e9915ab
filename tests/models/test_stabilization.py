import cv2
import numpy as np
import pytest
from helpers_motion import around_centre, corner_error, texture
from hypothesis import given, settings
from hypothesis import strategies as st

from models.keypoints import KeypointDetector
from models.stabilization import (
    HomographySettings,
    estimate_homography,
    implausible,
    project,
)

SIZE = (144, 192)
DEFAULT = HomographySettings()


def keypoints(image):
    return KeypointDetector(400).detect(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))


def warped(image, H):
    return cv2.warpPerspective(image, H, SIZE[::-1], flags=cv2.INTER_CUBIC)


@pytest.mark.parametrize("estimator", ["ransac", "magsac"])
@pytest.mark.parametrize(
    "motion",
    [
        {"shift": (9.0, -4.0)},
        {"degrees": 4.0, "zoom": 1.05},
        {"shift": (-5.0, 3.0), "tilt": (2e-4, -1e-4)},
    ],
)
def test_a_known_homography_is_recovered(motion, estimator):
    source, truth = texture(*SIZE), around_centre(SIZE, **motion)
    noise = np.random.default_rng(0).normal(0, 2, source.shape)
    target = np.clip(warped(source, truth) + noise, 0, 255).astype(np.uint8)
    pair = estimate_homography(
        keypoints(source), keypoints(target), SIZE, HomographySettings(estimator=estimator)
    )
    assert pair.ok, pair.reason
    assert corner_error(pair.H, truth, SIZE) < 1.0
    assert pair.inlier_ratio > 0.8
    assert pair.error_px < 0.6
    displacement = project(truth, np.argwhere(np.ones(SIZE))[:, ::-1])
    mean = np.linalg.norm(displacement - np.argwhere(np.ones(SIZE))[:, ::-1], axis=1).mean()
    assert pair.motion_px == pytest.approx(mean, rel=0.25)


def test_the_background_wins_over_a_moving_subject():
    source, truth = texture(*SIZE), around_centre(SIZE, shift=(6.0, 0.0))
    target = warped(source, truth)
    subject = texture(50, 40, seed=5)
    source[40:90, 60:100] = subject
    target[46:96, 50:90] = subject
    pair = estimate_homography(keypoints(source), keypoints(target), SIZE, DEFAULT)
    assert pair.ok
    assert corner_error(pair.H, truth, SIZE) < 1.0
    assert pair.inlier_ratio < 0.97


def test_estimates_repeat_exactly():
    source = texture(*SIZE)
    target = warped(source, around_centre(SIZE, degrees=2.0))
    first, second = (
        estimate_homography(keypoints(source), keypoints(target), SIZE, DEFAULT) for _ in range(2)
    )
    assert first.H.tobytes() == second.H.tobytes()
    assert first.inliers == second.inliers


def test_a_pair_without_texture_has_no_homography():
    plain = keypoints(np.full((*SIZE, 3), 90, np.uint8))
    pair = estimate_homography(plain, plain, SIZE, DEFAULT)
    assert not pair.ok
    assert pair.reason == "no texture"
    assert np.isnan(pair.H).all()


def test_two_unrelated_frames_are_flagged():
    pair = estimate_homography(
        keypoints(texture(*SIZE, seed=1)), keypoints(texture(*SIZE, seed=2)), SIZE, DEFAULT
    )
    assert not pair.ok


def test_a_motion_beyond_the_limits_is_flagged_and_kept_for_inspection():
    source, truth = texture(*SIZE), around_centre(SIZE, shift=(40.0, 0.0))
    pair = estimate_homography(
        keypoints(source),
        keypoints(warped(source, truth)),
        SIZE,
        HomographySettings(max_shift=0.1),
    )
    assert (pair.ok, pair.reason) == (False, "shift")
    assert corner_error(pair.H, truth, SIZE) < 1.5


def test_what_is_too_little_depends_on_the_settings():
    source = texture(*SIZE)
    found, other = keypoints(source), keypoints(texture(*SIZE, seed=7))
    assert estimate_homography(found, found, SIZE, HomographySettings(min_inliers=100)).ok
    few = estimate_homography(found, other, SIZE, HomographySettings(min_inliers=100))
    assert (few.reason, few.inlier_ratio) == ("too few matches", 0.0)


def test_few_inliers_among_many_matches_are_flagged():
    source, truth = texture(*SIZE), around_centre(SIZE, shift=(6.0, 0.0))
    target = warped(source, truth)
    target[:, : SIZE[1] // 2] = np.roll(source, -9, axis=0)[:, : SIZE[1] // 2]  # half moves apart
    demanding = HomographySettings(min_inlier_ratio=0.9)
    pair = estimate_homography(keypoints(source), keypoints(target), SIZE, demanding)
    assert (pair.ok, pair.reason) == (False, "low inlier ratio")


camera = st.fixed_dictionaries(
    {
        "degrees": st.floats(-20, 20),
        "zoom": st.floats(0.75, 1.33),
        "shift": st.tuples(st.floats(-40, 40), st.floats(-40, 40)),
        "tilt": st.tuples(st.floats(-5e-4, 5e-4), st.floats(-5e-4, 5e-4)),
    }
)


@settings(max_examples=200, deadline=None)
@given(camera)
def test_plausible_cameras_pass_in_both_directions(motion):
    H = around_centre(SIZE, **motion)
    assert implausible(H, SIZE, 1.5, 0.5) == ""
    assert implausible(-3.0 * H, SIZE, 1.5, 0.5) == "", "a homography has no scale of its own"
    H_back = np.linalg.inv(H)
    assert implausible(H_back, SIZE, 1.7, 0.6) == ""


@settings(max_examples=100, deadline=None)
@given(camera, st.sampled_from(["mirrored", "scale change", "shift", "tilt", "singular"]))
def test_implausible_ones_are_named(motion, damage):
    H = around_centre(SIZE, **motion)
    if damage == "mirrored":
        H = H @ np.array([[-1, 0, SIZE[1] - 1], [0, 1, 0], [0, 0, 1.0]])
        expected = "mirrored"
    elif damage == "scale change":
        H, expected = around_centre(SIZE, zoom=2.5) @ H, "scale change"
    elif damage == "shift":
        H, expected = around_centre(SIZE, **{**motion, "shift": (0.0, 130.0)}), "shift"
    elif damage == "tilt":
        H = around_centre(SIZE, tilt=(0.012, 0.0))  # the horizon runs through the frame
        expected = "strong perspective"
    else:
        H[1] = H[0] * 0.5
        expected = "not invertible"
    assert implausible(H, SIZE, 1.5, 0.5) == expected


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(-3000, 3000), min_size=9, max_size=9))
def test_a_random_matrix_passes_only_if_it_keeps_the_frame_in_shape(entries):
    H = np.array(entries).reshape(3, 3) / 1000
    if implausible(H, SIZE, 1.5, 0.5):
        return
    height, width = SIZE
    corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]])
    outline = project(H, corners)
    sides = np.roll(outline, -1, axis=0) - outline
    turns = sides[:, 0] * np.roll(sides[:, 1], -1) - sides[:, 1] * np.roll(sides[:, 0], -1)
    assert (turns > 0).all(), "the frame's image is convex and not mirrored"


@pytest.mark.parametrize(("zoom", "expected"), [(1.6, "scale change"), (1.4, ""), (1.0, "")])
def test_to_shrink_is_as_implausible_as_to_grow(zoom, expected):
    for H in (around_centre(SIZE, zoom=zoom), around_centre(SIZE, zoom=1 / zoom)):
        assert implausible(H, SIZE, 1.5, 0.5) == expected


def test_a_corner_that_shrinks_away_is_strong_perspective():
    """By 0.7 / 1.45**1.5 = 1 / 2.49; the opposite one grows by 1.72, both limits being 1.5**2."""
    H = around_centre(SIZE, zoom=0.7, tilt=(0.9 / (SIZE[1] - 1), 0.0))
    assert implausible(H, SIZE, 1.5, 0.5) == "strong perspective"


@pytest.mark.parametrize("size", [(100, 200), (200, 100)])
@pytest.mark.parametrize(("share", "expected"), [(0.49, ""), (0.51, "shift")])
def test_a_shift_is_a_share_of_the_longest_side(size, share, expected):
    for shift in ((200 * share, 0.0), (0.0, -200 * share)):
        assert implausible(around_centre(size, shift=shift), size, 1.5, 0.5) == expected


@pytest.mark.parametrize("size", [(100, 200), (200, 100)])
def test_the_corners_that_are_looked_at_are_the_frames_own(size):
    """At the near end of the longest side the scale is 2.37, beyond 1.5**2; half way 1.4."""
    along = np.array([1.0, 0.0]) if size[1] > size[0] else np.array([0.0, 1.0])
    for sign in (1, -1):
        H = around_centre(size, tilt=tuple(sign * 0.0044 * along))
        assert implausible(H, size, 1.5, 0.5) == "strong perspective"
        milder = around_centre(size, tilt=tuple(sign * 0.0040 * along))
        assert implausible(milder, size, 1.5, 0.5) == ""
