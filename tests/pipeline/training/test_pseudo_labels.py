"""The frames that a student learns from: whose they are, and how they are drawn and read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers_artifacts import make_project, write_frames
from helpers_labels import label_all, write_label

from pipeline.errors import BackdropError
from pipeline.params.training import Compute
from pipeline.store import paths
from pipeline.training.pseudo_labels import PseudoLabels, Size, input_size
from pipeline.training_set import Part
from stages.training_set import main as record

CPU = torch.device("cpu")


@pytest.fixture
def project(tmp_path, monkeypatch):
    project = make_project(tmp_path, monkeypatch, ["val", "train", "test", "train_test"])
    label_all(project)
    return project


def test_only_training_videos_are_learnt_from(project):
    labels = PseudoLabels(input_size(256), Compute())
    assert labels.videos == ["clip_1", "clip_3"]
    assert len(labels) == 12
    assert input_size(256) == (48, 64)
    assert input_size(32) == (24, 32)


def test_videos_without_a_usable_frame_are_named_in_one_line(project, caplog):
    write_label(project.scenes["clip_3"], weight=np.zeros(6))
    labels = PseudoLabels(Size(24, 32), Compute())
    assert not labels.weights[6:].any()
    assert labels.weights[:6].all()
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warned == ["self_train: nothing to learn from in clip_3: no mask is to be trusted"]


def write_sizes(scenes, sizes) -> None:
    """Frames anew: a number of them and their height and width, of each scene in turn."""
    for scene, (count, height, width) in zip(scenes, sizes, strict=True):
        truth, frames = np.zeros((count, height, width), bool), np.zeros((count, height, width, 3))
        write_frames(replace(scene, truth=truth, frames=frames.astype(np.uint8)))


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(5, 40, 60), (6, 60, 40)], (60, 40)),  # of most frames
        ([(4, 40, 60), (5, 60, 40), (4, 40, 60)], (40, 60)),  # though one video has more
        ([(5, 40, 60), (5, 50, 60)], (50, 60)),  # a tie: the larger
        ([(5, 60, 40), (5, 40, 60), (5, 60, 40), (5, 40, 60)], (40, 60)),  # and the wider
        ([(5, 40, 60), (6, 400, 800)], (50, 100)),  # made smaller
    ],
)
def test_the_students_size_is_that_of_most_training_frames(
    tmp_path, monkeypatch, caplog, sizes, expected
):
    made = make_project(tmp_path, monkeypatch, ["train"] * len(sizes))
    write_sizes(made.scenes.values(), sizes)
    with caplog.at_level("INFO", "backdrop"):
        assert input_size(100) == expected
    assert "training frames are of 2 sizes" in caplog.text


def test_frames_of_one_size_are_not_worth_a_line(project, caplog):
    write_sizes([project.scenes["clip_2"]], [(50, 20, 20)])  # of a test video
    with caplog.at_level("INFO", "backdrop"):
        assert input_size(256) == (48, 64)
    assert "sizes" not in caplog.text


def test_a_frame_is_read_with_its_own_label(project):
    scene = project.scenes["clip_3"]
    rng = np.random.default_rng(0)
    trust = rng.integers(0, 256, scene.truth.shape).astype(np.uint8)
    weight = np.zeros(6)
    weight[3] = 0.2
    write_label(scene, trust=trust, weight=weight)
    write_label(project.scenes["clip_1"], weight=np.zeros(6))
    stack = PseudoLabels(Size(48, 64), Compute()).draw(3, rng, CPU)
    assert stack.shape == (3, 5, 48, 64)
    for one in stack:
        levels = np.rint(255 * one.permute(1, 2, 0).numpy()).astype(np.uint8)
        np.testing.assert_array_equal(levels[..., :3], scene.frames[3])
        np.testing.assert_array_equal(levels[..., 3] > 0, scene.soft[3] > 127)
        np.testing.assert_array_equal(levels[..., 4], trust[3])


def test_reading_as_needed_gives_what_memory_gives(project):
    cached = PseudoLabels(Size(24, 32), Compute())
    read = PseudoLabels(Size(24, 32), Compute(cache_mib=0))
    assert cached.store.cached is not None
    assert read.store.cached is None
    one, other = (labels.draw(8, np.random.default_rng(1), CPU) for labels in (cached, read))
    assert torch.equal(one, other)


def test_frames_are_drawn_in_proportion_to_their_weight(project):
    labels = PseudoLabels(Size(24, 32), Compute())
    numbers = torch.arange(12, dtype=torch.uint8)
    labels.store.cached.images = numbers[:, None, None, None].expand(12, 2, 2, 5)
    labels.weights[:] = np.arange(12)
    drawn = labels.draw(4000, np.random.default_rng(0), CPU)[:, 0, 0, 0] * 255
    share = np.bincount(drawn.round().int().numpy(), minlength=12) / 4000
    np.testing.assert_allclose(share, np.arange(12) / 66, atol=0.03)


def test_without_training_videos_it_says_so(tmp_path, monkeypatch):
    label_all(make_project(tmp_path, monkeypatch, ["val", "test"]))
    with pytest.raises(BackdropError, match="no video is in split 'train'"):
        record(Part.LABELS)


def test_labels_that_are_missing_are_named(project):
    (paths.LABELS / "clip_1.h5").unlink()
    with pytest.raises(BackdropError, match=r"labels/clip_1\.h5: is missing"):
        PseudoLabels(Size(24, 32), Compute())
