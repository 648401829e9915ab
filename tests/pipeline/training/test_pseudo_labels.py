"""The frames that a student learns from: whose they are, how they are weighed and read."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers_artifacts import make_project, write_masks

from pipeline.errors import BackdropError
from pipeline.params.training import Compute
from pipeline.training.pseudo_labels import (
    PseudoLabels,
    Size,
    frame_weights,
    input_size,
)

CPU = torch.device("cpu")


@pytest.fixture
def project(tmp_path, monkeypatch):
    return make_project(
        tmp_path, monkeypatch, ["val", "train", "test", "train_test"], refined=True, calibrated=True
    )


def test_only_training_videos_are_learnt_from(project):
    labels = PseudoLabels(input_size(256), 0.5, Compute())
    assert labels.videos == ["clip_1", "clip_3"]
    assert len(labels) == 12
    assert input_size(256) == (48, 64)
    assert input_size(32) == (24, 32)


def test_good_masks_of_a_moving_subject_are_trusted_by_the_models_confidence(project):
    """Mask and flow are the truth, neighbours agree: what is left is D's confidence."""
    weights = frame_weights("clip_1")
    np.testing.assert_allclose(weights, np.linspace(0.6, 0.9, 6), atol=0.12)


def test_an_empty_a_full_and_a_misplaced_mask_count_little(project):
    scene = project.scenes["clip_1"]
    masks = scene.truth.astype(np.uint8) * 255
    masks[1], masks[2], masks[4] = 0, 255, np.roll(masks[4], 24, axis=0)
    write_masks(scene, masks)
    weights = frame_weights("clip_1")
    assert weights[1] == weights[2] == 0
    assert weights[4] == 0  # the flow is elsewhere
    assert 0 < weights[3] < 0.2  # itself good, between two that are not


def test_a_frame_is_read_with_its_own_label(project):
    labels = PseudoLabels(Size(48, 64), 0.5, Compute())
    labels.weights[:] = 0
    labels.weights[9] = 1  # frame 3 of the second training video
    scene = project.scenes["clip_3"]
    stack = labels.draw(3, np.random.default_rng(0), CPU)
    assert stack.shape == (3, 5, 48, 64)
    for one in stack:
        image = np.rint(255 * one[:3].permute(1, 2, 0).numpy()).astype(np.uint8)
        np.testing.assert_array_equal(image, scene.frames[3])
        np.testing.assert_array_equal(one[3].numpy() > 0.5, scene.soft[3] > 127)
    trust = stack[0, 4].numpy()
    assert trust[scene.truth[3]].mean() > 0.6
    assert trust[0, 0] > 0.95
    assert trust.min() < 0.6  # at the outline, where the soft mask doubts


def test_reading_as_needed_gives_what_memory_gives(project):
    cached = PseudoLabels(Size(24, 32), 0.5, Compute())
    read = PseudoLabels(Size(24, 32), 0.5, Compute(cache_mib=0))
    assert cached.cached is not None
    assert read.cached is None
    one, other = (labels.draw(8, np.random.default_rng(1), CPU) for labels in (cached, read))
    assert torch.equal(one, other)


def test_frames_are_drawn_in_proportion_to_their_weight(project):
    labels = PseudoLabels(Size(24, 32), 0.5, Compute())
    labels.cached = np.arange(12, dtype=np.uint8)[:, None, None, None] * np.ones(
        (1, 2, 2, 5), np.uint8
    )
    labels.weights[:] = np.arange(12)
    drawn = labels.draw(4000, np.random.default_rng(0), CPU)[:, 0, 0, 0] * 255
    share = np.bincount(drawn.round().int().numpy(), minlength=12) / 4000
    np.testing.assert_allclose(share, np.arange(12) / 66, atol=0.03)


def test_without_training_videos_it_says_so(tmp_path, monkeypatch):
    make_project(tmp_path, monkeypatch, ["val", "test"], refined=True)
    with pytest.raises(BackdropError, match="no video is in split 'train'"):
        input_size(256)
