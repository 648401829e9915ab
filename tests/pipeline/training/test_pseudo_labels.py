"""The frames that a student learns from: whose they are, how they are weighed and read."""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch
from helpers_artifacts import make_project, write_frames, write_masks, write_predictions
from helpers_training import write_inpainter

from pipeline.background_difference import known_difference
from pipeline.errors import BackdropError
from pipeline.params.training import Compute
from pipeline.store import paths
from pipeline.training.pseudo_labels import (
    PseudoLabels,
    Size,
    frame_weights,
    input_size,
)
from pipeline.training_set import Part
from stages.training_set import main as record

CPU = torch.device("cpu")
CONFIDENCE = np.linspace(0.6, 0.9, 6)  # of the detector, as `make_project` writes it


@pytest.fixture
def project(tmp_path, monkeypatch):
    return make_project(
        tmp_path, monkeypatch, ["val", "train", "test", "train_test"], refined=True, calibrated=True
    )


@pytest.fixture
def still(tmp_path, monkeypatch):
    """A video of 6 frames in which nothing moves: the flow doubts no mask."""
    return make_project(tmp_path, monkeypatch, ["train"], moving=False, refined=True)


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


def test_trust_is_in_the_soft_mask_as_its_threshold_cuts_it(still):
    """0.3 where a fifth is even: odds of 12/7, a probability of 12/19, and so is the trust."""
    scene = still.scenes["clip_0"]
    write_predictions(scene, soft=np.where(scene.truth, 76.5, 25.5).round().astype(np.uint8))
    labels = PseudoLabels(Size(48, 64), 0.2, Compute())
    trust = labels.store.cached.images[0, ..., 4].numpy()[scene.truth[0]] / 255
    np.testing.assert_allclose(trust, 12 / 19, atol=0.01)


def rectangles(frames: int, tall_from: int) -> np.ndarray:
    """(N, 48, 64) masks of 64 px each: wide ones, then tall ones in the same place."""
    masks = np.zeros((frames, 48, 64), np.uint8)
    masks[:tall_from, 22:26, 24:40] = 255
    masks[tall_from:, 16:32, 30:34] = 255
    return masks


def test_where_the_subject_is_seldom_there_its_masks_count_all_the_same(still):
    """In 2 of 6 frames: the usual area is that of the frames that have a mask."""
    scene = still.scenes["clip_0"]
    masks = rectangles(6, tall_from=6)
    masks[[0, 1, 4, 5]] = 0
    write_masks(scene, masks)
    # One neighbour of each is empty, the other agrees.
    np.testing.assert_allclose(frame_weights("clip_0"), CONFIDENCE * [0, 0, 0.5, 0.5, 0, 0])


def test_videos_without_a_usable_frame_are_named_in_one_line(project, caplog):
    scene = project.scenes["clip_3"]
    write_masks(scene, np.zeros(scene.truth.shape, np.uint8))
    labels = PseudoLabels(Size(24, 32), 0.5, Compute())
    assert not labels.weights[6:].any()
    assert labels.weights[:6].all()
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warned == ["self_train: nothing to learn from in clip_3: no mask is to be trusted"]


@pytest.mark.parametrize("cuts", [[], [3]])
def test_a_neighbour_across_a_cut_says_nothing(still, cuts):
    """Two shots with a mask each of another shape; alike within each."""
    write_masks(still.scenes["clip_0"], rectangles(6, tall_from=3))
    with h5py.File(paths.video_file(paths.FRAMES, "clip_0"), "r+") as file:
        file.attrs["cuts"] = np.array(cuts, np.int64)
    iou = 4 * 4 / (64 + 64 - 4 * 4)  # of the two, one upon the other
    agreement = np.ones(6)
    if not cuts:
        agreement[2:4] = (1 + iou) / 2
    np.testing.assert_allclose(frame_weights("clip_0"), CONFIDENCE * agreement, rtol=1e-6)


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
    assert cached.store.cached is not None
    assert read.store.cached is None
    one, other = (labels.draw(8, np.random.default_rng(1), CPU) for labels in (cached, read))
    assert torch.equal(one, other)


def test_frames_are_drawn_in_proportion_to_their_weight(project):
    labels = PseudoLabels(Size(24, 32), 0.5, Compute())
    numbers = torch.arange(12, dtype=torch.uint8)
    labels.store.cached.images = numbers[:, None, None, None].expand(12, 2, 2, 5)
    labels.weights[:] = np.arange(12)
    drawn = labels.draw(4000, np.random.default_rng(0), CPU)[:, 0, 0, 0] * 255
    share = np.bincount(drawn.round().int().numpy(), minlength=12) / 4000
    np.testing.assert_allclose(share, np.arange(12) / 66, atol=0.03)


def test_without_training_videos_it_says_so(tmp_path, monkeypatch):
    make_project(tmp_path, monkeypatch, ["val", "test"], refined=True)
    with pytest.raises(BackdropError, match="no video is in split 'train'"):
        record(Part.MASKS)


def test_a_mask_that_does_not_move_is_doubted_unless_nothing_is_known_of_its_motion(project):
    """A wide mask of the same place in all frames: neighbours and area agree, the flow does not."""
    scene = project.scenes["clip_1"]
    masks = np.zeros(scene.truth.shape, np.uint8)
    masks[:, :4, :16] = 255
    assert not (scene.truth & (masks > 0)).any()
    write_masks(scene, masks)
    flow = paths.video_file(paths.FLOW, "clip_1")
    with h5py.File(flow, "r+") as file:
        file["ok"][:] = [1, 1, 0, 1, 0, 1]
    known = np.array([True, True, False, True, False, True])
    weights = frame_weights("clip_1")
    assert (weights[known] == 0).all()
    np.testing.assert_allclose(weights[~known], CONFIDENCE[~known], rtol=1e-6)


@pytest.mark.parametrize("light", [0, 30])
def test_where_the_background_is_known_a_mask_of_nothing_else_is_not_trusted(still, light):
    """The subject is in frames 0 to 3 alone; all have a mask, as if it were in each."""
    scene = still.scenes["clip_0"]
    background = np.tile(np.linspace(40, 120, 64), (48, 1)).astype(np.uint8)
    background = np.repeat(background[..., None], 3, axis=2)
    masks = np.zeros(scene.truth.shape, bool)
    masks[:, 12:30, 20:36] = True
    scene.frames[:] = background + light
    scene.frames[:4, 12:30, 20:36] = 250
    write_frames(scene)
    write_masks(scene, masks.astype(np.uint8) * 255)
    alike = frame_weights("clip_0")
    np.testing.assert_allclose(alike, CONFIDENCE, rtol=1e-6)
    write_inpainter(48, 64, known=background)
    differs = known_difference(paths.inpainter("rgb"))
    weights = frame_weights("clip_0", differs=differs)
    assert (weights[:4] > 0.95 * alike[:4]).all()
    assert (weights[4:] < 0.05 * alike[4:]).all()
    labels = PseudoLabels(Size(24, 32), 0.5, Compute(), differs=differs)
    np.testing.assert_array_equal(labels.weights, weights)


def test_an_inpainted_background_says_nothing(still):
    write_inpainter(48, 64)
    assert known_difference(paths.inpainter("rgb")) is None


@pytest.mark.parametrize("size", [(48, 64), (32, 40)])
def test_the_difference_is_that_of_the_images_in_the_frames_light(still, size):
    height, width = size
    write_inpainter(height, width, known=np.full((height, width, 3), 60, np.uint8))
    differs = known_difference(paths.inpainter("rgb"))
    image, mask = np.full((48, 64, 3), 90, np.uint8), np.zeros((48, 64), bool)
    mask[8:40, 16:48] = True
    image[mask] = [90, 141, 77]  # by 51 in the channel that differs most
    found = differs(image, mask)
    assert found.shape == (48, 64)
    np.testing.assert_allclose(found[12:36, 20:44], 0.2, atol=1e-5)
    np.testing.assert_allclose(found[:4], 0, atol=1e-5)
