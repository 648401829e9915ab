import cv2
import numpy as np
import pytest
from helpers_motion import around_centre, corner_error, texture
from hypothesis import given, settings
from hypothesis import strategies as st

from models.refinement import (
    AGREE_PX,
    consensus,
    disagreement,
    fit,
    furthest,
    misfit,
    refine,
    residuals,
)
from models.stabilization import project
from models.tracks import Tracks, corners, follow

SIZE = (96, 128)


def scene(truth, subject=None):
    """Target and source grey frames of a camera motion, and of a subject (x, y, w, h, dx)."""
    source = cv2.cvtColor(texture(*SIZE), cv2.COLOR_RGB2GRAY)
    target = cv2.warpPerspective(source, truth, SIZE[::-1], flags=cv2.INTER_CUBIC)
    if subject:
        x, y, w, h, dx = subject
        patch = cv2.cvtColor(texture(h, w, seed=5), cv2.COLOR_RGB2GRAY)
        source[y : y + h, x : x + w] = patch
        target[y : y + h, x + dx : x + dx + w] = patch
    return target, source


def tracked(target, source, rough):
    points = corners(target)
    return follow(target, source, points, project(np.linalg.inv(rough), points))


def synthetic(truth, outliers=0, noise=0.0, seed=0):
    """Tracks (100,) whose ends `truth` maps to their points, but for the first `outliers`."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 1, (100, 2)) * SIZE[::-1]
    ends = project(np.linalg.inv(truth), points) + rng.normal(0, noise, points.shape)
    ends[:outliers] += rng.uniform(3, 9, (outliers, 2))
    return Tracks(points.astype(np.float32), ends.astype(np.float32), 100)


camera = st.fixed_dictionaries(
    {
        "degrees": st.floats(-10, 10),
        "zoom": st.floats(0.9, 1.1),
        "shift": st.tuples(st.floats(-15, 15), st.floats(-15, 15)),
        "tilt": st.tuples(st.floats(-3e-4, 3e-4), st.floats(-3e-4, 3e-4)),
    }
)


@settings(max_examples=50, deadline=None)
@given(camera, st.integers(0, 100))
def test_the_fit_finds_any_homography_beside_a_third_of_outliers(motion, seed):
    truth = around_centre(SIZE, **motion)
    tracks = synthetic(truth, outliers=33, seed=seed)
    start = around_centre(SIZE, shift=(0.6, -0.4)) @ truth
    assert corner_error(fit(tracks, start), truth, SIZE) < 0.02
    assert corner_error(consensus(tracks), truth, SIZE) < 0.2


def test_residuals_and_disagreement_by_hand():
    tracks = Tracks(
        np.zeros((4, 2), np.float32), np.float32([[0, 0], [0.3, 0.4], [9, 0], [0, 9]]), 4
    )
    shift = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 1.0]])
    np.testing.assert_allclose(residuals(shift, tracks)[2], [10, 0])
    np.testing.assert_allclose(disagreement(np.eye(3), tracks), 3 * AGREE_PX / 4)


def test_a_fit_far_from_all_tracks_is_none():
    tracks = synthetic(np.eye(3))
    assert fit(tracks, around_centre(SIZE, shift=(30.0, 0.0))) is None
    assert fit(tracks, None) is None


LINES = {"level": (1.0, 0.0), "upright": (0.0, 1.0), "diagonal": (1.0, 1.0), "slanted": (1.0, 0.3)}


@pytest.mark.parametrize("direction", LINES.values(), ids=LINES)
def test_tracks_on_one_line_fit_nothing_and_leave_the_homography(direction):
    rng = np.random.default_rng(0)
    along = (4.0 + rng.uniform(0, 88, (100, 1)) * direction).astype(np.float32)
    tracks = Tracks(along, along, 100)
    assert fit(tracks, np.eye(3)) is None
    target, source = scene(np.eye(3))
    assert furthest(refine(np.eye(3), tracks, target, source), np.eye(3), SIZE) < 1e-3


def test_a_rough_homography_becomes_exact_despite_a_subject():
    truth = around_centre(SIZE, degrees=2.0, zoom=1.03, shift=(4.0, -2.0), tilt=(1e-4, 0))
    target, source = scene(truth, subject=(30, 20, 40, 50, 5))
    rough = around_centre(SIZE, degrees=0.8, shift=(0.7, 0.5)) @ truth
    refined = refine(rough, tracked(target, source, rough), target, source)
    assert corner_error(rough, truth, SIZE) > 1.5
    assert corner_error(refined, truth, SIZE) < 0.2


def test_a_good_homography_stays_and_so_does_any_without_tracks():
    truth = around_centre(SIZE, shift=(4.0, -2.0))
    target, source = scene(truth)
    tracks = synthetic(truth, noise=0.3)
    assert disagreement(refine(truth, tracks, target, source), tracks) <= disagreement(
        truth, tracks
    )
    few = Tracks(tracks.points[:5], tracks.ends[:5], 100)
    assert refine(truth, few, target, source) is truth


def test_a_subject_with_most_corners_does_not_take_over():
    truth = around_centre(SIZE, shift=(3.0, 0.0))
    target, source = scene(truth, subject=(40, 30, 40, 40, -4))
    tracks = tracked(target, source, truth)
    x, y = tracks.points.T
    subjects = (x > 36) & (x < 76) & (y > 30) & (y < 70)
    kept = subjects | (np.cumsum(~subjects) <= subjects.sum() // 4)
    mostly_subject = Tracks(tracks.points[kept], tracks.ends[kept], tracks.tried)
    refined = refine(truth, mostly_subject, target, source)
    assert furthest(refined, truth, SIZE) < 1.0


def test_misfit_is_least_for_the_truth():
    truth = around_centre(SIZE, degrees=1.0, shift=(4.0, -2.0))
    target, source = scene(truth)
    best = misfit(truth, target, source)
    for wrong in (np.eye(3), around_centre(SIZE, shift=(0.5, 0.0)) @ truth):
        assert misfit(wrong, target, source) > 1.5 * best
    assert misfit(around_centre(SIZE, shift=(900.0, 0.0)), target, source) == np.inf


def test_furthest_is_measured_at_the_corners():
    turn = around_centre(SIZE, degrees=1.0)
    half_diagonal = np.hypot(SIZE[0] - 1, SIZE[1] - 1) / 2
    expected = 2 * half_diagonal * np.sin(np.deg2rad(0.5))
    np.testing.assert_allclose(furthest(turn, np.eye(3), SIZE), expected)


def test_refining_repeats_whatever_the_threads():
    truth = around_centre(SIZE, degrees=1.0, shift=(4.0, -2.0))
    target, source = scene(truth, subject=(30, 20, 40, 50, 5))
    results = []
    for threads in (1, 2, 1):
        cv2.setNumThreads(threads)
        results.append(refine(truth, tracked(target, source, truth), target, source).tobytes())
    assert len(set(results)) == 1
