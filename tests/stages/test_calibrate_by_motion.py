"""Without ground truth on validation videos, what moves chooses, or nothing does."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from helpers_artifacts import (
    make_project,
    write_predictions,
)

from pipeline.evaluation.calibration import read_calibration
from pipeline.evaluation.choice import DEFAULT_BLOB_SCALE
from pipeline.evaluation.controls import read_controls
from pipeline.params.results import Crf
from pipeline.store import paths
from pipeline.store.paths import Source
from stages import calibrate

CRF_PARAMS = [
    {"bilateral_weight": 2.0, "bilateral_px": 8.0, "floor": 0.0},
    {"smooth_weight": 9.0, "smooth_px": 6.0, "bilateral_weight": 0.0, "floor": 0.0},
]


def test_without_validation_truth_what_moves_chooses(tmp_path, monkeypatch, caplog):
    """The same hidden threshold, found by the flow alone; the same bytes when run again."""
    project = make_project(tmp_path, monkeypatch, ["train", "test"], truth=False)
    for scene in project.scenes.values():
        write_predictions(scene, soft=np.where(scene.truth, 170, 150).astype(np.uint8))
    for order in (CRF_PARAMS[::-1], CRF_PARAMS):
        project.set_params(calibrate={"crf": order})
        with caplog.at_level("INFO"):
            calibrate.main(Source.MODEL)
        found = read_calibration(Source.MODEL)
        assert found.crf == Crf(**order[0])  # the first one, whatever the overlap
    assert "no validation video has ground truth" in caplog.text
    assert found.source == "motion"
    assert 0 < found.frames <= 6  # none of the test video's
    assert found.threshold in (0.6, 0.65)
    assert read_controls(Source.MODEL).flow_threshold_px == 0.5
    before = paths.CALIBRATION.read_bytes()
    calibrate.main(Source.MODEL)
    assert paths.CALIBRATION.read_bytes() == before


def test_motion_chooses_the_control_too_where_test_videos_will_be_scored(tmp_path, monkeypatch):
    """Or it would be compared in a form that nothing had chosen. The masks' choice is the same."""
    masks_choice = []
    for truth in (True, False):
        folder = tmp_path / str(truth)
        folder.mkdir()
        project = make_project(folder, monkeypatch, ["train", "test"], truth=truth)
        project.set_params(calibrate={"crf": CRF_PARAMS, "blob_scales": [0.5, 2.5, 2.0]})
        calibrate.main(Source.MODEL)
        blob_choice = read_controls(Source.MODEL).blob
        masks_choice.append(paths.CALIBRATION.read_bytes())
        radius = blob_choice.scale * np.sqrt(-np.log2(blob_choice.threshold))
        assert radius == pytest.approx(1.0, abs=0.15)  # of the ellipse over its box
        assert (blob_choice.scale == DEFAULT_BLOB_SCALE) != truth
    assert masks_choice[0] == masks_choice[1]


@pytest.mark.parametrize("why", ["asked for", "nothing moves", "masks elsewhere"])
def test_where_nothing_can_choose_the_defaults_hold(tmp_path, monkeypatch, caplog, why):
    project = make_project(
        tmp_path, monkeypatch, ["val", "test"], truth=False, moving=why != "nothing moves"
    )
    if why == "masks elsewhere":
        for scene in project.scenes.values():
            soft = np.zeros_like(scene.soft)
            soft[:, :6] = 255
            write_predictions(scene, soft=soft)
    project.set_params(
        calibrate={
            "default_threshold": 0.4,
            "default_threshold_crf": 0.15,
            "crf": CRF_PARAMS,
            "by_motion": why != "asked for",
        }
    )
    with caplog.at_level("INFO"):
        calibrate.main(Source.MODEL)
    found = read_calibration(Source.MODEL)
    assert "no validation video has ground truth" in caplog.text
    assert ("have an overlap of 0.0" in caplog.text) == (why == "masks elsewhere")
    reasons = {
        "asked for": "by_motion is off",
        "nothing moves": "nothing of a subject's size moves",
        "masks elsewhere": "masks and what moves lie apart",
    }
    assert f"calibrate: the defaults hold: {reasons[why]}" in caplog.text
    controls = read_controls(Source.MODEL)
    assert controls.blob.scale == DEFAULT_BLOB_SCALE  # whatever the candidates
    assert (found.source, found.frames) == ("default", 0)
    assert (found.threshold, found.threshold_crf) == (0.4, 0.15)
    assert found.crf.bilateral_px == 8.0  # the first of the settings
    assert controls.flow_threshold_px == 0.5  # half the flow scale of 1 px


def test_truth_of_other_splits_chooses_nothing(tmp_path, monkeypatch):
    splits = ["train", "test", "test_unseen", "train_test"]
    make_project(tmp_path, monkeypatch, splits, moving=False)
    calibrate.main(Source.MODEL)
    assert read_calibration(Source.MODEL).source == "default"


def test_test_videos_do_not_even_choose_the_scale_of_the_flow(tmp_path, monkeypatch):
    project = make_project(tmp_path, monkeypatch, ["val", "test"])
    project.set_params(calibrate={"crf": CRF_PARAMS[:1]})
    found = []
    for scale in (1.0, 9.0):
        with h5py.File(paths.video_file(paths.FLOW, "clip_1"), "r+") as file:
            file.attrs["scale_px"] = scale
        calibrate.main(Source.MODEL)
        found.append([file.read_bytes() for file in sorted(paths.CALIBRATION.parent.iterdir())])
    assert found[0] == found[1]


def test_videos_whose_masks_lie_elsewhere_do_not_outvote_the_others(tmp_path, monkeypatch, caplog):
    project = make_project(tmp_path, monkeypatch, ["train"] * 3, truth=False)
    for number, scene in enumerate(project.scenes.values()):
        soft = np.where(scene.truth, 170, 150).astype(np.uint8)
        write_predictions(scene, soft=np.roll(soft, 20, axis=1) if number else soft)
    project.set_params(calibrate={"crf": CRF_PARAMS[:1]})
    with caplog.at_level("INFO"):
        calibrate.main(Source.MODEL)
    found = read_calibration(Source.MODEL)
    assert (found.source, found.threshold in (0.6, 0.65)) == ("motion", True)
    left_out = [r.args[0] for r in caplog.records if "is left out" in r.getMessage()]
    assert left_out == ["clip_1", "clip_2"]


@pytest.mark.parametrize("default", [0.75, 0.97])
def test_motion_does_not_lower_a_threshold(tmp_path, monkeypatch, default):
    """Right would be 0.62; 0.75 is the next candidate, and above 0.97 there is none."""
    project = make_project(tmp_path, monkeypatch, ["train"], truth=False)
    for scene in project.scenes.values():
        soft = np.where(scene.truth, 170, 150)
        soft[:, 20:24] += 30 * scene.truth[:, 20:24]  # above 0.75
        write_predictions(scene, soft=soft.astype(np.uint8))
    project.set_params(calibrate={"crf": CRF_PARAMS[:1], "default_threshold": default})
    calibrate.main(Source.MODEL)
    found = read_calibration(Source.MODEL)
    assert (found.threshold, found.source) == (default, "motion" if default == 0.75 else "default")


@pytest.mark.parametrize("default", [(0.3, 0.8), (0.5, 0.7)])
def test_motion_does_not_lower_what_is_even_to_the_crf(tmp_path, monkeypatch, default):
    """Of the soft mask as it is: its odds are those of the one threshold times the other's."""
    project = make_project(tmp_path, monkeypatch, ["train"], truth=False, frames=2)

    def even(**params):
        project.set_params(calibrate={"crf": CRF_PARAMS[:1], **params})
        calibrate.main(Source.MODEL)
        found = read_calibration(Source.MODEL)
        assert found.source == "motion"
        return odds(found.threshold) * odds(found.threshold_crf)

    def odds(value):
        return value / (1 - value)

    least = odds(default[0]) * odds(default[1])
    free = even(default_threshold=0.05, default_threshold_crf=0.05)
    bound = even(default_threshold=default[0], default_threshold_crf=default[1])
    assert free < least <= bound * (1 + 1e-5)
    assert bound < 3 * least  # the next candidate or the one after it


def test_motion_of_test_videos_chooses_nothing(tmp_path, monkeypatch):
    make_project(tmp_path, monkeypatch, ["test", "test_unseen"], truth=False)
    calibrate.main(Source.MODEL)
    assert read_calibration(Source.MODEL).source == "default"
