import cv2
import numpy as np
import pytest
from helpers_motion import pan, texture

from models.camera import EdgeMotionMeter, edge_motion, moving_camera
from models.keypoints import KeypointDetector
from models.stabilization import HomographySettings, estimate_homography, unknown_homography

SIZE = (72, 96)


def still(frames):
    meter = EdgeMotionMeter()
    for frame in frames:
        meter.add(frame if frame.ndim == 2 else cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY))
    return meter.still


def noisy(frames, sigma, seed=0):
    noise = np.random.default_rng(seed).normal(0, sigma, frames.shape)
    return np.clip(frames + noise, 0, 255).astype(np.uint8)


def arena(count):
    """A bare floor in a frame, a dark blob on it that wanders: hardly a keypoint."""
    frames = np.full((count, *SIZE), 200, np.uint8)
    frames[:, :4] = frames[:, -4:] = frames[:, :, :4] = frames[:, :, -4:] = 60
    for t, frame in enumerate(frames):
        cv2.ellipse(frame, (20 + 2 * t, 40), (7, 4), 20.0 * t, 0, 360, 20, -1)
    return frames


@pytest.mark.parametrize("shift", [0.2, 0.4, 0.7])
def test_edge_motion_measures_a_shift_along_the_gradient(shift):
    x = np.arange(128, dtype=np.float32)
    stripes = [100 + 80 * np.sin((x - s) / 5)[None].repeat(64, 0) for s in (0, shift)]
    measured = edge_motion(*(stripe.astype(np.float32) for stripe in stripes))
    assert measured == pytest.approx(shift, rel=0.15)


def test_a_static_camera_is_recognised_despite_subject_noise_and_flicker():
    frames = np.stack([texture(*SIZE)] * 40)
    for t, frame in enumerate(frames):
        frame[30:60, 5 + t : 20 + t] = texture(30, 15, seed=3)
    flicker = 10 * np.sin(np.arange(40))[:, None, None, None]
    assert still(noisy(frames * 0.8 + 20 + flicker, 3))


def test_a_bare_arena_is_static():
    assert still(noisy(arena(30), 2))


def test_black_frames_are_static():
    assert still(np.zeros((5, *SIZE), np.uint8))


@pytest.mark.parametrize("step", [0.05, 0.3, 2.0])
def test_a_pan_is_not_static_however_slow(step):
    assert not still(noisy(pan(60, SIZE, step), 2))


def long_pair(near_shift):
    """Two views of a far and a near half; with parallax these shift by different amounts."""
    size = (144, 192)
    far, near = pan(2, size, 4.0, seed=1), pan(2, size, near_shift, seed=2)
    frames = np.where(np.arange(size[0])[:, None, None] < size[0] // 2, far, near)
    source, target = (
        KeypointDetector(400).detect(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)) for frame in frames
    )
    return estimate_homography(source, target, size, HomographySettings())


def test_parallax_tells_a_translating_camera_from_a_rotating_one():
    assert moving_camera([long_pair(4.0)] * 3, []) == "rotating"
    assert moving_camera([long_pair(14.0)] * 3, []) == "translating"


def unfitted(reason, matches):
    return unknown_homography(reason, keypoints=200, matches=matches)


def test_parallax_too_strong_for_any_homography_is_parallax():
    assert moving_camera([unfitted("no homography fits", 80)] * 3, [0.05] * 9) == "translating"


@pytest.mark.parametrize(
    "long_pairs", [[], [unfitted("too few matches", 4)] * 3, [unfitted("no texture", 0)] * 3]
)
@pytest.mark.parametrize(
    ("parallax_px", "camera"),
    [([0.05, 0.08, 3.0], "rotating"), ([0.5, 0.4, np.nan], "translating"), ([np.nan], "rotating")],
)
def test_near_pairs_tell_where_far_ones_cannot(long_pairs, parallax_px, camera):
    assert moving_camera(long_pairs, parallax_px) == camera


@pytest.mark.parametrize("size", [(8, 4096), (4096, 8), (2, 512), (1, 512), (512, 1), (1, 1)])
def test_a_strip_keeps_a_thumbnail_and_is_judged(size):
    assert still(np.stack([texture(*size)] * 4))


@pytest.mark.parametrize("size", [(8, 4096), (4096, 8)])
def test_a_strip_that_moves_along_is_not_static(size):
    x = np.arange(4096)
    along = [127 + 120 * np.sin((x - 40 * t) / 150) for t in range(20)]
    wide = np.stack(along)[:, None].repeat(8, 1).astype(np.uint8)
    assert not still(wide if size[1] > size[0] else wide.swapaxes(1, 2))


def test_an_animal_that_has_all_the_edges_is_no_camera():
    """They move by 2 px a frame, and with them one pixel in twenty changes."""
    frames = arena(30)
    frames[frames == 60] = 200
    first, last = (cv2.GaussianBlur(frames[t], (0, 0), 1.0).astype(np.float32) for t in (0, 29))
    assert edge_motion(first, last) > 1
    assert still(noisy(frames, 2))


def test_the_strongest_edges_decide_and_not_the_many_pale_ones():
    """A fifth of the frame are strong stripes that rest, the others are pale ones that move."""
    x = np.arange(160, dtype=np.float32)

    def frame(shift):
        row = np.where(x < 32, 128 + 100 * np.sin(x / 2), 128 + 60 * np.sin((x - shift) / 4))
        return row.astype(np.float32)[None].repeat(32, 0)

    assert edge_motion(frame(0.0), frame(0.5)) < 0.05


def test_most_of_the_long_pairs_are_enough_to_tell():
    """Two of three say that the camera turns; nobody asks the near pairs then."""
    one = unfitted("too few matches", 4)
    assert moving_camera([long_pair(4.0)] * 2 + [one], [0.9] * 9) == "rotating"
    assert moving_camera([long_pair(4.0)] + [one] * 2, [0.9] * 9) == "translating"


@pytest.mark.parametrize(("jolts", "rests"), [(1, True), (3, False)])
def test_a_jolt_now_and_then_is_no_motion_of_the_camera(jolts, rests):
    """Each is two steps of 59, there and back; one in twenty may be."""
    frames = np.stack([texture(*SIZE)] * 60)
    for number in range(jolts):
        frames[10 + 15 * number] = np.roll(texture(*SIZE), 5, axis=1)
    assert still(frames) == rests
