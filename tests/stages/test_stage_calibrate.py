"""Calibration finds what was hidden in the data, by validation or by motion alone."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from helpers_artifacts import (
    add_student,
    keep_truth,
    make_project,
    truth_folder,
    write_predictions,
    write_truth,
)

from models.crf import CrfSetting
from models.segmentation_metrics import THRESHOLDS, region_similarity
from pipeline.errors import BackdropError
from pipeline.evaluation.calibration import read_calibration
from pipeline.evaluation.collect import predicted_videos, read_frames
from pipeline.evaluation.controls import BlobChoice, read_controls
from pipeline.evaluation.scores import at_size_of, blob, hard_at_size_of, refined_blob
from pipeline.evaluation.search import (
    BLOB_CRF_THRESHOLDS,
    CRF_THRESHOLDS,
    REFUSED,
    CrfSearch,
    Search,
    spread,
    with_crf,
    without_crf,
)
from pipeline.self_training import NOTE
from pipeline.store import paths
from pipeline.store.paths import Source
from pipeline.store.tables import INDEX, read_table, write_table
from stages import calibrate

CRF_PARAMS = [
    {"bilateral_weight": 2.0, "bilateral_px": 8.0, "floor": 0.0},
    {"smooth_weight": 9.0, "smooth_px": 6.0, "bilateral_weight": 0.0, "floor": 0.0},
]

SETTINGS = tuple(CrfSetting(**params) for params in CRF_PARAMS)


def advance(count):
    """Progress nobody looks at."""


def search(scales=(0.7, 1.0, 1.3)):
    """The search over the one validation video of the project."""
    (video,) = predicted_videos({"val"})
    return Search(video, tuple(range(video.size)), scales, (0.5, 1.0, 50.0))


def test_the_stage_chooses_the_threshold_that_was_hidden(tmp_path, monkeypatch):
    project = make_project(tmp_path, monkeypatch, ["val", "val", "test"], moving=True)
    for scene in project.scenes.values():  # the subject is right above 0.62 only, dim below
        write_predictions(scene, soft=np.where(scene.truth, 170, 150).astype(np.uint8))
    project.set_params(calibrate={"crf": CRF_PARAMS, "frames_per_video": 4})
    calibrate.main(Source.MODEL)
    found = read_calibration(Source.MODEL)
    assert found.source == "validation"
    assert found.frames == 8
    assert found.threshold in (0.6, 0.65)  # 150/255 = 0.588 < t < 170/255 = 0.667
    assert found.iterations == 5
    # the subject is the ellipse inscribed in its box: scale * sqrt(-log2(threshold)) = 1
    blob = read_controls(Source.MODEL).blob
    radius = blob.scale * np.sqrt(-np.log2(blob.threshold))
    assert radius == pytest.approx(1.0, abs=0.1)
    before = paths.CALIBRATION.read_bytes()
    calibrate.main(Source.MODEL)
    assert paths.CALIBRATION.read_bytes() == before


@pytest.mark.parametrize(
    ("labelled", "per_video", "looked_at"),
    [
        ([3], 10, (3,)),
        ([0, 1, 2, 9], 4, (0, 1, 2, 9)),
        (range(1, 12, 2), 3, (3, 7, 11)),  # the middle of each third of them
        (range(12), 2, (3, 9)),  # as without a gap
    ],
)
def test_only_frames_with_truth_are_looked_at_evenly_spread(
    tmp_path, monkeypatch, labelled, per_video, looked_at
):
    project = make_project(tmp_path, monkeypatch, ["val"], frames=12)
    keep_truth("clip_0", labelled)
    scene = project.scenes["clip_0"]
    soft = np.where(scene.truth, 255, 0).astype(np.uint8)
    soft[list(labelled)] = np.where(scene.truth, 170, 150)[list(labelled)]
    write_predictions(scene, soft=soft)
    project.set_params(calibrate={"crf": CRF_PARAMS[:1], "frames_per_video": per_video})
    seen = []
    once = calibrate.Search

    def search(*args):
        seen.append(once(*args))
        return seen[-1]

    monkeypatch.setattr(calibrate, "Search", search)
    calibrate.main(Source.MODEL)
    assert [job.frames for job in seen] == [looked_at]
    found = read_calibration(Source.MODEL)
    assert (found.source, found.frames) == ("validation", len(looked_at))
    assert found.threshold in (0.6, 0.65)  # right for those frames only


def test_masks_of_frames_that_were_not_kept_choose_nothing_and_are_told(
    tmp_path, monkeypatch, caplog
):
    make_project(tmp_path, monkeypatch, ["val", "val"], frames=3)
    keep_truth("clip_0", [1])
    index = read_table(paths.INDEX_TABLE, INDEX)
    index["source_frame"] = 2 * index["frame"]  # a stride of 2
    write_table(paths.INDEX_TABLE, index.to_dict("records"), INDEX)
    caplog.set_level("INFO")
    calibrate.main(Source.MODEL)
    told = "calibrate: 'clip_0' counts as without ground truth: extract_frames does not keep"
    assert [told in record.getMessage() for record in caplog.records].count(True) == 1
    found = read_calibration(Source.MODEL)
    assert (found.source, found.frames) == ("validation", 2)  # of clip_1: sources 0 and 2
    keep_truth("clip_1", [1])
    calibrate.main(Source.MODEL)
    assert "no validation video has ground truth" in caplog.text
    assert read_calibration(Source.MODEL).source == "motion"


def test_first_pass_is_the_mean_j_of_every_candidate(tmp_path, monkeypatch):
    make_project(tmp_path, monkeypatch, ["val"], frames=3)
    job = search()
    soft, control, flow = without_crf(job, advance)
    frames = list(read_frames(job.result, range(3)))

    def mean_j(values, threshold):
        return np.mean(
            [
                region_similarity(at_size_of(v, f.truth) > np.float32(threshold), f.truth)
                for v, f in zip(values, frames, strict=True)
            ]
        )

    for place, threshold in enumerate(THRESHOLDS):
        assert soft[place] == pytest.approx(mean_j([f.soft for f in frames], threshold))
    blobs = [blob(f, 1.3) for f in frames]
    assert control[2, 4] == pytest.approx(mean_j(blobs, THRESHOLDS[4]))
    assert flow[1] == pytest.approx(mean_j([f.speed for f in frames], 1.0))
    assert flow[0] > flow[2] == 0  # nothing moves 50 px


def test_second_pass_scores_what_evaluate_will_score(tmp_path, monkeypatch):
    make_project(tmp_path, monkeypatch, ["val"], frames=2)
    job = search()
    J, control = with_crf(CrfSearch(job, frozenset({1}), SETTINGS, 4, 0.5), advance)
    assert J.shape == (2, len(CRF_THRESHOLDS))
    assert J[0].max() > J[1].max()  # smoothing alone eats a thin subject
    assert control.shape == (2, 3, len(BLOB_CRF_THRESHOLDS))
    frame = list(read_frames(job.result, range(2)))[1]
    choice = BlobChoice.model_validate(
        {
            "scale": 1,
            "threshold": 0.5,
            "scale_crf": job.scales[2],
            "threshold_crf": BLOB_CRF_THRESHOLDS[0],
            "crf": CRF_PARAMS[1],
            "iterations": 4,
        }
    )
    expected = hard_at_size_of(refined_blob(frame, choice), frame.truth)
    assert control[1, 2, 0] == region_similarity(expected, frame.truth)


def test_frames_shared_out_over_processes_have_the_same_scores(tmp_path, monkeypatch):
    make_project(tmp_path, monkeypatch, ["val"], frames=6)
    job = CrfSearch(search(), frozenset({1, 4}), SETTINGS, 4, 0.5)
    alone = with_crf(job, advance)
    monkeypatch.setattr("pipeline.evaluation.search.processes_for", lambda frames: 2)
    for one, other in zip(alone, with_crf(job, advance), strict=True):
        assert np.array_equal(one, other)


def faint(project):
    """Soft masks of 0.3 inside and 0.1 outside."""
    for scene in project.scenes.values():
        write_predictions(scene, soft=np.where(scene.truth, 77, 26).astype(np.uint8))


def test_the_crf_gets_masks_centred_on_the_threshold_of_the_first_pass(tmp_path, monkeypatch):
    faint(make_project(tmp_path, monkeypatch, ["val"], frames=2))
    at_half = CRF_THRESHOLDS.index(0.5)
    centred, _ = with_crf(CrfSearch(search(), frozenset({1}), SETTINGS[:1], 5, 0.2), advance)
    assert centred[0, at_half] > 0.9
    raw, _ = with_crf(CrfSearch(search(), frozenset({1}), SETTINGS[:1], 5, 0.5), advance)
    assert raw[0, at_half] == 0  # nothing is above a half


def test_the_stage_tells_the_crf_the_threshold_that_it_chose(tmp_path, monkeypatch, caplog):
    project = make_project(tmp_path, monkeypatch, ["val"], frames=2)
    faint(project)
    project.set_params(calibrate={"crf": CRF_PARAMS[:1]})
    with caplog.at_level("INFO"):
        calibrate.main(Source.MODEL)
    (with_crf_J,) = [r.args[2] for r in caplog.records if "validation J" in r.getMessage()]
    assert with_crf_J > 0.9
    assert read_calibration(Source.MODEL).threshold_crf > 0.2  # lower ones take the ground as well


def test_a_threshold_that_the_floor_hides_is_no_candidate(tmp_path, monkeypatch):
    """At or below the floor all of the frame is at least as likely subject as not."""
    make_project(tmp_path, monkeypatch, ["val"], frames=2)
    setting = CrfSetting(bilateral_weight=2, bilateral_px=8, floor=0.3)
    J, blob_J = with_crf(CrfSearch(search(), frozenset({1}), (setting,), 4, 0.5), advance)
    hidden = [threshold <= 0.3 or threshold >= 0.7 for threshold in CRF_THRESHOLDS]
    assert (J[0] == REFUSED).tolist() == hidden
    hidden = [threshold <= 0.3 or threshold >= 0.7 for threshold in BLOB_CRF_THRESHOLDS]
    assert (blob_J[0] == REFUSED).all(axis=0).tolist() == hidden


def test_masks_beside_the_subject_choose_nothing(tmp_path, monkeypatch, caplog):
    """All candidates tie at no overlap; the first of them would be one that the CRF refuses."""
    project = make_project(tmp_path, monkeypatch, ["val", "test"])
    for scene in project.scenes.values():
        soft = np.zeros_like(scene.soft)
        soft[:, :4, :4] = 255
        write_predictions(scene, soft=soft)
    project.set_params(calibrate={"default_threshold_crf": 0.35})
    with caplog.at_level("INFO"):
        calibrate.main(Source.MODEL)
    found = read_calibration(Source.MODEL)
    assert (found.source, found.threshold_crf) == ("default", 0.35)
    assert "the defaults hold: no candidate has any validation J" in caplog.text


def test_motion_chooses_none_that_the_crf_refuses(tmp_path, monkeypatch):
    """Of the candidates from 0.75 upwards 0.8 alone is left, which the floor hides."""
    project = make_project(tmp_path, monkeypatch, ["train"], truth=False)
    crf = {"bilateral_weight": 2.0, "bilateral_px": 8.0, "floor": 0.22}
    defaults = {"default_threshold": 0.95, "default_threshold_crf": 0.75}  # 0.95 is a candidate
    project.set_params(calibrate={"crf": [crf], **defaults})
    calibrate.main(Source.MODEL)
    found = read_calibration(Source.MODEL)
    assert (found.source, found.threshold_crf) == ("default", 0.75)


def test_a_control_that_is_best_at_its_largest_scale_is_told(tmp_path, monkeypatch, caplog):
    """The subject fills its box's ellipse: of 0.3 and 0.6 the larger wins; 1 would be better."""
    project = make_project(tmp_path, monkeypatch, ["val"], frames=2)
    for scales, told in (((0.3, 0.6), True), ((0.8, 1.0, 1.2, 1.4, 2.0), False)):
        caplog.clear()
        project.set_params(calibrate={"crf": CRF_PARAMS[:1], "blob_scales": scales})
        calibrate.main(Source.MODEL)
        assert ("best at the largest" in caplog.text) == told


@pytest.mark.parametrize(("total", "count"), [(10, 3), (3, 10), (1, 1), (100, 7)])
def test_frames_are_spread_evenly(total, count):
    places = spread(total, count)
    assert len(places) == len(set(places)) == min(total, count)
    gaps = np.diff([-1, *places, total])
    assert places == tuple(sorted(places))
    assert gaps[1:-1].max(initial=0) - gaps[1:-1].min(initial=total) <= 1
    assert places[0] >= 0
    assert places[-1] < total


def test_a_wrong_mask_is_named_and_nothing_written(tmp_path, monkeypatch):
    project = make_project(tmp_path, monkeypatch, ["val"], frames=2)
    scene = project.scenes["clip_0"]
    for file in truth_folder("clip_0").iterdir():
        file.unlink()
    truth_folder("clip_0").rmdir()
    scene.source_scale = 3  # the frames' artifact says 2
    write_truth(scene)
    with pytest.raises(
        BackdropError, match=re.escape("00000.png: is 192x144, but the video is 128x96")
    ):
        without_crf(search(), advance)
    assert not paths.CALIBRATION.exists()


def test_predictions_of_other_frames_are_named(tmp_path, monkeypatch):
    project = make_project(tmp_path, monkeypatch, ["val"], frames=4)
    scene = project.scenes["clip_0"]
    write_predictions(scene, soft=scene.soft[:3])
    with pytest.raises(BackdropError, match=r"clip_0\.h5: holds 3 x 64x48 px, but .* 4 x 64x48"):
        without_crf(search(), advance)


def test_predictions_of_another_schema_are_named(tmp_path, monkeypatch):
    make_project(tmp_path, monkeypatch, ["val"])
    file = paths.video_file(paths.PREDICTIONS, "clip_0")
    file.write_bytes(paths.video_file(paths.FLOW, "clip_0").read_bytes())
    with pytest.raises(BackdropError, match=r"clip_0\.h5: holds 'backdrop\.flow v\d', expected"):
        without_crf(search(), advance)


def test_no_predictions_at_all_is_one_line(tmp_path, monkeypatch):
    make_project(tmp_path, monkeypatch, ["val"])
    paths.video_file(paths.PREDICTIONS, "clip_0").unlink()
    with pytest.raises(BackdropError, match="holds no predictions"):
        calibrate.main(Source.MODEL)


def test_another_versions_calibration_is_refused(tmp_path, monkeypatch):
    make_project(tmp_path, monkeypatch, 1, calibrated=True)
    value = json.loads(paths.CALIBRATION.read_text())
    paths.CALIBRATION.write_text(json.dumps(value | {"blob": {}}))
    with pytest.raises(BackdropError, match=r"calibration\.json: .*blob"):
        read_calibration(Source.MODEL)
    file = Source.MODEL.controls_file
    value = json.loads(file.read_text())
    del value["blob"]["scale_crf"]
    file.write_text(json.dumps(value))
    with pytest.raises(BackdropError, match=r"controls\.json: .*blob\.scale_crf.*calibrate@model"):
        read_controls(Source.MODEL)


def test_the_students_masks_get_a_choice_of_their_own(tmp_path, monkeypatch):
    project = make_project(tmp_path, monkeypatch, ["val"], frames=3, calibrated=True)
    project.set_params(calibrate={"crf": CRF_PARAMS, "frames_per_video": 3})
    scene = project.scenes["clip_0"]
    add_student(project, soft=np.where(scene.truth, 90, 70).astype(np.uint8), refined=False)
    before = paths.CALIBRATION.read_bytes()
    calibrate.main(Source.STUDENT)
    found = read_calibration(Source.STUDENT)
    assert found.threshold in (0.3, 0.35)  # 70/255 = 0.275 < t < 90/255 = 0.353
    assert found.source == "validation"
    assert paths.CALIBRATION.read_bytes() == before


def test_without_a_student_a_note_is_all_that_is_left(tmp_path, monkeypatch):
    make_project(tmp_path, monkeypatch, ["val"])
    calibrate.main(Source.STUDENT)
    folder = Source.STUDENT.calibration_file.parent
    assert [path.name for path in folder.iterdir()] == [NOTE]
    assert not paths.CALIBRATION.exists()


def test_the_students_defaults_are_its_own(tmp_path, monkeypatch):
    project = make_project(tmp_path, monkeypatch, ["test"], truth=False)
    project.set_params(calibrate={"student_threshold": 0.45, "student_threshold_crf": 0.3})
    add_student(project, refined=False)
    calibrate.main(Source.STUDENT)
    found = read_calibration(Source.STUDENT)
    assert (found.source, found.threshold, found.threshold_crf) == ("default", 0.45, 0.3)
