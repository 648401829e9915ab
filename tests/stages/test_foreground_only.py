"""Objective O alone against a known background (3.1) finds the subject; with G it does as well."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers_artifacts import make_project, write_flow, write_frames
from helpers_records import record_training_set

from pipeline.networks import load_inpainter, load_model
from pipeline.store import paths
from pipeline.store.images import write_png
from stages import train_inpainter, train_model

SIDE = 12  # px, of the square in frames of 64x48


def walk(scene):
    """A bright square on a grey ground, at another place in every frame."""
    rng = np.random.default_rng(0)
    count = len(scene.frames)
    scene.frames[:] = rng.integers(60, 90, (6, 8, 3)).repeat(8, axis=0).repeat(8, axis=1)
    scene.truth[:] = False
    corners = np.stack([rng.integers(0, 48 - SIDE, count), rng.integers(0, 64 - SIDE, count)], 1)
    for t, (y, x) in enumerate(corners):
        scene.truth[t, y : y + SIDE, x : x + SIDE] = True
    scene.frames[scene.truth] = (230, 200, 40)
    scene.flow[:] = 0
    write_frames(scene)
    write_flow(scene)
    record_training_set()


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["foreground_only", "disentangled"])
def test_the_box_finds_the_square(tmp_path, monkeypatch, objective):
    monkeypatch.setenv("BACKDROP_WORKERS", "1")
    project = make_project(tmp_path, monkeypatch, ["train"], frames=80)
    scene = project.scenes["clip_0"]
    walk(scene)
    # Jumps from frame to frame look like a moving camera; the ground as a picture needs no verdict.

    write_png(Path("ground.png"), np.median(scene.frames, axis=0).astype(np.uint8))
    project.set_params(
        compute={"threads": 1},
        network={"height": 48, "width": 64},
        train_inpainter={"rgb": {"background": "image", "background_images": "ground.png"}},
        train_model={
            "iterations": 500,
            "warmup_iterations": 50,
            "warmup_frames": 40,
            "batch_size": 16,
            "learning_rate": 2e-3,
            "objective": objective,
            "recolour": False,
            "detector": {"grid": 6, "channels": 12, "scale_initial": 0.3},
            "synthesis": {"window": 16, "channels": 8},
            "sampling": {"samples": 2, "epsilon": 0.005},
            "loss": {"perceptual": 0.0, "flow": 0.0, "flow_mask": 0.0, "box_fit": 0.0},
        },
    )
    train_inpainter.main("rgb")
    train_model.main()
    model, _ = load_model(paths.MODEL)
    known, _ = load_inpainter(paths.inpainter("rgb"))
    image = torch.from_numpy(scene.frames).permute(0, 3, 1, 2).float() / 255
    result = model.predict(image, known)
    centre = (result.box[:, :2] * torch.tensor([64, 48])).long()
    hits = [
        bool(t[min(y, 47), min(x, 63)])
        for t, (x, y) in zip(scene.truth, centre.tolist(), strict=True)
    ]
    assert np.mean(hits) > 0.9
