"""Training in ways beside the default's, from the params to what `predict` makes of the model."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
import torch
from helpers_artifacts import make_project
from helpers_records import record_training_set
from helpers_training import (
    TINY,
    assert_only_the_first_differs,
    recorded_starts,
    write_inpainter,
)
from safetensors.torch import save_file

from pipeline.drawing.marks import draw_box, draw_detection
from pipeline.errors import BackdropError
from pipeline.flow_image import encode_flow
from pipeline.job import Job
from pipeline.networks import load_model
from pipeline.params.results import Predict
from pipeline.params.training import Compute
from pipeline.store.hdf5 import PREDICTIONS as SCHEMA
from pipeline.store.hdf5 import open_artifact
from pipeline.store.paths import FLOW, MODEL, video_file
from pipeline.training.collapse_watch import CollapseError
from stages import predict, train_model

NETWORK = {"height": 32, "width": 48}
SHORT = {**TINY, "iterations": 3, "warmup_iterations": 2, "warmup_frames": 4}


@pytest.fixture
def project(tmp_path, monkeypatch):
    made = make_project(tmp_path, monkeypatch, videos=["train"], frames=5, height=48, width=64)
    for kind in ("rgb", "flow"):
        write_inpainter(**NETWORK, kind=kind)
    subprocess.run(["git", "init", "--quiet", "."], check=True)
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    empty = ["commit", "--quiet", "--allow-empty", "-m", "start"]
    subprocess.run(["git", *identity, *empty], check=True)
    return made


def run(project, seed=0, **changes):
    compute = {"threads": 1, "seed": seed}
    project.set_params(compute=compute, network=NETWORK, train_model={**SHORT, **changes})
    train_model.main()


@pytest.mark.parametrize("objective", ["foreground_only", "disentangled"])
def test_o_without_g_and_with_an_inpainted_background_is_a_warning(project, caplog, objective):
    """O is lowest where the inpainter sees no subject: it is meant for a known background."""
    run(project, objective=objective)
    warned = "foreground_only is for a known background" in caplog.text
    assert warned == (objective == "foreground_only")


@pytest.mark.parametrize("name", ["weights/encoder/none.pth", "weights"])
def test_weights_that_are_not_there_are_told_before_the_work(project, caplog, name):
    Path("weights").mkdir()
    told = re.escape(f"train_model.encoder_weights: there is no file '{name}'")
    with caplog.at_level("INFO"), pytest.raises(BackdropError, match=told):
        run(project, encoder="resnet18", encoder_weights=name)
    assert "read rgb frames" not in caplog.text


@pytest.mark.parametrize("perceptual", [False, True])
def test_weights_of_another_network_are_told_before_the_work(project, caplog, perceptual):
    file = Path("weights/encoder/net.safetensors")
    file.parent.mkdir(parents=True)
    save_file({"weight": torch.zeros(2)}, file)
    other = {"perceptual": 0.5, "perceptual_encoder": "resnet18"}
    other["perceptual_encoder_weights"] = str(file)
    named = {"encoder": "resnet18", "encoder_weights": str(file)}
    changes = {"loss": other} if perceptual else named
    with caplog.at_level("INFO"), pytest.raises(BackdropError, match="does not fit resnet18"):
        run(project, **changes)
    assert "read rgb frames" not in caplog.text


def test_direct_regression_skips_the_warm_up_and_gives_one_cell_to_predict(project, caplog):
    with caplog.at_level("INFO", "backdrop"):
        run(project, proposals="direct")
    assert "no probabilities, so no warm-up" in caplog.text
    model, _ = load_model(MODEL)
    assert model.detector.grid == 1
    (scene,) = project.scenes.values()
    path = project.root / "predictions.h5"
    settings = predict.Settings(Compute(threads=1), Predict())
    predict.work(Job(scene.video, 5, "", settings), path, lambda count: None)
    with open_artifact(path, SCHEMA) as file:
        assert file.attrs["grid"] == 1
        assert np.array_equal(file["cell_probability"], np.ones((5, 1), np.float32))
        assert np.array_equal(file["confidence"], np.ones(5, np.float32))
        assert np.array_equal(file["cell"], np.zeros(5))
        drawn = draw_detection(scene.frames[0], file["boxes"][0], 0, file["cell_probability"][0])
        box = draw_box(scene.frames[0], file["boxes"][0])
    assert np.array_equal(drawn, box)  # no dots and no offset where there are no cells


def test_perceptual_features_and_encoders_of_published_networks_train(project):
    run(project, encoder="imagenet", loss={"perceptual": 2.0, "perceptual_encoder": "imagenet"})
    model, _ = load_model(MODEL)
    names = [name for name, _ in model.named_parameters()]
    assert any(name.startswith("detector.trunk.stages.") for name in names)
    assert any(name.startswith("synthesis.encoder.stages.") for name in names)
    assert not any("distance" in name for name in names)  # the features are no part of the model


def recorded(monkeypatch, name):
    """What `train_model` gives a function of its own, and what it gets, call by call."""
    calls, original = [], getattr(train_model, name)

    def record(*args):
        calls.append((args, original(*args)))
        return calls[-1][1]

    monkeypatch.setattr(train_model, name, record)
    return calls


def at_the_networks_size(images):
    size = NETWORK["width"], NETWORK["height"]
    small = [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in images]
    return torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2) / 255


def upright(images, flipped):
    return (images.flip(3) if flipped else images).cpu()


def numbers_of(images, flipped, frames):
    """Of each image of a batch, the number of the frame that it shows."""
    same = (upright(images, flipped)[:, None] - frames).abs().amax(dim=(2, 3, 4)) < 1e-6
    assert same.any(dim=1).all(), "an image that shows no frame"
    return same.int().argmax(dim=1)


def test_a_step_sees_what_belongs_to_its_frames_mirrored_or_not(project, monkeypatch):
    (scene,) = project.scenes.values()
    ok = torch.tensor([1.0, 0.0, 1.0, 1.0, 1.0])
    with h5py.File(video_file(FLOW, scene.video), "r+") as file:
        file["ok"][:] = ok.numpy() > 0
    record_training_set()
    frames = at_the_networks_size(scene.frames)
    encoded = [np.round(255 * encode_flow(flow, 1.0)).astype(np.uint8) for flow in scene.flow]
    flow_images = at_the_networks_size(encoded)
    names = ("build_table", "warm_up_loss", "model_loss")
    tables, warm_ups, losses = (recorded(monkeypatch, name) for name in names)
    run(project, iterations=6, warmup_iterations=6)

    ((_, table),) = tables
    row_of = {int(number): row for row, number in enumerate(table.frames)}
    assert len(row_of) == 4
    for (_, image, density, flipped, *_), _ in warm_ups:
        rows = [row_of[int(number)] for number in numbers_of(image, flipped, frames)]
        assert torch.equal(density, table.density[rows])
    for (_, frozen, batch, *_), _ in losses:
        numbers = numbers_of(batch.image, batch.flipped, frames)
        moving = upright(batch.flow_image, batch.flipped)
        assert torch.allclose(moving, flow_images[numbers], atol=1e-6)
        assert torch.equal(batch.flow_ok.cpu(), ok[numbers])
        assert frozen.rgb_spread == table.rgb.spread
        assert frozen.flow_spread == table.flow.spread != table.rgb.spread
    assert {args[3] for args, _ in warm_ups} == {True, False}
    assert {args[2].flipped for args, _ in losses} == {True, False}


def test_another_seed_starts_from_other_weights_and_draws_other_frames(project, monkeypatch):
    starts = recorded_starts(monkeypatch, train_model)
    tables, losses = (recorded(monkeypatch, name) for name in ("build_table", "model_loss"))
    for seed in (1, 0, 0):
        run(project, seed=seed, warmup_frames=2)
    assert_only_the_first_differs(starts)
    assert_only_the_first_differs([torch.from_numpy(table.frames) for _, table in tables])
    images = [args[2].image for args, _ in losses]
    assert_only_the_first_differs(torch.cat(images).chunk(3))


def test_a_restart_starts_from_the_weights_of_its_own_seed(project, monkeypatch):
    """The user's seed + 1000, as docs/training.md says."""
    starts = recorded_starts(monkeypatch, train_model)

    def collapse_once(self, trail):
        if len(starts) == 1:
            raise CollapseError("COLLAPSE")

    monkeypatch.setattr(train_model.CollapseWatch, "__call__", collapse_once)
    run(project, restarts=1, watch={"every": 1})
    run(project, seed=1000)
    assert_only_the_first_differs(starts)
