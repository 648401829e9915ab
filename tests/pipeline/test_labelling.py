"""Labels of a video: masks with the flow's evidence, the trust in them, and frames' weights."""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np
import pytest
from helpers_artifacts import Scene, make_project, write_frames, write_predictions
from helpers_records import CALIBRATION
from helpers_training import write_inpainter

from models.crf import CrfSetting, refine
from models.label_weights import pixel_agreement
from pipeline.background_difference import BackgroundDifference, known_difference
from pipeline.errors import BackdropError
from pipeline.evaluation.calibration import Calibration
from pipeline.frames import open_frames
from pipeline.labelling import Labelling, frame_weights, write_labels
from pipeline.store import paths
from pipeline.store.hdf5 import LABELS, open_artifact

CONFIDENCE = np.linspace(0.6, 0.9, 6)  # of the detector, as `make_project` writes it


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Videos of 6 frames in which the subject walks."""
    made = make_project(tmp_path, monkeypatch, ["train", "train"])
    write_inpainter(32, 48)
    return made


@pytest.fixture
def still(tmp_path, monkeypatch):
    """A video of 6 frames in which nothing moves: the flow doubts no mask."""
    made = make_project(tmp_path, monkeypatch, ["train"], moving=False)
    write_inpainter(32, 48)
    return made


def weigh(scene: Scene, masks: np.ndarray, differs: BackgroundDifference | None = None):
    """Weights of the frames, had their labels these masks (N, H, W), 0/255."""
    with (
        open_frames(scene.video) as frames,
        h5py.File(paths.video_file(paths.FLOW, scene.video)) as flow,
    ):
        return frame_weights(masks, CONFIDENCE, frames, flow, differs)


def label(scene: Scene, *, flow: bool = True, **choice: object) -> dict[str, np.ndarray]:
    """What `write_labels` writes for a video, by its data sets."""
    chosen = Calibration.model_validate({**CALIBRATION, **choice})
    how = Labelling(chosen, flow, paths.inpainter("rgb"))
    path = paths.video_file(paths.LABELS, scene.video)
    done: list[int] = []
    write_labels(
        how, scene.video, paths.video_file(paths.PREDICTIONS, scene.video), path, done.append
    )
    assert sum(done) == len(scene.truth)
    with open_artifact(path, LABELS) as file:
        return {name: file[name][:] for name in file}


def test_labels_are_refined_masks_trust_and_weights(project):
    """Without the flow the masks are those that `refine_masks` would write."""
    scene = project.scenes["clip_0"]
    made = label(scene, flow=False)
    assert {name: (data.dtype.str, data.shape) for name, data in made.items()} == {
        "mask": ("|u1", (6, 48, 64)),
        "trust": ("|u1", (6, 48, 64)),
        "weight": ("<f4", (6,)),
    }
    setting = CrfSetting(**CALIBRATION["crf"])
    for number in range(6):
        soft = scene.soft[number] / np.float32(255)
        refined = refine(soft, scene.frames[number], 0.5, setting, CALIBRATION["iterations"]) > 0.5
        np.testing.assert_array_equal(made["mask"][number], np.where(refined, 255, 0))
        speed = np.abs(scene.flow[number, ..., 0]).astype(np.float16).astype(np.float32)
        trust = pixel_agreement(soft, refined, speed, np.ones_like(refined), 0.1)
        np.testing.assert_array_equal(made["trust"][number], np.rint(255 * trust))
    np.testing.assert_array_equal(made["weight"], weigh(scene, made["mask"]))


def test_the_flow_corrects_a_mask_that_has_half_of_the_subject(project):
    """The subject walks, and its flow is the truth; the model found its upper part, and faintly
    all around."""
    scene = project.scenes["clip_0"]
    rows = np.arange(48)[:, None] < 24
    soft = np.where(scene.truth & rows, 200, np.where(scene.truth, 90, 30)).astype(np.uint8)
    write_predictions(scene, soft=soft)
    ious = {}
    for flow in (False, True):
        masks = label(scene, flow=flow)["mask"] > 0
        ious[flow] = (masks & scene.truth).sum() / (masks | scene.truth).sum()
    assert ious[False] < 0.6
    assert ious[True] > 0.9


def test_a_subject_that_rests_has_the_labels_that_it_has_without_flow(still):
    scene = still.scenes["clip_0"]
    one, other = label(scene, flow=False), label(scene, flow=True)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


def test_of_a_pair_that_was_not_aligned_the_flow_is_not_asked(project):
    scene = project.scenes["clip_0"]
    soft = np.where(scene.truth, 140, 90).astype(np.uint8)
    write_predictions(scene, soft=soft)
    with h5py.File(paths.video_file(paths.FLOW, scene.video), "r+") as file:
        file["ok"][:] = [0, 1, 0, 1, 1, 1]
        file["valid"][4] = 0
    one, other = label(scene, flow=False)["trust"], label(scene, flow=True)["trust"]
    same = [np.array_equal(*pair) for pair in zip(one, other, strict=True)]
    assert same == [True, False, True, False, True, False]


def test_trust_is_in_the_soft_mask_as_its_threshold_cuts_it(still):
    """0.3 where a fifth is even: odds of 12/7, a probability of 12/19, and so is the trust."""
    scene = still.scenes["clip_0"]
    write_predictions(scene, soft=np.where(scene.truth, 76.5, 25.5).round().astype(np.uint8))
    trust = label(scene, threshold=0.2)["trust"][0] / 255
    np.testing.assert_allclose(trust[scene.truth[0]], 12 / 19, atol=0.01)


def test_predictions_of_other_frames_are_named(project):
    scene = project.scenes["clip_0"]
    short = replace(scene, truth=scene.truth[:4], boxes=scene.boxes[:4], soft=scene.soft[:4])
    write_predictions(short)
    with pytest.raises(BackdropError, match=r"predictions/clip_0\.h5: holds 4 .*frames are 6"):
        label(scene)
    assert not paths.LABELS.joinpath("clip_0.h5").exists()


def test_good_masks_of_a_moving_subject_are_trusted_by_the_models_confidence(project):
    """Mask and flow are the truth, neighbours agree: what is left is D's confidence."""
    scene = project.scenes["clip_1"]
    weights = weigh(scene, np.where(scene.soft > 127, 255, 0))
    np.testing.assert_allclose(weights, CONFIDENCE, atol=0.12)


def test_an_empty_a_full_and_a_misplaced_mask_count_little(project):
    scene = project.scenes["clip_1"]
    masks = scene.truth.astype(np.uint8) * 255
    masks[1], masks[2], masks[4] = 0, 255, np.roll(masks[4], 24, axis=0)
    weights = weigh(scene, masks)
    assert weights[1] == weights[2] == 0
    assert weights[4] == 0  # the flow is elsewhere
    assert 0 < weights[3] < 0.2  # itself good, between two that are not


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
    # One neighbour of each is empty, the other agrees.
    np.testing.assert_allclose(weigh(scene, masks), CONFIDENCE * [0, 0, 0.5, 0.5, 0, 0])


@pytest.mark.parametrize("cuts", [[], [3]])
def test_a_neighbour_across_a_cut_says_nothing(still, cuts):
    """Two shots with a mask each of another shape; alike within each."""
    with h5py.File(paths.video_file(paths.FRAMES, "clip_0"), "r+") as file:
        file.attrs["cuts"] = np.array(cuts, np.int64)
    iou = 4 * 4 / (64 + 64 - 4 * 4)  # of the two, one upon the other
    agreement = np.ones(6)
    if not cuts:
        agreement[2:4] = (1 + iou) / 2
    weights = weigh(still.scenes["clip_0"], rectangles(6, tall_from=3))
    np.testing.assert_allclose(weights, CONFIDENCE * agreement, rtol=1e-6)


def test_a_mask_that_does_not_move_is_doubted_unless_nothing_is_known_of_its_motion(project):
    """A wide mask of the same place in all frames: neighbours and area agree, the flow does not."""
    scene = project.scenes["clip_1"]
    masks = np.zeros(scene.truth.shape, np.uint8)
    masks[:, :4, :16] = 255
    assert not (scene.truth & (masks > 0)).any()
    flow = paths.video_file(paths.FLOW, "clip_1")
    with h5py.File(flow, "r+") as file:
        file["ok"][:] = [1, 1, 0, 1, 0, 1]
    known = np.array([True, True, False, True, False, True])
    weights = weigh(scene, masks)
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
    levels = masks.astype(np.uint8) * 255
    alike = weigh(scene, levels)
    np.testing.assert_allclose(alike, CONFIDENCE, rtol=1e-6)
    write_inpainter(48, 64, known=background)
    differs = known_difference(paths.inpainter("rgb"))
    weights = weigh(scene, levels, differs)
    assert (weights[:4] > 0.95 * alike[:4]).all()
    assert (weights[4:] < 0.05 * alike[4:]).all()
    write_predictions(scene, soft=levels)
    np.testing.assert_allclose(label(scene)["weight"] > 0.05, [True] * 4 + [False] * 2)
