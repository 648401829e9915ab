"""The metrics file, on projects whose answers are known."""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd
import pytest
from helpers_artifacts import (
    add_student,
    keep_truth,
    make_project,
    truth_folder,
    write_masks,
    write_predictions,
)
from helpers_evaluate import evaluate_one
from helpers_records import BLOB, CONTROLS

from models.segmentation_metrics import boundary_measure, region_similarity
from pipeline.errors import BackdropError
from pipeline.evaluation.scores import hard_at_size_of
from pipeline.frame_pool import FEWEST
from pipeline.store import paths
from pipeline.store.atomic import write_json
from pipeline.store.paths import Source
from pipeline.store.tables import INDEX, PER_FRAME, SCORES, read_table, write_table
from stages import evaluate

TEST_KEYS = {
    "J",
    "F",
    "J_no_crf",
    "F_no_crf",
    "J_moving",
    "F_moving",
    "J_oracle",
    "J_blob",
    "J_blob_no_crf",
    "J_flow_threshold",
    "J_subject",
    "empty_correct",
    "mAP50",
    "hit",
    "frames",
    "scored_frames",
    "empty_frames",
}


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


def test_the_whole_stage(project):
    scene = project.scenes["clip_2"]
    shifted = np.roll(scene.truth, 3, axis=2)
    write_masks(scene, shifted.astype(np.uint8) * 255)
    evaluate.main()
    metrics = project.metrics()
    assert set(metrics) == {"threshold", "val", "test", "test_unseen", "health"}
    assert metrics["threshold"] == 0.5
    assert set(metrics["val"]) == {"J", "F", "frames"}
    assert set(metrics["test"]) == set(metrics["test_unseen"]) == TEST_KEYS
    expected = [
        (
            region_similarity(hard_at_size_of(mask, truth), truth),
            boundary_measure(hard_at_size_of(mask, truth), truth),
        )
        for mask, truth in zip(shifted, scene.source_truth, strict=True)
    ]
    test = metrics["test"]
    assert test["J"] == pytest.approx(np.mean([j for j, _ in expected]), abs=1e-6)
    assert test["F"] == pytest.approx(np.mean([f for _, f in expected]), abs=1e-6)
    assert test["J"] < 0.8 < test["J_no_crf"] <= test["J_oracle"]
    assert test["J_flow_threshold"] > 0.85  # the flow of this data is the truth, at half the size
    assert (test["hit"], test["mAP50"]) == (1.0, 1.0)
    assert (test["frames"], test["empty_frames"]) == (4, 0)
    assert not metrics["health"]["collapsed"]
    check_tables(metrics)
    outputs = [paths.METRICS, paths.PER_FRAME_TABLE, paths.PER_VIDEO_CSV]
    before = [path.read_bytes() for path in outputs]
    evaluate.main()
    assert [path.read_bytes() for path in outputs] == before


@pytest.mark.parametrize(("tolerance", "match"), [(0.03, False), (0.05, True)])
def test_outlines_match_within_the_tolerance(tmp_path, monkeypatch, tolerance, match):
    """They lie 6 px from the truth's; of a diagonal of 160 px that is 0.0375."""
    project = make_project(tmp_path, monkeypatch, ["test"], frames=4, calibrated=True)
    project.set_params(evaluate={"boundary_tolerance": tolerance})
    (scene,) = project.scenes.values()
    write_predictions(scene, soft=np.roll(scene.soft, 3, axis=2))
    write_masks(scene, np.roll(scene.truth, 3, axis=2).astype(np.uint8) * 255)
    evaluate.main()
    test = project.metrics()["test"]
    assert [test[name] == 1 for name in ("F", "F_no_crf", "F_moving")] == [match] * 3


def check_tables(metrics):
    """The tables hold what the metrics file averages; training videos are never scored."""
    rows = read_table(paths.PER_FRAME_TABLE, PER_FRAME)
    assert len(rows) == 16
    assert rows.loc[rows["video"] == "clip_0", "J"].isna().all()
    test = rows[rows["split"] == "test"]
    assert test["J"].mean() == pytest.approx(metrics["test"]["J"], abs=1e-6)
    assert test["box_jump"].isna().tolist() == [True, False, False, False]
    assert test["box_jump"].iloc[1] == pytest.approx(64 * 0.45 / 3, abs=0.01)
    videos = pd.read_csv(paths.PER_VIDEO_CSV)
    assert videos["video"].tolist() == ["clip_0", "clip_1", "clip_2", "clip_3"]
    assert videos["scored"].tolist() == [0, 4, 4, 4]
    assert videos["J"].iloc[2] == pytest.approx(metrics["test"]["J"], abs=1e-6)
    assert np.isnan(videos["J"].iloc[0])


def test_without_ground_truth_it_says_so_and_tells_the_rest(tmp_path, monkeypatch, caplog):
    project = make_project(
        tmp_path, monkeypatch, ["train_test"], truth=False, refined=True, calibrated=True
    )
    with caplog.at_level("INFO"):
        evaluate.main()
    assert "no ground truth" in caplog.text
    metrics = project.metrics()
    assert metrics["val"] == {"J": None, "F": None, "frames": 0}
    assert (metrics["test"]["frames"], metrics["test"]["empty_frames"]) == (6, 0)
    measured = TEST_KEYS - {"frames", "scored_frames", "empty_frames"}
    assert "masks and what moves overlap by" in caplog.text
    assert all(metrics["test"][key] is None for key in measured)
    assert metrics["test_unseen"]["frames"] == 0
    assert metrics["health"]["mask_area_mean"] == pytest.approx(0.094, abs=0.01)
    assert metrics["health"]["confidence"] == pytest.approx(0.75)


def test_frames_without_truth_count_for_nothing(project, caplog):
    """Whatever is in their masks; and all of them are there for what needs no truth."""
    scene = project.scenes["clip_2"]
    masks = np.where(np.roll(scene.truth, 3, axis=2), 255, 0).astype(np.uint8)
    evaluate.main()
    whole = read_table(paths.PER_FRAME_TABLE, PER_FRAME)
    keep_truth("clip_2", [1, 3])
    scores = [*SCORES]
    metrics = []
    for value in (0, 255):
        masks[[0, 2]] = value
        masks[[1, 3]] = np.where(scene.soft[[1, 3]] > 127, 255, 0)
        write_masks(scene, masks)
        with caplog.at_level("INFO"):
            evaluate.main()
        rows = read_table(paths.PER_FRAME_TABLE, PER_FRAME)
        test = rows[rows["video"] == "clip_2"]
        assert test["J"].isna().tolist() == [True, False, True, False]
        assert test.iloc[[0, 2]][scores].isna().all().all()
        as_before = whole[whole["video"] == "clip_2"].iloc[[1, 3]]
        pd.testing.assert_frame_equal(test.iloc[[1, 3]][scores], as_before[scores])
        metrics.append(project.metrics()["test"])
        assert metrics[-1]["J"] == pytest.approx(as_before["J"].mean(), abs=1e-6)
    assert [found.pop("empty_frames") for found in metrics] == [2, 0]
    assert metrics[0] == metrics[1]
    assert metrics[0]["frames"] == 4
    scored = pd.read_csv(paths.PER_VIDEO_CSV).set_index("video")["scored"]
    assert scored.to_dict() == {"clip_0": 0, "clip_1": 4, "clip_2": 2, "clip_3": 4}
    assert "counts as without ground truth" not in caplog.text


def test_a_video_whose_masks_are_of_frames_not_kept_is_told_and_not_scored(project, caplog):
    for video in ("clip_0", "clip_2"):  # the first is of train: nobody would score it
        keep_truth(video, [1])
    index = read_table(paths.INDEX_TABLE, INDEX)
    index["source_frame"] = 2 * index["frame"]
    write_table(paths.INDEX_TABLE, index.to_dict("records"), INDEX)
    with caplog.at_level("WARNING"):
        evaluate.main()
    told = [record.getMessage() for record in caplog.records]
    assert [line.partition(":")[2].partition(":")[0] for line in told] == [
        " 'clip_1' has less ground truth",
        " 'clip_2' counts as without ground truth",
        " 'clip_3' has less ground truth",
    ]
    assert "does not keep the frames of 2 of its 4 masks" in told[0]
    assert project.metrics()["test"]["J"] is None
    assert project.metrics()["test_unseen"]["J"] is not None


def test_one_video_is_shared_between_cores_and_scored_the_same(tmp_path, monkeypatch):
    make_project(tmp_path, monkeypatch, ["test"], 2 * FEWEST, refined=True, calibrated=True)
    written = []
    for workers in ("1", "2"):
        monkeypatch.setenv("BACKDROP_WORKERS", workers)
        evaluate.main()
        written.append((paths.PER_FRAME_TABLE.read_bytes(), paths.METRICS.read_bytes()))
    assert written[0] == written[1]


def test_a_box_that_misses_counts_against_hit_and_precision(tmp_path, monkeypatch):
    project = make_project(tmp_path, monkeypatch, ["test"], frames=4, refined=True, calibrated=True)
    scene = project.scenes["clip_0"]
    boxes = scene.boxes.copy()
    boxes[3] = [0, 0, 6, 6]
    write_predictions(scene, boxes=boxes)  # the last frame is the surest
    evaluate.main()
    test = project.metrics()["test"]
    assert test["hit"] == 0.75
    assert test["mAP50"] == pytest.approx(0.75 * 0.75)  # wrong first, then three right of four


def test_the_blob_uses_its_own_choices(project):
    blob = {**BLOB, "scale": 0.1, "threshold": 0.9}
    write_json(Source.MODEL.controls_file, CONTROLS | {"blob": blob})
    rows = evaluate_one("clip_2").rows
    assert all(row["J_blob_no_crf"] < 0.05 for row in rows)
    assert all(row["J_blob"] > 0.5 for row in rows)
    assert all(row["J"] > 0.9 for row in rows)


@pytest.mark.parametrize(
    ("picture", "told"),
    [
        (np.zeros((96, 100), np.uint8), r"00002\.png: is 100x96, but the video is 128x96"),
        (np.tile(np.arange(128, dtype=np.uint8), (96, 1)), r"00002\.png: holds more than two"),
    ],
)
def test_a_wrong_mask_is_named(project, picture, told):
    cv2.imwrite(str(truth_folder("clip_2") / "00002.png"), picture)
    with pytest.raises(BackdropError, match=told):
        evaluate_one("clip_2")


def test_masks_of_other_frames_are_named(project):
    scene = project.scenes["clip_2"]
    write_masks(scene, np.zeros((3, 48, 64), np.uint8))
    with pytest.raises(BackdropError, match=r"masks/clip_2\.h5: holds 3 x 64x48 px"):
        evaluate_one("clip_2")


def test_masks_cut_short_are_named_and_no_metrics_written(project):
    file = paths.video_file(paths.MASKS, "clip_2")
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(BackdropError, match=r"masks/clip_2\.h5: is damaged or cut short"):
        evaluate.main()
    assert not paths.METRICS.exists()


@pytest.mark.parametrize("source", [Source.MODEL, Source.STUDENT])
def test_a_video_without_predictions_is_named_and_not_left_out(project, source):
    add_student(project)
    paths.video_file(source.predictions_folder, "clip_2").unlink()
    with pytest.raises(BackdropError, match=r"predictions: holds no predictions of 'clip_2'"):
        evaluate.main()
    assert not paths.METRICS.exists()


@pytest.mark.parametrize("name", ["calibration", "controls"])
def test_a_missing_choice_is_named(project, name):
    paths.CALIBRATION.with_name(f"{name}.json").unlink()
    with pytest.raises(BackdropError, match=rf"{name}\.json: is missing"):
        evaluate.main()


def test_with_a_student_its_masks_are_the_result_and_the_models_stand_beside(project):
    evaluate.main()
    before = project.metrics()
    alone = read_table(paths.PER_FRAME_TABLE, PER_FRAME)
    assert alone["J_without_self_train"].isna().all()
    assert "without_self_train" not in before
    add_student(project, shift=2)
    evaluate.main()
    metrics = project.metrics()
    blocks = {name: before[name] for name in ("val", "test", "test_unseen")}
    assert metrics["without_self_train"] == blocks
    assert set(metrics["test"]) == TEST_KEYS
    scene = project.scenes["clip_2"]
    shifted = np.roll(scene.truth, 2, axis=2)
    expected = [
        region_similarity(hard_at_size_of(mask, truth), truth)
        for mask, truth in zip(shifted, scene.source_truth, strict=True)
    ]
    assert metrics["test"]["J"] == pytest.approx(np.mean(expected), abs=1e-6)
    assert metrics["health"]["confidence"] == pytest.approx(0.95)
    # The student's control lies in the student's boxes, 2 px off; the flow is the same.
    assert metrics["test"]["J_blob_no_crf"] < before["test"]["J_blob_no_crf"] - 0.02
    assert metrics["test"]["J_flow_threshold"] == before["test"]["J_flow_threshold"]
    rows = read_table(paths.PER_FRAME_TABLE, PER_FRAME)
    assert rows["J_without_self_train"].equals(alone["J"])
    assert rows["box_iou_without_self_train"].equals(alone["box_iou"])
    assert (rows["J"] < alone["J"])[rows["split"] != "train"].all()
    assert "J_without_self_train" in pd.read_csv(paths.PER_VIDEO_CSV).columns
