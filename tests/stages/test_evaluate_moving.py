"""Scores of what moves stand beside those of the whole masks, and do not change them."""

from __future__ import annotations

import numpy as np
import pytest
from helpers_artifacts import add_student, make_project, write_masks

from models.segmentation_metrics import region_similarity
from pipeline.errors import BackdropError
from pipeline.evaluation.scores import hard_at_size_of
from pipeline.store import paths
from pipeline.store.paths import Source
from pipeline.store.tables import PER_FRAME, read_table
from stages import evaluate


@pytest.fixture
def project(tmp_path, monkeypatch):
    return make_project(tmp_path, monkeypatch, ["test"], refined=True, calibrated=True)


def with_corner(truth):
    masks = truth.astype(np.uint8) * 255
    masks[:, -12:, -6:] = 255
    return masks


def expected_j(masks, scene):
    return np.mean(
        [
            region_similarity(hard_at_size_of(mask > 0, truth), truth)
            for mask, truth in zip(masks, scene.source_truth, strict=True)
        ]
    )


def test_what_moves_is_scored_beside_the_whole(project):
    scene = project.scenes["clip_0"]
    whole, moving = with_corner(scene.truth), scene.truth.astype(np.uint8) * 255
    write_masks(scene, whole, moving=moving)
    evaluate.main()
    test = project.metrics()["test"]
    assert test["J"] == pytest.approx(expected_j(whole, scene), abs=1e-6)
    assert test["J_moving"] == pytest.approx(expected_j(moving, scene), abs=1e-6)
    assert test["J"] < 0.85 < test["J_moving"]
    assert test["F"] < test["F_moving"] == 1.0
    rows = read_table(paths.PER_FRAME_TABLE, PER_FRAME)
    np.testing.assert_allclose(rows["mask_area"], (whole > 0).mean(axis=(1, 2)))
    np.testing.assert_allclose(rows["moving_area"], (moving > 0).mean(axis=(1, 2)))


def test_the_students_and_the_models_are_told_apart(project):
    add_student(project)
    scene = project.scenes["clip_0"]
    half = scene.truth.astype(np.uint8) * 255
    half[:, 24:] = 0
    write_masks(scene, with_corner(scene.truth), Source.STUDENT, moving=half)
    write_masks(scene, half, moving=scene.truth.astype(np.uint8) * 255)
    evaluate.main()
    metrics = project.metrics()
    student, model = metrics["test"], metrics["without_self_train"]["test"]
    assert student["J_moving"] == pytest.approx(expected_j(half, scene), abs=1e-6)
    assert model["J"] == student["J_moving"]
    assert model["J_moving"] > 0.95


def test_what_moves_of_other_frames_is_named(project):
    scene = project.scenes["clip_0"]
    whole = scene.truth.astype(np.uint8) * 255
    write_masks(scene, whole, moving=whole[:4])
    with pytest.raises(BackdropError, match=r"moving/clip_0\.h5: holds 4 x 64x48 px, but .* 6 x"):
        evaluate.main()
