"""What must be there before anything is predicted, each lack in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from helpers_trained import make_trained
from safetensors.torch import load_file, save_file

from pipeline.errors import BackdropError
from pipeline.new_material.trained import read_trained
from pipeline.store.paths import CALIBRATION, MODEL, STUDENT, STUDENT_NETWORK, Source, inpainter


def test_nothing_is_trained_yet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BackdropError, match="not trained yet — run `dvc repro` first"):
        read_trained()


@pytest.mark.parametrize(
    "path",
    [
        STUDENT / "masks",
        MODEL / "model.safetensors",
        inpainter("rgb") / "config.json",
        CALIBRATION,
    ],
)
def test_without_a_student_the_model_needs_all_its_parts(tmp_path, monkeypatch, path):
    make_trained(tmp_path, monkeypatch, student=False, count=2)
    assert read_trained().source is Source.MODEL
    path.rename(tmp_path / "away")
    with pytest.raises(BackdropError, match="run `dvc repro` first") as told:
        read_trained()
    assert str(path) in str(told.value)


def test_a_student_needs_no_other_network(tmp_path, monkeypatch):
    make_trained(tmp_path, monkeypatch, student=True, count=2)
    MODEL.rename(tmp_path / "away")
    assert read_trained().source is Source.STUDENT
    (STUDENT_NETWORK / "model.safetensors").unlink()
    with pytest.raises(BackdropError, match="run `dvc repro` first"):
        read_trained()


def test_a_known_background_is_refused_without_a_student(tmp_path, monkeypatch):
    make_trained(tmp_path, monkeypatch, student=True, known_background=True, count=2)
    assert read_trained().source is Source.STUDENT
    Source.MODEL.calibration_file.parent.mkdir()
    Source.STUDENT.calibration_file.rename(Source.MODEL.calibration_file)
    (Source.STUDENT.masks_folder / "off.json").write_text("{}")
    with pytest.raises(BackdropError, match="known backgrounds of the training videos") as told:
        read_trained()
    assert str(told.value).count("\n") == 0


@pytest.mark.parametrize(
    ("student", "stage", "section", "key", "value"),
    [
        (True, "extract_frames", "extract_frames", "longest_side", 128),
        (True, "extract_frames", "extract_frames", "crop", [0, 0, 0.5, 1]),
        (True, "extract_frames", "extract_frames", "store", "jpeg"),
        (True, "predict_student", "predict", "batch_size", 4),
        (False, "predict", "predict", "max_subjects", 2),
    ],
)
def test_other_frames_or_predictions_than_those_of_the_last_run_are_refused(
    tmp_path, monkeypatch, student, stage, section, key, value
):
    make_trained(tmp_path, monkeypatch, student=student, count=2)
    params = yaml.safe_load(Path("params.yaml").read_text())
    lock = {"stages": {stage: {"params": {"params.yaml": params}}}}
    Path("dvc.lock").write_text(yaml.safe_dump(lock))
    read_trained()
    params[section][key] = value
    Path("params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(BackdropError, match=rf"{section}\.{key}: was .* when the networks"):
        read_trained()


@pytest.mark.parametrize(
    ("student", "made_by", "path", "used_by"),
    [
        (True, "extract_frames", "artifacts/frames", "refine_masks@student"),
        (True, "self_train", "artifacts/student/network", "predict_student"),
        (True, "predict_student", "artifacts/student/predictions", "calibrate@student"),
        (False, "train_model", "artifacts/model", "predict"),
        (False, "train_inpainter@rgb", "artifacts/inpainter_rgb", "predict"),
        (False, "predict", "artifacts/predictions", "calibrate@model"),
    ],
)
def test_what_a_run_that_was_interrupted_made_anew_is_refused(
    tmp_path, monkeypatch, student, made_by, path, used_by
):
    """Its record is then newer than that of what was made from it."""
    make_trained(tmp_path, monkeypatch, student=student, count=2)
    lock = {
        made_by: {"outs": [{"path": path, "md5": "new.dir"}]},
        used_by: {"deps": [{"path": path, "md5": "new.dir"}, {"path": "code.py", "md5": "1"}]},
    }
    Path("dvc.lock").write_text(yaml.safe_dump({"stages": lock}))
    read_trained()
    lock[used_by]["deps"][0]["md5"] = "old.dir"
    Path("dvc.lock").write_text(yaml.safe_dump({"stages": lock}))
    with pytest.raises(BackdropError, match=f"^{path}: was made anew"):
        read_trained()


def test_flow_made_anew_concerns_no_network(tmp_path, monkeypatch):
    """While a run trains on it, the last one's networks and thresholds still belong together."""
    make_trained(tmp_path, monkeypatch, student=True, count=2)
    lock = {
        "compute_flow": {"outs": [{"path": "artifacts/flow", "md5": "new.dir"}]},
        "calibrate@student": {"deps": [{"path": "artifacts/flow", "md5": "old.dir"}]},
    }
    Path("dvc.lock").write_text(yaml.safe_dump({"stages": lock}))
    assert read_trained().source is Source.STUDENT


@pytest.mark.parametrize(
    ("student", "folder"), [(True, STUDENT_NETWORK), (False, MODEL), (False, inpainter("rgb"))]
)
@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_network_made_anew_after_the_thresholds_were_read_is_refused(
    tmp_path, monkeypatch, student, folder, name
):
    """By a `dvc repro` beside it: they are loaded for each input, the thresholds were read once."""
    make_trained(tmp_path, monkeypatch, student=student, count=2)
    trained = read_trained()
    trained.finder()
    file = folder / name
    if name == "config.json":
        file.write_text(file.read_text() + "\n")
    else:
        save_file({key: value + 1 for key, value in load_file(file).items()}, file)
    with pytest.raises(
        BackdropError, match=f"^{file}: was made anew while this ran — once"
    ) as told:
        trained.finder()
    assert str(told.value).count("\n") == 0
    read_trained().finder()


@pytest.mark.parametrize(
    "record",
    [
        "stages:\n",
        "stages: [calibrate]\n",
        "stages: {calibrate@student: }\n",
        "stages: {self_train: {outs: {path: artifacts}}}\n",
        "stages: {self_train: {outs: [artifacts/student/network]}}\n",
        "stages: {self_train: {outs: [{md5: 12ab}]}}\n",
        "stages: {predict_student: {params: {params.yaml: [predict]}}}\n",
    ],
)
def test_a_damaged_record_of_dvc_is_a_line(tmp_path, monkeypatch, record):
    make_trained(tmp_path, monkeypatch, student=True, count=2)
    Path("dvc.lock").write_text(record)
    with pytest.raises(
        BackdropError, match=r"^dvc\.lock: is damaged .* — `git checkout dvc\.lock`"
    ):
        read_trained()


def test_a_damaged_config_of_the_inpainter_is_a_line(tmp_path, monkeypatch):
    make_trained(tmp_path, monkeypatch, student=False, count=2)
    (inpainter("rgb") / "config.json").write_text("[]")
    with pytest.raises(BackdropError, match=r"config\.json: is damaged \(TypeError: \[\] is no"):
        read_trained()
