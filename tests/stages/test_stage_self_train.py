"""The stages: off they leave notes; on, one trains from labels alone, one predicts frames."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from helpers_artifacts import make_project, truth_folder
from helpers_labels import label_all, write_label
from helpers_records import record_training_set
from helpers_training import (
    assert_only_the_first_differs,
    recorded_batches,
    recorded_starts,
    write_inpainter,
)
from safetensors.torch import load_file

from models.mask_box import mask_to_box
from models.student import Student
from pipeline.errors import BackdropError
from pipeline.networks import load_student, save_network
from pipeline.self_training import NOTE, is_off
from pipeline.store import paths
from pipeline.store.hdf5 import PREDICTIONS, open_artifact
from pipeline.store.paths import STUDENT_NETWORK, Source
from pipeline.student_predictions import soft_masks
from stages import predict_student, self_train

OUTS = (*self_train.OUTS, Source.STUDENT.predictions_folder)
TINY = {"enabled": True, "iterations": 3, "batch_size": 4, "channels": 4, "encoder": "none"}


@pytest.fixture
def project(tmp_path, monkeypatch):
    project = make_project(tmp_path, monkeypatch, ["train", "test"], frames=4, calibrated=True)
    label_all(project)
    write_inpainter(32, 48)
    project.set_params(self_train=TINY, compute={"threads": 1})
    monkeypatch.setenv("BACKDROP_WORKERS", "1")
    return project


@pytest.fixture
def stacks(monkeypatch):
    """The frames and labels of every iteration."""
    return recorded_batches(monkeypatch, self_train, "student_loss")


def files() -> dict[str, bytes]:
    folders = (paths.STUDENT, paths.CURVES)
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {path.as_posix(): path.read_bytes() for path in found}


def test_off_it_ends_at_once_and_leaves_notes_only(project):
    self_train.main()
    assert (STUDENT_NETWORK / "config.json").exists()
    project.set_params(self_train={"enabled": False})
    self_train.main()
    predict_student.main()
    for folder in OUTS:
        assert [path.name for path in folder.iterdir()] == [NOTE]
        assert is_off(folder)


def test_on_it_removes_the_notes_and_repeats_byte_for_byte(project):
    project.set_params(self_train={"enabled": False})
    self_train.main()
    project.set_params(self_train=TINY, compute={"threads": 1})
    self_train.main()
    predict_student.main()
    first = files()
    assert not any(is_off(folder) for folder in OUTS)
    assert any(name.endswith("loss.tsv") for name in first)
    self_train.main()
    predict_student.main()
    assert files() == first


def test_another_seed_starts_from_other_weights_and_draws_other_frames(
    project, stacks, monkeypatch
):
    starts = recorded_starts(monkeypatch, self_train)
    for seed in (1, 0, 0):
        project.set_params(self_train=TINY, compute={"threads": 1, "seed": seed})
        self_train.main()
    assert_only_the_first_differs(starts)
    assert_only_the_first_differs(torch.cat(stacks).chunk(3))


def test_ground_truth_changes_nothing(project):
    self_train.main()
    first = load_file(STUDENT_NETWORK / "model.safetensors")
    for video in project.scenes:
        shutil.rmtree(truth_folder(video))
    self_train.main()
    second = load_file(STUDENT_NETWORK / "model.safetensors")
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_collapsed_model_leaves_it_off_in_words(project, caplog):
    write_label(project.scenes["clip_0"], weight=np.zeros(4))
    with pytest.raises(BackdropError, match=r"labels/clip_0\.h5: is not the file .*@labels"):
        self_train.main()
    record_training_set()
    self_train.main()
    assert "no training frame has a mask to learn from; it stays off" in caplog.text
    predict_student.main()
    assert all(is_off(folder) for folder in OUTS)


def test_predictions_are_the_students_at_the_frames_size(project):
    torch.manual_seed(0)
    config = {"schema": "backdrop.student", "channels": 4, "encoder": "none", "size": [24, 32]}
    save_network(STUDENT_NETWORK, Student(4, imagenet=False), config)
    _, size = load_student(STUDENT_NETWORK)
    assert size == (24, 32)
    project.set_params(predict={"batch_size": 3}, compute={"threads": 1})
    predict_student.main()
    out = paths.video_file(Source.STUDENT.predictions_folder, "clip_1")
    with open_artifact(out, PREDICTIONS) as file:
        assert file["mask"].shape == (4, 48, 64)
        for number in range(4):
            soft = file["mask"][number] / np.float32(255)
            box, confidence = mask_to_box(soft)
            assert file["confidence"][number] == pytest.approx(confidence, abs=0.01)
            np.testing.assert_allclose(file["boxes"][number], box, atol=2)


def test_a_mirrored_image_gives_the_mirrored_mask():
    torch.manual_seed(0)
    student = Student(4, imagenet=False).eval()
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 48, 3)).astype(np.uint8)
    one = soft_masks(student, images, torch.device("cpu"))
    other = soft_masks(student, images[:, :, ::-1].copy(), torch.device("cpu"))
    np.testing.assert_allclose(one, other[:, :, ::-1], atol=1e-5)
