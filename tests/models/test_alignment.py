from itertools import islice, pairwise

import cv2
import numpy as np
import pytest
from helpers_motion import around_centre, corner_error, pan, texture

from models.alignment import Alignment, align, better, chain, look
from models.keypoints import KeypointDetector
from models.stabilization import (
    HomographySettings,
    PairHomography,
    estimate_homography,
    unknown_homography,
)
from models.tracks import Tracks
from models.warping import MESH_SIZE, mesh_displacement
from pipeline.synthetic.recipe import ClipSpec, Recipe
from pipeline.synthetic.render import camera_homographies, render_clip

SIZE = (96, 128)
LIMITS = HomographySettings()


def view(image, contrast=0.03):
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return look(KeypointDetector(400, contrast), grey)


def moved(image, H):
    return cv2.warpPerspective(image, H, SIZE[::-1], flags=cv2.INTER_CUBIC)


def test_on_a_smooth_ground_tracks_are_more_exact_than_keypoints():
    """Frames of the built-in data, whose renderer knows the camera."""
    clip = ClipSpec("clip", "train", "slope", subject=0, camera=100, frames=40)
    recipe = Recipe(7, SIZE[1], SIZE[0], 15, (clip,))
    cameras = camera_homographies(recipe, clip)
    views = [view(frame) for frame, _ in islice(render_clip(recipe, clip), 8)]
    keypoint_errors, errors = [], []
    for t, (b, a) in enumerate(pairwise(views)):
        truth = cameras[t] @ np.linalg.inv(cameras[t + 1])
        rough = estimate_homography(a.keypoints, b.keypoints, SIZE, LIMITS)
        found = align(a, b, LIMITS, mesh=False)
        assert found.method == "tracks"
        assert found.pair.inliers == rough.inliers, "keypoints tell whether to trust it"
        assert found.parallax_px < 0.2
        keypoint_errors.append(corner_error(rough.H, truth, SIZE))
        errors.append(corner_error(found.pair.H, truth, SIZE))
    assert np.median(errors) < 0.15
    assert np.max(errors) < 0.3 * np.max(keypoint_errors)


def test_without_keypoints_tracks_do_alone():
    truth = around_centre(SIZE, degrees=1.0, shift=(2.0, -1.5))
    source = (texture(*SIZE) // 6) + 100
    a, b = (view(image, contrast=0.2) for image in (source, moved(source, truth)))
    assert estimate_homography(a.keypoints, b.keypoints, SIZE, LIMITS).reason
    found = align(a, b, LIMITS, mesh=False)
    assert (found.pair.ok, found.method) == (True, "tracks")
    assert corner_error(found.pair.H, truth, SIZE) < 0.3
    assert found.pair.inliers > 50
    assert 1.5 < found.pair.motion_px < 4.0
    assert found.pair.error_px < 0.3


def test_a_subject_before_a_bare_wall_is_no_background():
    frames = np.full((2, *SIZE, 3), 90, np.uint8)
    for t, frame in enumerate(frames):
        frame[30:60, 40 + 3 * t : 70 + 3 * t] = texture(30, 30)
    found = align(view(frames[1], 0.2), view(frames[0], 0.2), LIMITS, mesh=False)
    assert not found.pair.ok
    assert np.isnan(found.pair.H).all()
    assert found.method == ""
    assert np.isnan(found.parallax_px)


def test_unrelated_frames_stay_unknown():
    found = align(view(texture(*SIZE, 1)), view(texture(*SIZE, 2)), LIMITS, mesh=True)
    assert not found.pair.ok
    assert found.pair.reason
    assert found.mesh is None


def test_a_mesh_and_parallax_show_what_a_plane_leaves():
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float32)
    slide = 3.0 * np.clip(rows / SIZE[0] - 0.5, 0, None) + 2.0  # of the ground before a far wall
    wall = texture(SIZE[0], SIZE[1] + 20)
    target = wall[:, 10:-10]
    source = cv2.remap(wall, columns + 10 - slide, rows, cv2.INTER_CUBIC)
    found = align(view(source), view(target), LIMITS, mesh=True)
    flat = align(view(target), view(target), LIMITS, mesh=False)
    assert found.parallax_px > 5 * flat.parallax_px
    dense = mesh_displacement(found.mesh, SIZE)
    x, y = (np.linspace(15, n - 16, 5).astype(int) for n in SIZE[::-1])
    points = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    place = points + dense[points[:, 1], points[:, 0]]
    there = np.c_[place, np.ones(len(place))] @ np.linalg.inv(found.pair.H).T
    seen_at = there[:, :2] / there[:, 2:]
    assert found.mesh.shape == (*MESH_SIZE, 2)
    # source(x) = wall(x + 10 - slide): the target's x is seen at x + slide
    expected = points + np.stack([slide[points[:, 1], points[:, 0]], 0 * points[:, 1]], -1)
    assert np.abs(seen_at - expected).max() < 0.35


@pytest.mark.parametrize("corner", [(30, 40), (56, 74), (4, 70)])
@pytest.mark.parametrize("apart", [2, 3, 6])
def test_neither_plane_nor_mesh_swallows_the_motion_of_a_patch(corner, apart):
    truth, (top, left) = around_centre(SIZE, shift=(3.0, 0.0)), corner
    source, patch = texture(*SIZE), texture(37, 50, seed=5)  # 15 % of the frame
    target = moved(source, truth)
    source[top : top + 37, left - 3 + apart :][:, :50] = patch[:, : SIZE[1] - left + 3 - apart]
    target[top : top + 37, left : left + 50] = patch
    found = align(view(source), view(target), LIMITS, mesh=True)
    assert corner_error(found.pair.H, truth, SIZE) < 0.2
    assert np.linalg.norm(found.mesh, axis=-1).max() < 0.2


def walk(count, step):
    return [view(frame) for frame in pan(count, SIZE, step)]


def links_of(views):
    return [
        align(a, b, LIMITS, mesh=False) for a, b in zip(views[:0:-1], views[-2::-1], strict=True)
    ]


def test_a_chain_leads_to_the_known_motion():
    views = walk(5, 6.0)
    found = chain(links_of(views), views[-1], views[0], LIMITS, mesh=False)
    assert (found.method, found.pair.ok) == ("chain", True)
    truth = np.array([[1, 0, 24.0], [0, 1, 0], [0, 0, 1]])
    assert corner_error(found.pair.H, truth, SIZE) < 0.4


def test_a_chain_with_a_broken_link_has_a_reason():
    views = walk(3, 2.0)
    links = [links_of(views)[0], Alignment(unknown_homography("too few matches"), "")]
    broken = chain(links, views[-1], views[0], LIMITS, mesh=False)
    assert (broken.pair.ok, broken.pair.reason, broken.method) == (False, "broken chain", "")


def test_a_chain_is_held_to_the_same_limits():
    views = walk(5, 6.0)
    near = HomographySettings(max_shift=0.1)
    found = chain(links_of(views), views[-1], views[0], near, mesh=False)
    assert (found.pair.ok, found.pair.reason) == (False, "shift")


def test_the_better_of_two_ways_is_taken():
    views = walk(3, 4.0)
    ends = views[-1], views[0]
    chained = chain(links_of(views), *ends, LIMITS, mesh=False)
    failed = Alignment(unknown_homography("too few matches"), "")
    wrong = align(views[-1], views[1], LIMITS, mesh=False)
    assert better(failed, chained, *ends) is chained
    assert better(wrong, chained, *ends) is chained
    assert better(chained, wrong, *ends) is chained
    assert better(chained, failed, *ends) is chained
    assert better(failed, failed, *ends) is failed


def test_a_chain_is_the_product_in_order_and_errors_add_up():
    """Bare frames, so that nothing refines it. To turn and then shift is not to shift and turn."""
    bare = view(np.full((*SIZE, 3), 90, np.uint8))
    turn, shift = around_centre(SIZE, degrees=8.0), around_centre(SIZE, shift=(10.0, 0.0))
    links = [
        Alignment(PairHomography(H, 100, 80, inliers, error_px, motion_px, ""), "keypoints")
        for H, inliers, error_px, motion_px in ((turn, 70, 0.25, 3.0), (shift, 60, 0.5, 10.0))
    ]
    found = chain(links, bare, bare, LIMITS, mesh=False)
    np.testing.assert_allclose(found.pair.H, shift @ turn, atol=1e-9)
    assert np.abs(shift @ turn - turn @ shift).max() > 1
    assert (found.pair.inliers, found.pair.error_px, found.pair.motion_px) == (60, 0.75, 13.0)


def test_a_chain_of_tilts_has_a_homography_of_the_usual_scale():
    """H[2, 2] is 1 of each link, and 1.02 of their product."""
    bare = view(np.full((*SIZE, 3), 90, np.uint8))
    H = np.array([[1, 0, 40.0], [0, 1, 0], [0.0005, 0, 1]])
    link = Alignment(PairHomography(H, 100, 80, 70, 0.25, 40.0, ""), "keypoints")
    found = chain([link, link], bare, bare, HomographySettings(max_shift=9.0), mesh=False)
    assert (found.pair.ok, found.pair.H[2, 2]) == (True, 1.0)
    np.testing.assert_allclose(found.pair.H * (H @ H)[2, 2], H @ H, atol=1e-9)


def all_over(moved: np.ndarray, tried: int = 40) -> Tracks:
    """40 corners on a grid over the frame, of which those `moved` are 4 px further right."""
    points = np.stack(np.meshgrid(np.arange(8, 128, 15), np.arange(8, 96, 20)), -1)
    points = points.reshape(-1, 2).astype(np.float32)
    return Tracks(points, points + np.float32([4, 0]) * moved[:, None], tried)


def aligned_by(monkeypatch, tracks, source, target):
    monkeypatch.setattr("models.alignment.follow", lambda *_: tracks)
    return align(view(source), view(target), LIMITS, mesh=False)


BARE = np.full((*SIZE, 3), 90, np.uint8)
ALL = np.ones(40, bool)
SOME = np.arange(40) % 5 < 2


@pytest.mark.parametrize(("tried", "ok"), [(130, True), (140, False)])
def test_corners_that_were_lost_count_against_those_that_agree(monkeypatch, tried, ok):
    """40 agree; three in ten of all that were looked for must."""
    assert aligned_by(monkeypatch, all_over(ALL, tried), BARE, BARE).pair.ok == ok


def test_the_subjects_corners_are_no_error_of_the_background(monkeypatch):
    tracks = all_over(ALL)
    tracks.ends[::10] += np.float32([0, 9])
    found = aligned_by(monkeypatch, tracks, BARE, BARE)
    assert (found.pair.ok, found.pair.inliers) == (True, 36)
    assert found.pair.error_px < 0.01


def test_the_camera_moved_where_tracks_and_images_say_so_and_not_where_one_of_them_does(
    monkeypatch,
):
    """The images know of the 4 px or are bare; all of the corners follow, or two in five."""
    wall = texture(SIZE[0], SIZE[1] + 4)
    apart = wall[:, :-4], wall[:, 4:]
    assert aligned_by(monkeypatch, all_over(ALL), *apart).moved
    assert not aligned_by(monkeypatch, all_over(ALL), BARE, BARE).moved
    few = aligned_by(monkeypatch, all_over(SOME), *apart)
    assert corner_error(few.pair.H, around_centre(SIZE, shift=(-4.0, 0.0)), SIZE) < 0.5
    assert not few.moved
