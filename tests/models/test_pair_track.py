import cv2
import numpy as np
import pytest
from helpers_motion import corner_error, pan, texture

from models import pair_track
from models.alignment import look
from models.keypoints import KeypointDetector
from models.pair_track import PairSettings, PairTrack

SIZE = (72, 96)


def view(frame, keypoints=400):
    return look(KeypointDetector(keypoints), cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY))


def run(frames, cuts=(), **settings):
    track = PairTrack(len(frames), cuts, PairSettings(**settings))
    for frame in frames:
        track.add(view(frame))
    return track.result()


def shift(px):
    return np.array([[1, 0, px], [0, 1, 0], [0, 0, 1.0]])


@pytest.mark.parametrize("chain", ["auto", "never", "always"])
def test_every_frame_is_a_target_once_whatever_the_way(chain):
    camera, found = run(pan(7, SIZE, 2.0), gap=3, chain=chain)
    assert camera == "rotating"
    sources = {target: source for source, target in found}
    assert sources == {0: 3, 1: 4, 2: 5, 3: 6, 4: 1, 5: 2, 6: 3}
    for (source, target), one in found.items():
        assert corner_error(one.pair.H, shift(2.0 * (source - target)), SIZE) < 0.3
    assert {one.method for one in found.values()} == {"chain" if chain == "always" else "tracks"}


def test_auto_goes_over_the_frames_between_where_the_direct_way_fails():
    """Light goes out on the left while the right gets it: ends share nothing, neighbours do."""
    frames = pan(13, (72, 128), 1.0).astype(np.float32)
    columns = np.arange(128)
    for t, frame in enumerate(frames):
        light = np.clip((columns - 64) * (t - 6) / 384 + 0.5, 0, 1)
        frame[:] = 128 + (frame - 128) * light[:, None]
    frames = frames.astype(np.uint8)
    ways = {way: run(frames, gap=12, chain=way)[1][12, 0] for way in ("never", "auto")}
    assert not ways["never"].pair.ok
    assert (ways["auto"].pair.ok, ways["auto"].method) == (True, "chain")
    assert corner_error(ways["auto"].pair.H, shift(12.0), (72, 128)) < 1.5, "errors of links add up"


@pytest.mark.parametrize(
    ("lengths", "gap", "crossing"),
    [((5, 5), 2, set()), ((5, 3), 3, {2, 5, 6, 7}), ((3, 1, 4), 2, {1, 3}), ((8, 8, 8), 4, set())],
)
def test_no_pair_and_no_link_crosses_a_cut(lengths, gap, crossing):
    shots = [pan(length, SIZE, 2.0, seed) for seed, length in enumerate(lengths)]
    starts = np.cumsum(lengths)[:-1].tolist()
    _, found = run(np.concatenate(shots), cuts=starts, gap=gap, chain="always")
    assert sorted(target for _, target in found) == list(range(sum(lengths)))
    shot = np.repeat(np.arange(len(lengths)), lengths)
    across = {pair[1] for pair in found if shot[pair[0]] != shot[pair[1]]}
    assert across == crossing, "only frames that have no other gap frames away in their shot"
    for pair, one in found.items():
        assert one.pair.reason == ("scene cut" if pair[1] in across else "")


def test_a_static_camera_gets_the_identity_and_nothing_else():
    still = np.stack([texture(*SIZE)] * 5)
    camera, found = run(still, local="on")
    assert camera == "static"
    for one in found.values():
        np.testing.assert_array_equal(one.pair.H, np.eye(3))
        assert (one.method, one.parallax_px, one.mesh) == ("static", 0.0, None)


@pytest.mark.parametrize(
    ("local", "camera", "has_mesh"),
    [
        ("off", "translating", False),
        ("auto", "rotating", False),
        ("auto", "translating", True),
        ("on", "rotating", True),
    ],
)
def test_who_gets_a_mesh(local, camera, has_mesh, monkeypatch):
    monkeypatch.setattr(pair_track, "moving_camera", lambda *_: camera)
    _, found = run(pan(4, SIZE, 2.0), local=local)
    assert {one.mesh is not None for one in found.values()} == {has_mesh}


def specks(size, share, contrast, seed=0):
    """A plain wall with a few marks on it."""
    height, width = size
    rng = np.random.default_rng(seed)
    wall = np.full((height, width, 3), 128, np.float32)
    for _ in range(int(share * height * width / 20)):
        x, y = rng.integers(0, [width, height]).tolist()
        level = 128 + contrast * (2 * float(rng.integers(2)) - 1)
        cv2.ellipse(wall, (x, y), (3, 2), float(rng.integers(180)), 0, 360, (level,) * 3, -1)
    return cv2.GaussianBlur(wall, (0, 0), 0.7)


def filmed(wall, offsets, size, sigma=2.0):
    """Views of a wall at (x, y) px offsets, with noise."""
    rng = np.random.default_rng(1)
    height, width = size
    views = [
        cv2.warpAffine(
            wall,
            np.array([[1, 0, 16 + x], [0, 1, 16.0 + y]]),
            (width, height),
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        )
        for x, y in offsets
    ]
    noisy = np.stack(views) + rng.normal(0, sigma, (len(views), height, width, 3))
    return np.clip(noisy, 0, 255).astype(np.uint8)


def moved_as(found, offsets, size):
    """Largest error of the pairs' homographies, px at the corners."""
    errors = []
    for (source, target), one in found.items():
        truth = np.eye(3)
        truth[:2, 2] = np.subtract(offsets[source], offsets[target])
        errors.append(corner_error(one.pair.H, truth, size))
    return np.array(errors)


@pytest.mark.parametrize("size", [(96, 128), (180, 320), (480, 854)])
@pytest.mark.parametrize("amplitude", [1.0, 2.0])
def test_a_shaking_camera_over_a_scene_of_few_marks_is_not_static(size, amplitude):
    rng = np.random.default_rng(3)
    offsets = rng.uniform(-amplitude, amplitude, (12, 2)).tolist()
    wall = specks((size[0] + 32, size[1] + 32), 0.03, 80)
    camera, found = run(filmed(wall, offsets, size))
    assert camera == "rotating"
    assert np.median(moved_as(found, offsets, size)) < 0.35


def test_a_slow_pan_over_a_pale_scene_is_not_static():
    size, offsets = (180, 320), [(1.0 * t, 0.0) for t in range(12)]
    wall = 128 + (texture(size[0] + 32, size[1] + 48) - 128.0) * 0.06
    camera, found = run(filmed(wall.astype(np.float32), offsets, size, sigma=0.7))
    assert camera == "rotating"
    assert moved_as(found, offsets, size).max() < 0.5


def test_the_few_frames_of_a_still_camera_that_is_pushed_keep_their_homographies():
    size, offsets = (96, 128), [(0.0, 0.0)] * 80 + [(3.0 * t, 0.0) for t in (1, 2, 3)]
    wall = texture(size[0] + 32, size[1] + 48).astype(np.float32)
    camera, found = run(filmed(wall, offsets, size))
    assert camera == "static"
    assert moved_as(found, offsets, size).max() < 0.3
    assert [one.method for one in found.values()].count("static") == 79


def test_shots_are_judged_apart():
    size = (72, 96)
    offsets = [(0.0, 0.0)] * 20 + [(2.0 * t, 0.0) for t in range(10)]
    walls = [texture(size[0] + 32, size[1] + 64, seed).astype(np.float32) for seed in (1, 2)]
    shots = [filmed(walls[0], offsets[:20], size), filmed(walls[1], offsets[20:], size)]
    camera, found = run(np.concatenate(shots), cuts=[20])
    assert camera == "rotating"
    assert {found[pair].method for pair in found if pair[1] < 20} == {"static"}
    assert moved_as(found, offsets, size).max() < 0.5
    still_too = filmed(walls[1], [(5.0, 0.0)] * 10, size)
    assert run(np.concatenate([shots[0], still_too]), cuts=[20])[0] == "static"


def test_what_alone_has_texture_and_moves_is_no_moving_camera():
    """A textured subject before a plain wall: every keypoint and corner is its own."""
    rng = np.random.default_rng(0)
    frames = np.full((12, 96, 128, 3), 120.0)
    for t, frame in enumerate(frames):
        frame[40:60, 10 + 2 * t : 28 + 2 * t] = texture(20, 18, seed=4)
    frames = np.clip(frames + rng.normal(0, 2, frames.shape), 0, 255).astype(np.uint8)
    camera, found = run(frames)
    assert camera == "static"
    assert {one.method for one in found.values()} == {"static"}


def test_memory_holds_a_few_views():
    track = PairTrack(12, (), PairSettings(gap=2, chain="always"))
    for frame in pan(12, SIZE, 2.0):
        track.add(view(frame, keypoints=100))
        assert len(track.views) <= 3
        assert len(track.links) <= 4


def test_a_camera_that_is_known_to_stand_still_does_whatever_the_frames_say():
    """All that has edges on a bare ground is one large subject, which walks."""
    frames = []
    for t in range(12):
        frame = np.full((72, 96, 3), 235, np.uint8)
        frame[16:56, 4 * t : 4 * t + 40] = texture(40, 40, seed=1)
        frames.append(frame)
    judged, found = run(frames)
    assert judged != "static"
    assert max(np.abs(one.pair.H - np.eye(3)).max() for one in found.values()) > 1
    camera, found = run(frames, camera="static")
    assert camera == "static"
    for one in found.values():
        assert one.pair.ok
        np.testing.assert_array_equal(one.pair.H, np.eye(3))


def test_what_the_identity_leaves_is_how_far_its_inliers_moved():
    """A camera that is said to stand still and goes 2 px a frame."""
    _, found = run(pan(4, SIZE, 2.0), camera="static")
    for one in found.values():
        assert one.pair.error_px == pytest.approx(2.0, abs=0.2)
