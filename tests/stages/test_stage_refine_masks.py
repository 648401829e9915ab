"""Every video's soft masks become hard masks; damaged inputs are named and harm no other video."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from helpers_artifacts import add_student, make_project, write_predictions
from helpers_records import CALIBRATION

from models.crf import CrfSetting, refine
from pipeline.errors import BackdropError
from pipeline.frame_pool import FEWEST
from pipeline.self_training import NOTE
from pipeline.store import paths
from pipeline.store.atomic import write_json
from pipeline.store.hdf5 import MASKS, open_artifact
from pipeline.store.paths import Source
from stages import refine_masks


def masks_of(video):
    with open_artifact(paths.video_file(paths.MASKS, video), MASKS) as file:
        return file["mask"][:]


def test_all_videos_are_refined_with_what_validation_chose(tmp_path, monkeypatch):
    project = make_project(tmp_path, monkeypatch, ["train", "test"], frames=3)
    chosen = {
        **CALIBRATION,
        "threshold_crf": 0.35,
        "crf": {**CALIBRATION["crf"], "bilateral_px": 9.0},
    }
    write_json(paths.CALIBRATION, chosen)
    project.set_params(refine_masks={"iterations": 3})
    refine_masks.main(Source.MODEL)
    for scene in project.scenes.values():
        masks = masks_of(scene.video)
        assert masks.dtype == np.uint8
        assert set(np.unique(masks)) == {0, 255}
        for number in range(3):
            expected = refine(
                (scene.soft[number] / 255).astype(np.float32),
                scene.frames[number],
                0.35,
                CrfSetting(**chosen["crf"]),
                3,
            )
            np.testing.assert_array_equal(masks[number] > 0, expected > 0.5)
    files = sorted(paths.MASKS.iterdir())
    before = [file.read_bytes() for file in files]
    refine_masks.main(Source.MODEL)
    assert [file.read_bytes() for file in files] == before


def test_a_calibration_that_changes_no_mask_is_no_reason_to_refine_again(tmp_path, monkeypatch):
    """What asks for all to be done again (`--force`) is a run for which nothing has changed."""
    make_project(tmp_path, monkeypatch, ["train"], frames=3)
    seen = []

    def record(*_, fingerprint, occasion, **__):
        seen.append((fingerprint, occasion))

    monkeypatch.setattr(refine_masks, "fan_out", record)
    for frames in (CALIBRATION["frames"], CALIBRATION["frames"], CALIBRATION["frames"] + 1):
        write_json(paths.CALIBRATION, {**CALIBRATION, "frames": frames})
        refine_masks.main(Source.MODEL)
    (made, first), (_, same), (still, other) = seen
    assert made == still
    assert first == same != other


def test_a_mask_that_is_faint_everywhere_is_cut_at_its_own_threshold(tmp_path, monkeypatch):
    """0.3 inside and 0.1 outside: with a threshold of 0.2 the subject is whole, at 0.5 nothing."""
    project = make_project(tmp_path, monkeypatch, ["test"], frames=2)
    scene = project.scenes["clip_0"]
    write_predictions(scene, soft=np.where(scene.truth, 77, 26).astype(np.uint8))
    write_json(paths.CALIBRATION, {**CALIBRATION, "threshold": 0.2})
    refine_masks.main(Source.MODEL)
    assert ((masks_of("clip_0") > 0) == scene.truth).mean() > 0.98


def test_jpeg_frames_are_refined_like_raw_ones(tmp_path, monkeypatch):
    project = make_project(tmp_path, monkeypatch, ["test"], frames=2, store="jpeg", calibrated=True)
    refine_masks.main(Source.MODEL)
    truth = project.scenes["clip_0"].truth
    assert ((masks_of("clip_0") > 0) == truth).mean() > 0.98


def test_one_video_is_shared_between_cores_and_gives_the_same_bytes(tmp_path, monkeypatch):
    make_project(tmp_path, monkeypatch, ["test"], frames=2 * FEWEST, calibrated=True)
    written = []
    for workers in ("1", "2"):
        monkeypatch.setenv("BACKDROP_WORKERS", workers)
        refine_masks.main(Source.MODEL)
        written.append(paths.video_file(paths.MASKS, "clip_0").read_bytes())
    assert written[0] == written[1]


def test_one_bad_video_keeps_the_others_and_is_named(tmp_path, monkeypatch):
    project = make_project(tmp_path, monkeypatch, ["test", "test"], frames=3, calibrated=True)
    monkeypatch.setenv("BACKDROP_WORKERS", "1")
    scene = project.scenes["clip_1"]
    write_predictions(scene, soft=scene.soft[:, :40])
    with pytest.raises(BackdropError, match=r"clip_1\.h5: holds 3 x 64x40 px, but .* 3 x 64x48"):
        refine_masks.main(Source.MODEL)
    assert not paths.MASKS.exists()
    kept = list(paths.UNFINISHED.glob("refine_masks@model/*/clip_0.h5"))
    assert len(kept) == 1
    stamp = kept[0].stat().st_mtime_ns
    write_predictions(scene)
    refine_masks.main(Source.MODEL)
    assert paths.video_file(paths.MASKS, "clip_0").stat().st_mtime_ns == stamp


def test_a_missing_calibration_is_named(tmp_path, monkeypatch):
    make_project(tmp_path, monkeypatch, 1)
    with pytest.raises(BackdropError, match=r"calibration\.json: is missing"):
        refine_masks.main(Source.MODEL)


def test_predictions_of_another_schema_are_named(tmp_path, monkeypatch):
    make_project(tmp_path, monkeypatch, 1, calibrated=True)
    with h5py.File(paths.video_file(paths.PREDICTIONS, "clip_0"), "r+") as file:
        file.attrs["schema_version"] = 99
    with pytest.raises(BackdropError, match=r"clip_0\.h5: holds 'backdrop\.predictions v99'"):
        refine_masks.main(Source.MODEL)


def test_the_students_masks_are_refined_beside_the_models(tmp_path, monkeypatch):
    project = make_project(tmp_path, monkeypatch, ["test"], frames=2, refined=True, calibrated=True)
    model = paths.video_file(paths.MASKS, "clip_0").read_bytes()
    add_student(project)
    written = paths.video_file(Source.STUDENT.masks_folder, "clip_0")
    written.unlink()
    refine_masks.main(Source.STUDENT)
    with open_artifact(written, MASKS) as file:
        assert ((file["mask"][:] > 0) == project.scenes["clip_0"].truth).mean() > 0.98
    assert paths.video_file(paths.MASKS, "clip_0").read_bytes() == model


def test_without_a_student_a_note_is_all_that_is_left(tmp_path, monkeypatch):
    make_project(tmp_path, monkeypatch, 1)
    refine_masks.main(Source.STUDENT)
    assert [path.name for path in Source.STUDENT.masks_folder.iterdir()] == [NOTE]
