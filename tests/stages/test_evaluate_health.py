"""What evaluate tells of every run, also without ground truth: collapse, overlap, jumps."""

from __future__ import annotations

import cv2
import h5py
import numpy as np
import pandas as pd
import pytest
from helpers_artifacts import (
    add_student,
    make_project,
    truth_folder,
    write_flow,
    write_masks,
    write_predictions,
)
from helpers_evaluate import evaluate_one
from helpers_records import CONTROLS

from pipeline.errors import BackdropError
from pipeline.evaluation.health import raise_if_collapsed
from pipeline.store import paths
from pipeline.store.atomic import write_json
from pipeline.store.paths import Source
from pipeline.store.tables import PER_FRAME, read_table
from stages import evaluate

AMONG_SIX = "(of the 6 frames in which something of a subject's size moves)"


@pytest.fixture
def project(tmp_path, monkeypatch):
    return make_project(
        tmp_path,
        monkeypatch,
        ["train", "val", "test", "test_unseen"],
        frames=4,
        refined=True,
        calibrated=True,
    )


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (0, f"100% of the masks are empty {AMONG_SIX}"),
        (255, "the masks cover 100% of the frame"),
    ],
)
def test_a_collapse_is_recorded_and_named(tmp_path, monkeypatch, caplog, value, why):
    project = make_project(
        tmp_path, monkeypatch, ["test"], truth=False, refined=True, calibrated=True
    )
    scene = project.scenes["clip_0"]
    write_masks(scene, np.full(scene.truth.shape, value, np.uint8))
    evaluate.main()  # itself succeeds, so that DVC keeps its outputs and the report is written
    assert f"COLLAPSE: {why}" in caplog.text
    metrics = project.metrics()
    assert metrics["health"]["collapsed"]
    assert metrics["health"]["why"] == why
    with pytest.raises(BackdropError, match="COLLAPSE"):
        raise_if_collapsed(metrics)


def test_boxes_that_stand_still_while_the_subject_walks_are_frozen(tmp_path, monkeypatch):
    project = make_project(
        tmp_path, monkeypatch, ["test"], frames=8, truth=False, refined=True, calibrated=True
    )
    scene = project.scenes["clip_0"]
    write_predictions(scene, boxes=np.tile(scene.boxes[:1], (8, 1)))
    health = evaluate_one().health
    assert health.subject_moves
    assert np.ptp(health.box_centres, axis=0).max() == 0
    assert np.nanmax(health.jumps) == 0


def test_boxes_that_rest_with_a_resting_subject_are_not(tmp_path, monkeypatch):
    make_project(
        tmp_path, monkeypatch, ["test"], frames=8, moving=False, refined=True, calibrated=True
    )
    assert not evaluate_one().health.subject_moves


def test_a_slow_video_among_fast_ones_moves_by_its_own_scale(tmp_path, monkeypatch):
    """The control's threshold is of the videos' median scale, far above this one's speed."""
    project = make_project(
        tmp_path, monkeypatch, ["test"], frames=8, truth=False, refined=True, calibrated=True
    )
    scene = project.scenes["clip_0"]
    scene.flow *= 0.1
    write_flow(scene)
    with h5py.File(paths.video_file(paths.FLOW, "clip_0"), "r+") as file:
        file.attrs["scale_px"] = 0.5
    write_json(Source.MODEL.controls_file, CONTROLS | {"flow_threshold_px": 5.0})
    write_predictions(scene, boxes=np.tile(scene.boxes[:1], (8, 1)))
    assert np.abs(scene.flow).max() < 0.6
    evaluate.main()
    assert "the boxes are frozen" in project.metrics()["health"]["why"]


def test_masks_beside_the_subject_do_not_overlap_with_what_moves(tmp_path, monkeypatch):
    """One video's masks are right, one's lie 20 px off; where nothing moves there is no overlap."""
    project = make_project(
        tmp_path, monkeypatch, ["test", "test"], 6, truth=False, refined=True, calibrated=True
    )
    right, beside = project.scenes["clip_0"], project.scenes["clip_1"]
    write_masks(right, right.truth.astype(np.uint8) * 255)
    write_masks(beside, np.roll(beside.truth, 20, axis=2).astype(np.uint8) * 255)
    right.flow[4:] = 0
    write_flow(right)
    evaluate.main()
    assert project.metrics()["health"]["motion_overlap"] == pytest.approx(4 / 10)
    assert not project.metrics()["health"]["collapsed"]
    overlaps = read_table(paths.PER_FRAME_TABLE, PER_FRAME)["motion_overlap"]
    assert overlaps[:4].tolist() == [1.0] * 4
    assert overlaps[4:6].isna().all()
    assert overlaps[6:].tolist() == [0.0] * 6
    assert pd.read_csv(paths.PER_VIDEO_CSV)["motion_overlap"].tolist() == [1.0, 0.0]


def test_the_overlap_with_what_moves_is_that_of_the_final_mask(tmp_path, monkeypatch):
    """Of the student's, against a slow count."""
    project = make_project(tmp_path, monkeypatch, ["test"], 6, refined=True, calibrated=True)
    add_student(project, shift=4)
    evaluate.main()
    truth = project.scenes["clip_0"].truth
    shifted = np.roll(truth, 4, axis=2)
    expected = np.mean([(a & b).sum() / (a | b).sum() for a, b in zip(truth, shifted, strict=True)])
    assert project.metrics()["health"]["motion_overlap"] == pytest.approx(expected, abs=1e-6)


def test_masks_that_are_empty_where_no_subject_is_are_no_collapse(tmp_path, monkeypatch, caplog):
    """In 13 of 20 frames there is none; J flatters masks that are empty everywhere."""
    project = make_project(tmp_path, monkeypatch, ["test"], 20, refined=True, calibrated=True)
    scene = project.scenes["clip_0"]
    scene.truth[7:], scene.flow[7:] = False, 0
    write_flow(scene)
    for number, mask in enumerate(scene.source_truth):
        cv2.imwrite(str(truth_folder("clip_0") / f"{number:05d}.png"), mask.astype(np.uint8) * 255)
    write_masks(scene, scene.truth.astype(np.uint8) * 255)
    with caplog.at_level("INFO"):
        evaluate.main()
    metrics = project.metrics()
    assert not metrics["health"]["collapsed"]
    assert metrics["health"]["empty_frames"] == 0.65
    assert metrics["test"]["empty_correct"] == 1.0
    assert metrics["test"]["J_subject"] > 0.9
    assert "elsewhere 1.000 empty" in caplog.text
    write_masks(scene, np.zeros(scene.truth.shape, np.uint8))
    evaluate.main()
    metrics = project.metrics()
    assert metrics["health"]["collapsed"]
    assert metrics["test"]["J"] == 0.65
    assert metrics["test"]["J_subject"] == 0.0


def test_from_one_shot_to_the_next_a_box_does_not_jump(tmp_path, monkeypatch):
    make_project(tmp_path, monkeypatch, ["test"], frames=6, refined=True, calibrated=True)
    with h5py.File(paths.video_file(paths.FRAMES, "clip_0"), "r+") as file:
        file.attrs["cuts"] = np.array([3])
    jumps = [row["box_jump"] for row in evaluate_one().rows]
    assert [jump is None for jump in jumps] == [True, False, False, True, False, False]
