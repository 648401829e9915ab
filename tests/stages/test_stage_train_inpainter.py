"""The stage on a tiny project: what each kind of inpainter learns from."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
import torch
from helpers_artifacts import make_project
from helpers_records import record_training_set
from helpers_training import assert_only_the_first_differs, recorded_batches, recorded_starts

from pipeline.flow_image import encode_flow
from pipeline.networks import load_inpainter
from pipeline.store.paths import FLOW, inpainter, video_file
from stages import train_inpainter

NETWORK = {"height": 48, "width": 64}  # of the frames too
SHORT = {"iterations": 3, "batch_size": 16, "channels": 4}
FRAMES = 5
PARAMS = {"network": NETWORK, "train_inpainter": {"rgb": SHORT, "flow": SHORT}}


@pytest.fixture
def project(tmp_path, monkeypatch):
    made = make_project(tmp_path, monkeypatch, videos=["train"], frames=FRAMES)
    made.set_params(compute={"threads": 1}, **PARAMS)
    return made


@pytest.fixture
def batches(monkeypatch):
    """The images of every iteration."""
    return recorded_batches(monkeypatch, train_inpainter, "inpainter_step")


def fail_pairs(*numbers):
    with h5py.File(video_file(FLOW, "clip_0"), "r+") as file:
        file["ok"][list(numbers)] = False
    record_training_set()


def images_of(project, kind):
    """(N, 3, H, W) in [0, 1]."""
    (scene,) = project.scenes.values()
    shown = {"rgb": scene.frames / 255, "flow": encode_flow(scene.flow, 1.0)}[kind]
    return torch.from_numpy(shown.astype(np.float32)).permute(0, 3, 1, 2)


def drawn(batches, project, kind):
    """Which frames were, each image being one of that kind's, to a level of 255."""
    images = torch.cat(batches)
    same = (images[:, None] - images_of(project, kind)).abs().amax(dim=(2, 3, 4)) < 0.51 / 255
    assert (same.sum(dim=1) == 1).all()
    return set(same.int().argmax(dim=1).tolist())


@pytest.mark.parametrize("kind", ["rgb", "flow"])
def test_each_kind_learns_from_its_own_images_and_becomes_an_inpainter(project, batches, kind):
    train_inpainter.main(kind)
    assert [batch.shape for batch in batches] == [(16, 3, 48, 64)] * 3
    assert len(drawn(batches[:1], project, kind)) > 1
    network, size = load_inpainter(inpainter(kind))
    assert (size.height, size.width) == (48, 64)
    assert network(batches[0][:2], torch.ones(2, 1, 48, 64)).isfinite().all()
    config = json.loads((inpainter(kind) / "config.json").read_text())
    assert config["kind"] == kind
    other = {"rgb": "flow", "flow": "rgb"}[kind]
    assert not inpainter(other).exists()


@pytest.mark.parametrize(
    ("kind", "failed", "learnt_from"),
    [
        ("flow", (0, 3), {1, 2, 4}),
        ("flow", range(FRAMES), set(range(FRAMES))),  # or there would be nothing
        ("rgb", (0, 3), set(range(FRAMES))),  # a frame is good whatever its pair
    ],
)
def test_flow_of_pairs_that_failed_is_not_learnt_from(project, batches, kind, failed, learnt_from):
    fail_pairs(*failed)
    train_inpainter.main(kind)
    assert drawn(batches, project, kind) == learnt_from


def test_another_seed_starts_from_other_weights_and_draws_other_frames(
    project, batches, monkeypatch
):
    starts = recorded_starts(monkeypatch, train_inpainter)
    for seed in (1, 0, 0):
        project.set_params(compute={"threads": 1, "seed": seed}, **PARAMS)
        train_inpainter.main("rgb")
    assert_only_the_first_differs(starts)
    assert_only_the_first_differs(torch.cat(batches).chunk(3))
