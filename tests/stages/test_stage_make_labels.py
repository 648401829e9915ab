"""The stage: labels of training videos alone, made anew only where what they stand on changed."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from helpers_artifacts import make_project, truth_folder, write_predictions
from helpers_records import record_training_set
from helpers_training import write_inpainter

from pipeline.errors import BackdropError
from pipeline.inspection.describe import describe
from pipeline.inspection.draw import draw_frame
from pipeline.self_training import NOTE
from pipeline.store import paths
from pipeline.store.atomic import read_json, write_json
from pipeline.store.hdf5 import LABELS, open_artifact
from pipeline.store.paths import Source
from stages import make_labels

ON = {"enabled": True}


@pytest.fixture
def project(tmp_path, monkeypatch):
    project = make_project(
        tmp_path, monkeypatch, ["train", "test", "train_test"], frames=4, calibrated=True
    )
    write_inpainter(32, 48)
    project.set_params(self_train=ON)
    monkeypatch.setenv("BACKDROP_WORKERS", "1")
    return project


def made() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in paths.LABELS.iterdir()}


def mask(video: str) -> np.ndarray:
    with open_artifact(paths.video_file(paths.LABELS, video), LABELS) as file:
        return file["mask"][:] > 0


def test_training_videos_are_labelled_alone_and_ground_truth_changes_nothing(project):
    make_labels.main()
    first = made()
    assert sorted(first) == ["clip_0.h5", "clip_2.h5"]
    for video in project.scenes:
        shutil.rmtree(truth_folder(video))
    shutil.rmtree(paths.LABELS)
    make_labels.main()
    assert made() == first


def test_off_it_leaves_a_note_only_and_on_again_it_is_gone(project):
    project.set_params(self_train={"enabled": False})
    make_labels.main()
    assert list(made()) == [NOTE]
    project.set_params(self_train=ON)
    make_labels.main()
    assert sorted(made()) == ["clip_0.h5", "clip_2.h5"]


def test_off_it_needs_nothing_of_what_comes_before(project):
    project.set_params(self_train={"enabled": False})
    shutil.rmtree(paths.PREDICTIONS)
    make_labels.main()
    assert list(made()) == [NOTE]


def test_the_flow_takes_part_as_the_param_says(project):
    """The model found the upper half alone; the flow, which is the truth, shows the lower, too."""
    scene = project.scenes["clip_0"]
    upper = np.arange(48)[:, None] < 24
    soft = np.where(scene.truth & upper, 200, np.where(scene.truth, 90, 30)).astype(np.uint8)
    write_predictions(scene, soft=soft)
    record_training_set()
    make_labels.main()
    lower = scene.truth & ~upper
    make_labels.main()
    assert (mask("clip_0") & lower).sum() > 0.8 * lower.sum()
    project.set_params(self_train={**ON, "flow_in_labels": False})
    make_labels.main()
    assert (mask("clip_0") & lower).sum() < 0.3 * lower.sum()


def test_trust_goes_by_the_threshold_that_was_calibrated(project):
    """0.3 where 0.2 is even: odds of 12/7, a probability of 12/19; where 0.5 is, 0.3."""
    project.set_params(self_train={**ON, "flow_in_labels": False})
    scene = project.scenes["clip_0"]
    write_predictions(scene, soft=np.where(scene.truth, 76, 25).astype(np.uint8))
    record_training_set()
    calibration = read_json(Source.MODEL.calibration_file)
    write_json(Source.MODEL.calibration_file, {**calibration, "threshold": 0.2})
    make_labels.main()
    with open_artifact(paths.video_file(paths.LABELS, "clip_0"), LABELS) as file:
        inside = file["trust"][:][(file["mask"][:] > 0) & scene.truth]
    assert np.median(inside) / 255 == pytest.approx(12 / 19, abs=0.01)


def test_a_video_whose_predictions_changed_is_labelled_again_and_no_other(project):
    make_labels.main()
    before = made()
    scene = project.scenes["clip_2"]
    write_predictions(scene, soft=np.roll(scene.soft, 4, axis=1))
    with pytest.raises(BackdropError, match=r"predictions/clip_2\.h5: is not the file"):
        make_labels.main()
    record_training_set()
    make_labels.main()
    after = made()
    assert after["clip_0.h5"] == before["clip_0.h5"]
    assert after["clip_2.h5"] != before["clip_2.h5"]


def test_what_changes_no_label_is_no_reason_to_make_them_again(project, monkeypatch):
    """What asks for all to be done again (`--force`) is a run for which nothing has changed."""
    seen = []

    def record(_, jobs, __, fingerprint, occasion, **___):
        seen.append(([job.identity for job in jobs], fingerprint, occasion))

    monkeypatch.setattr(make_labels, "fan_out", record)
    calibration = read_json(Source.MODEL.calibration_file)
    for frames, iterations in ((0, 1), (0, 2), (1, 2)):
        write_json(Source.MODEL.calibration_file, {**calibration, "frames": frames})
        project.set_params(self_train={**ON, "iterations": iterations})
        make_labels.main()
    one, other, last = seen
    assert one == other
    assert one[:2] == last[:2]
    assert one[2] != last[2]
    project.set_params(self_train={**ON, "flow_in_labels": False})
    make_labels.main()
    assert seen[-1][1] != last[1]


def test_labels_can_be_looked_at(project):
    make_labels.main()
    path = paths.video_file(paths.LABELS, "clip_0")
    told = describe(path)
    assert "backdrop.labels v1" in told
    for name in ("mask", "trust", "weight"):
        assert name in told
    picture = draw_frame(path, 2)
    assert picture.shape[1] > 2 * 480  # mask and trust side by side
    subject, ground = picture[:, :480], picture[:, 480:]
    assert subject.std() > 10
    assert ground.std() > 10
