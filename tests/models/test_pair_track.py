import cv2
import numpy as np
import pytest
from helpers_motion import corner_error, pan, texture

from models import pair_track
from models.keypoints import KeypointDetector
from models.pair_track import PairSettings, PairTrack

SIZE = (72, 96)


def run(frames, cuts=(), **settings):
    track = PairTrack(len(frames), cuts, KeypointDetector(400), PairSettings(**settings))
    for frame in frames:
        track.add(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY))
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


def test_no_pair_and_no_link_crosses_a_cut():
    frames = np.concatenate([pan(5, SIZE, 2.0, seed=1), pan(5, SIZE, 2.0, seed=2)])
    _, found = run(frames, cuts=[5], gap=2, chain="always")
    bad = sorted(target for (_, target), one in found.items() if not one.pair.ok)
    assert bad == [3, 4]
    assert {found[pair].pair.reason for pair in ((5, 3), (6, 4))} == {"scene cut"}


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
    monkeypatch.setattr(pair_track, "camera_verdict", lambda *_: camera)
    _, found = run(pan(4, SIZE, 2.0), local=local)
    assert {one.mesh is not None for one in found.values()} == {has_mesh}


def test_memory_holds_a_few_views():
    track = PairTrack(12, (), KeypointDetector(100), PairSettings(gap=2, chain="always"))
    for frame in pan(12, SIZE, 2.0):
        track.add(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY))
        assert len(track.views) <= 3
        assert len(track.links) <= 4
