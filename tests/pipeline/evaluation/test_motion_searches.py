"""Which frames stand in for ground truth, and with what."""

from __future__ import annotations

import numpy as np
import pytest
from helpers_artifacts import make_project, write_flow

from pipeline.errors import BackdropError
from pipeline.evaluation.collect import predicted_videos
from pipeline.evaluation.motion_searches import FRAMES, motion_searches
from pipeline.evaluation.search import without_crf

SCALES = (0.5, 1.0)


def searches():
    return motion_searches(predicted_videos(), SCALES, 0.5)


def test_the_half_of_the_frames_in_which_more_moves(tmp_path, monkeypatch):
    """In every second frame only an upper part of the subject moves, in one nothing."""
    project = make_project(tmp_path, monkeypatch, ["train"], frames=12)
    (scene,) = project.scenes.values()
    for number in range(1, 12, 2):
        scene.flow[number, 18 + number // 2 :] = 0
    scene.flow[4] = 0
    write_flow(scene)
    (search,) = searches()
    whole = {0, 2, 6, 8, 10}
    assert whole <= set(search.frames)
    assert 4 not in search.frames
    assert len(search.frames) <= len(whole) + 1  # half of eleven, and the middle one


def test_frames_in_which_far_more_moves_are_left_out(tmp_path, monkeypatch):
    """A failed stabilisation: a quarter of the picture moves beside the subject."""
    project = make_project(tmp_path, monkeypatch, ["train"], frames=12)
    (scene,) = project.scenes.values()
    scene.flow[[2, 7], 36:] = 3.0
    write_flow(scene)
    (search,) = searches()
    assert search.size >= 5
    assert not {2, 7} & set(search.frames)


def test_flow_of_other_frames_is_named(tmp_path, monkeypatch):
    project = make_project(tmp_path, monkeypatch, ["train"], frames=6)
    (scene,) = project.scenes.values()
    scene.flow, scene.truth = scene.flow[:5], scene.truth[:5]
    write_flow(scene)
    with pytest.raises(BackdropError, match=r"flow/clip_0\.h5: holds 5 x 64x48 px, but .* 6 x"):
        searches()


def test_the_flow_takes_the_place_of_the_truth(tmp_path, monkeypatch):
    """Scores are those against the pixels that move by more than half of the video's scale."""
    project = make_project(tmp_path, monkeypatch, ["train"], frames=4, truth=False)
    (scene,) = project.scenes.values()
    (search,) = searches()
    assert search.moving_px == 0.5
    soft, control, flow = without_crf(search, lambda count: None)
    step = np.abs(scene.flow).max()
    assert step > 0.5
    for place, threshold in enumerate((0.05, 0.10, 0.15)):
        frames = list(search.frames)
        masks, moving = scene.soft[frames] / 255 > threshold, scene.truth[frames]
        expected = np.mean(
            [(a & b).sum() / (a | b).sum() for a, b in zip(masks, moving, strict=True)]
        )
        assert abs(soft[place] - expected) < 1e-9
    assert control.shape == (2, 19)
    assert flow.tolist() == [1.0]


def test_many_videos_share_the_frames_and_those_at_rest_have_none(tmp_path, monkeypatch):
    project = make_project(tmp_path, monkeypatch, ["train"] * 5, frames=20)
    still = project.scenes["clip_3"]
    still.flow[:] = 0
    write_flow(still)
    found = searches()
    assert [search.video for search in found] == ["clip_0", "clip_1", "clip_2", "clip_4"]
    assert all(0 < search.size <= FRAMES // 5 for search in found)


def test_more_moves_where_more_of_the_picture_does_and_not_where_it_is_faster(
    tmp_path, monkeypatch
):
    """In every second frame only an upper part of the subject moves, six times as fast."""
    project = make_project(tmp_path, monkeypatch, ["train"], frames=12)
    (scene,) = project.scenes.values()
    for number in range(1, 12, 2):
        scene.flow[number] *= 6
        scene.flow[number, 18 + number // 2 :] = 0
    write_flow(scene)
    (search,) = searches()
    assert set(search.frames) == {0, 2, 4, 6, 8, 10}


def test_more_frames_are_examined_than_are_looked_at(tmp_path, monkeypatch):
    """Of 16 videos two frames each: of 12, those would be 3 and 9, in which little moves."""
    project = make_project(tmp_path, monkeypatch, ["train"], frames=12)
    (scene,) = project.scenes.values()
    scene.flow[[3, 9], 20:] = 0
    write_flow(scene)
    for search in motion_searches(predicted_videos() * 16, SCALES, 0.5):
        assert search.size == FRAMES // 16
        assert not {3, 9} & set(search.frames)
