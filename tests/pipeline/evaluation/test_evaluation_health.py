"""Collapses are named, and nothing else is."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from pipeline.errors import BackdropError
from pipeline.evaluation.health import VideoHealth, assess, raise_if_collapsed
from pipeline.motion_centre import motion_centre, way
from pipeline.params.results import Evaluate

PARAMS = Evaluate()
FRAMES = 20
LEFT = np.arange(FRAMES) < 7  # 35% of the frames


def video(areas=0.05, boxes="follow", motion="walk", noise=0.0, seen=True, overlap=0.5):
    """A subject that walks 60 px through 100 px wide frames, or rests; boxes follow, or freeze.

    Nothing moves where it is not `seen`; where it is, masks and motion overlap by `overlap`.
    """
    walk = np.stack([np.linspace(20, 80, FRAMES), np.full(FRAMES, 50.0)], axis=1)
    rest = np.full((FRAMES, 2), 50.0) + np.random.default_rng(0).normal(0, noise, (FRAMES, 2))
    nothing = np.full((FRAMES, 2), np.nan)
    centres = {"follow": walk, "freeze": np.full((FRAMES, 2), 40.0), "rest": rest}[boxes]
    steps = np.linalg.norm(np.diff(centres, axis=0), axis=1)
    seen = np.broadcast_to(np.asarray(seen, bool), FRAMES)
    motion_centres = {"walk": walk, "rest": rest, "nothing": nothing}[motion].copy()
    motion_centres[~seen] = np.nan
    return VideoHealth(
        areas=np.broadcast_to(np.asarray(areas, float), FRAMES),
        confidence=np.full(FRAMES, 0.8),
        jumps=np.concatenate([[np.nan], steps]),
        overlaps=np.where(np.isnan(motion_centres[:, 0]), np.nan, overlap),
        box_centres=centres,
        motion_centres=motion_centres,
        longest_side=100,
    )


def test_a_sound_run():
    health = assess([video(), video(areas=np.linspace(0.04, 0.06, FRAMES))], PARAMS)
    assert not health["collapsed"]
    assert health["why"] == ""
    assert health["empty_frames"] == 0
    assert health["mask_area_mean"] == pytest.approx(0.05)
    assert health["mask_area_jitter"] == pytest.approx((0 + 0.02 / 19) / 2 / 0.05)
    assert health["box_jump_px"] == pytest.approx(60 / 19)
    assert health["confidence"] == pytest.approx(0.8)
    assert health["motion_overlap"] == pytest.approx(0.5)
    raise_if_collapsed({"health": health})


@pytest.mark.parametrize(
    ("videos", "why", "limit"),
    [
        ([video(areas=0.0)], "100% of the masks are empty", "collapse_empty"),
        ([video(areas=np.arange(FRAMES) < 9)], "55% of the masks are empty", "collapse_empty"),
        ([video(areas=0.9)], "the masks cover 90% of the frame", "collapse_full"),
        (
            [video(boxes="freeze"), video(boxes="freeze", motion="rest")],
            "the boxes are frozen",
            "collapse_frozen_px",
        ),
    ],
)
def test_collapses_are_named_with_the_param_that_sets_the_limit(videos, why, limit):
    health = assess(videos, PARAMS)
    assert health["collapsed"]
    assert why in health["why"]
    with pytest.raises(BackdropError, match=f"metrics.json: COLLAPSE: .*{why}") as told:
        raise_if_collapsed({"health": health})
    assert re.findall(r"evaluate\.(\w+)", told.value.remedy) == [limit]
    assert limit in Evaluate.model_fields


@pytest.mark.parametrize(
    "videos",
    [
        [video(boxes="freeze", motion="rest")],  # a resting subject
        [video(boxes="freeze", motion="rest", noise=2.0)],  # seen through noisy flow
        [video(boxes="freeze", motion="nothing")],  # nothing moves at all
        [video(boxes="freeze"), video()],  # one of two videos only
        [video(areas=np.arange(FRAMES) < 11)],  # empty in 45% of frames
        [video(areas=0.5)],
        [video(areas=0.05 * LEFT, seen=LEFT)],  # empty in 65%, where no subject is
        [video(overlap=0.0)],  # beside what moves, which need not be the subject
    ],
)
def test_what_is_no_collapse(videos):
    assert not assess(videos, PARAMS)["collapsed"]


def test_masks_are_looked_for_where_something_moves():
    """They are empty in 35% of the frames only, but those are the ones with a subject."""
    health = assess([video(areas=0.05 * ~LEFT, seen=LEFT)], PARAMS)
    assert health["collapsed"]
    told = "100% of the masks are empty (of the 7 frames in which something of a subject's size"
    assert told in health["why"]
    assert health["empty_frames"] == pytest.approx(0.35)


@pytest.mark.parametrize("moving", [0, 4])
def test_where_too_little_moves_all_frames_count(moving):
    """Nothing tells where a subject is, so that masks in most frames are asked for as before."""
    seen = np.arange(FRAMES) < moving
    health = assess([video(areas=0.05 * LEFT, seen=seen)], PARAMS)
    assert "65% of the masks are empty (of all 20: too little moves" in health["why"]
    assert not assess([video(areas=0.05 * ~LEFT, seen=seen)], PARAMS)["collapsed"]
    off = Evaluate(collapse_empty=1.0)
    assert not assess([video(areas=0.0, motion="nothing")], off)["collapsed"]


def test_the_overlap_with_motion_is_that_of_the_frames_that_have_one():
    few = video(seen=np.arange(FRAMES) < 5, overlap=0.1)
    assert assess([few, video(overlap=0.6)], PARAMS)["motion_overlap"] == pytest.approx(0.5)
    assert assess([video(motion="nothing")], PARAMS)["motion_overlap"] is None


def test_two_reasons_are_both_told():
    health = assess([video(areas=0.0, boxes="freeze")], PARAMS)
    assert "empty" in health["why"]
    assert "frozen" in health["why"]
    with pytest.raises(BackdropError, match=r"evaluate\.collapse_empty.*evaluate\.collapse_frozen"):
        raise_if_collapsed({"health": health})


def test_one_frame_has_no_jitter_and_no_jump():
    one = VideoHealth(
        areas=np.array([0.1]),
        confidence=np.array([0.5]),
        jumps=np.array([np.nan]),
        overlaps=np.array([np.nan]),
        box_centres=np.zeros((1, 2)),
        motion_centres=np.full((1, 2), np.nan),
        longest_side=100,
    )
    health = assess([one], PARAMS)
    assert health["mask_area_jitter"] is None
    assert health["box_jump_px"] is None
    assert not health["collapsed"]


def test_a_cut_is_no_jitter():
    """Two shots of steady masks, the second with larger ones."""
    areas = np.where(np.arange(FRAMES) < 8, 0.02, 0.08)
    one = video(areas=areas)
    assert assess([one], PARAMS)["mask_area_jitter"] > 0
    one.jumps[8] = np.nan
    assert assess([one, video()], PARAMS)["mask_area_jitter"] == 0


def test_motion_centre_is_the_middle_of_what_moves():
    speed = np.zeros((40, 60), np.float32)
    speed[10:21, 30:41] = 2.0
    assert motion_centre(speed, 1.0) == (35.0, 15.0)
    assert np.isnan(motion_centre(speed, 3.0)).all()  # nothing
    assert np.isnan(motion_centre(speed + 5, 1.0)).all()  # everything: stabilisation failed


def test_way_leaves_out_single_leaps():
    points = np.zeros((100, 2))
    points[7] = 500
    assert way(points) == 0
    assert way(np.stack([np.arange(101.0), np.zeros(101)], axis=1)) == pytest.approx(90)


@pytest.mark.parametrize(("own", "at_fault"), [(7, True), (200, False)])
def test_empty_masks_of_a_student_whose_teacher_has_masks_are_the_students_fault(
    own: int, at_fault: bool
) -> None:
    def reported(empty: int) -> dict[str, dict[str, int]]:
        unseen = {"empty_frames": 0, "frames": 0}
        return {"test": {"empty_frames": empty, "frames": 300}, "test_unseen": unseen}

    health = {"collapsed": True, "kinds": "empty", "why": "91% of the masks are empty"}
    metrics = {"health": health, **reported(222), "without_self_train": reported(own)}
    with pytest.raises(BackdropError) as raised:
        raise_if_collapsed(metrics)
    assert ("self_train.iterations" in str(raised.value)) == at_fault
    assert ("in 7 of 300 frames" in str(raised.value)) == at_fault
    assert ("mask_prior_weight" in str(raised.value)) != at_fault


def test_one_leap_of_the_box_says_little_of_the_others():
    """Eighteen steps of 1 px and one of 100."""
    one = replace(video(), jumps=np.array([np.nan, *[1.0] * 18, 100.0]))
    assert assess([one], PARAMS)["box_jump_px"] == 1.0
