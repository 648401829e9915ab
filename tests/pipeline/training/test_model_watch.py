from __future__ import annotations

import math

import h5py
import numpy as np
import pytest
import torch
from helpers_artifacts import make_project
from helpers_records import record_training_set
from helpers_training import tiny_frozen, tiny_model, tiny_params

from models.boxes import rectangle_mask
from models.layers import IMAGENET_STD
from pipeline.params.training import Compute, Network
from pipeline.store.paths import FLOW, video_file
from pipeline.training.collapse_watch import symptoms
from pipeline.training.frames import TrainingFrames
from pipeline.training.model_watch import (
    ModelWatch,
    at_limit,
    no_motion,
    soft_overlap,
    watched_frames,
    watched_motion,
)

NETWORK = Network(height=48, width=64)


@pytest.fixture
def project(tmp_path, monkeypatch):
    return make_project(tmp_path, monkeypatch, videos=["train", "train"], frames=16)


def watch_of(params, with_flow=True) -> ModelWatch:
    frames = TrainingFrames("rgb", NETWORK, Compute())
    flow = TrainingFrames("flow", NETWORK, Compute()) if with_flow else None
    ok = flow.flow_ok() if flow else torch.zeros(len(frames))
    chosen = watched_frames(frames)
    motion = watched_motion(chosen, flow, ok) if flow else no_motion(chosen, frames)
    frozen = tiny_frozen(params)
    return ModelWatch(chosen, frames, flow, ok, frozen, params.loss.flow, motion, 5)


def test_soft_overlap_is_intersection_over_union_of_hard_masks():
    draws = np.random.default_rng(0).random((2, 4, 6, 7)) > 0.6
    mask, moving = torch.from_numpy(draws).float()
    expected = [(m & t).sum() / (m | t).sum() for m, t in zip(*draws, strict=True)]
    assert soft_overlap(mask, moving).tolist() == pytest.approx(expected)
    assert soft_overlap(torch.zeros(1, 3, 3), torch.zeros(1, 3, 3)).tolist() == [0.0]


def test_a_loose_mask_and_one_beside_the_motion_score_less():
    moving = torch.zeros(1, 20, 20)
    moving[:, 5:15, 5:15] = 1
    loose, beside = torch.zeros_like(moving), torch.zeros_like(moving)
    loose[:, 2:18, 2:18], beside[:, 12:20, 12:20] = 1, 1
    scores = [float(soft_overlap(mask, moving)) for mask in (moving, loose, beside)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == 1


def test_at_limit_needs_both_sides():
    detector = tiny_model(tiny_params()).detector  # 0.2 to 0.8
    sides = [(0.2, 0.2), (0.8, 0.8), (0.2, 0.8), (0.5, 0.8), (0.5, 0.5), (0.21, 0.21)]
    boxes = torch.tensor([(0.5, 0.5, *side) for side in sides])
    assert at_limit(detector, boxes).tolist() == [True, True, True, False, False, False]


def test_motion_is_where_the_flow_moves_and_the_pair_is_trusted(project):
    with h5py.File(video_file(FLOW, "clip_0"), "r+") as file:
        just_below, just_above = (share * file.attrs["scale_px"] for share in (0.45, 0.55))
        file["flow"][5, :8] = (0, just_below)
        file["flow"][5, 8:16] = (just_above, 0)
    record_training_set()
    frames = TrainingFrames("rgb", NETWORK, Compute())
    flow = TrainingFrames("flow", NETWORK, Compute())
    ok = flow.flow_ok()
    ok[3] = 0
    motion = watched_motion(watched_frames(frames), flow, ok)
    assert motion.moving.shape == (32, 48, 64)
    assert motion.subject_moves
    assert not motion.moving[3].any()
    with h5py.File(video_file(FLOW, frames.videos[0])) as file:
        speed = np.linalg.norm(file["flow"][5].astype(np.float32), axis=-1)
        assert np.array_equal(motion.moving[5].numpy() > 0, speed > 0.5 * file.attrs["scale_px"])
    assert not motion.moving[5, :8].any()
    assert motion.moving[5, 8:16].all()


def test_a_resting_subject_is_known_to_rest(tmp_path, monkeypatch):
    make_project(tmp_path, monkeypatch, videos=["train"], frames=16, moving=False)
    flow = TrainingFrames("flow", NETWORK, Compute())
    assert not watched_motion(list(range(16)), flow, flow.flow_ok()).subject_moves


def test_an_undecided_detector_has_full_entropy_and_no_information(project):
    params = tiny_params()
    model = tiny_model(params).eval()
    torch.nn.init.zeros_(model.detector.logit_head[-1].weight)
    seen = watch_of(params).look(model)
    assert seen["entropy"] == pytest.approx(1.0)
    assert seen["information"] == pytest.approx(0.0, abs=1e-6)


def test_direct_regression_has_nothing_to_decide(project):
    params = tiny_params(proposals="direct")
    seen = watch_of(params).look(tiny_model(params).eval())
    assert (seen["entropy"], seen["information"]) == (0.0, 0.0)
    assert "undecided" not in symptoms(seen, subject_moves=True)


def test_a_look_agrees_with_the_model_frame_by_frame(project):
    params = tiny_params()
    model = tiny_model(params).eval()
    watch = watch_of(params)
    seen = watch.look(model)
    boxes, areas, entropies = [], [], []
    for number in watch.chosen:
        image = watch.frames.batch([number], torch.device("cpu"))
        one = model.predict(image, watch.frozen.rgb)
        boxes.append(one.box[0].numpy())
        areas.append(float(one.mask.mean()))
        p = one.probability[0].double().numpy()
        entropies.append(-(p * np.log(p + 1e-30)).sum() / math.log(len(p)))
    assert seen["entropy"] == pytest.approx(np.mean(entropies), rel=1e-4)
    assert seen["mask_area"] == pytest.approx(np.mean(areas), rel=1e-4)
    assert seen["box_side"] == pytest.approx(np.stack(boxes)[:, 2:].mean(), rel=1e-4)
    low, high = np.percentile(np.stack(boxes)[:, :2], [5, 95], axis=0)
    assert seen["box_way"] == pytest.approx((high - low).max(), abs=1e-5)
    assert 0 <= seen["mask_fill"] <= 1
    assert seen["score"] == seen["agreement"] > 0
    assert all(math.isfinite(value) for value in seen.values())


def test_agreement_and_density_are_each_frames_own(project):
    """Against its own motion; with its own flow error, but where the pair failed."""
    with h5py.File(video_file(FLOW, "clip_0"), "r+") as file:
        file["ok"][3] = False
    params = tiny_params(loss={"flow": 2.0})
    model, watch = tiny_model(params).eval(), watch_of(params)
    spread, here = watch.frozen.flow_spread, torch.device("cpu")
    seen = watch.look(model)
    scenes = project.scenes.values()
    speeds = np.concatenate([np.linalg.norm(scene.flow, axis=-1) for scene in scenes])

    def error(filled, shown, hole):
        square = ((filled - shown) / torch.tensor(IMAGENET_STD)[:, None, None]).square()
        return float(square.mean(dim=1)[hole[:, 0] > 0].mean()) / spread

    agreements, densities = [], []
    for number, speed in enumerate(speeds):
        image, flow_image = (x.batch([number], here) for x in (watch.frames, watch.flow))
        one = model.predict(image, watch.frozen.rgb)
        hole = rectangle_mask(one.box, 48, 64)
        densities.append(error(one.background, image, hole))
        if number == 3:
            continue
        with torch.no_grad():
            filled = watch.frozen.flow(flow_image, hole)
        densities[-1] += 2 * error(filled, flow_image, hole)
        mask, moving = one.mask[0, 0].numpy(), speed > 0.5
        agreements.append((mask * moving).sum() / np.maximum(mask, moving).sum())
    assert watch.chosen == list(range(32))
    assert seen["density"] == pytest.approx(np.mean(densities), rel=1e-5)
    assert seen["agreement"] == pytest.approx(np.mean(agreements), rel=1e-5)


def test_without_flow_the_density_is_the_score(project):
    params = tiny_params(loss={"flow": 0.0})
    watch = watch_of(params, with_flow=False)
    assert not watch.motion.subject_moves
    seen = watch.look(tiny_model(params).eval())
    assert seen["agreement"] == 0
    assert seen["score"] == seen["density"] > 0


def test_looking_draws_no_randomness_and_leaves_the_model_alone(project):
    params = tiny_params()
    model = tiny_model(params).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    watch = watch_of(params)
    state = torch.get_rng_state()
    watch.look(model)
    assert torch.equal(torch.get_rng_state(), state)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
