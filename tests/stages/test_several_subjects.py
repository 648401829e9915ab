"""`predict.max_subjects`: two squares, a detector that knows them, and what is written."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import torch
from helpers_artifacts import make_project, write_frames
from helpers_records import CALIBRATION
from torch import nn

from models.detector import Proposals
from models.model import SegmentationModel
from pipeline import model_predictions
from pipeline.inspection import describe, draw_frame
from pipeline.job import Job
from pipeline.params.results import Predict
from pipeline.params.training import Compute, Network
from pipeline.store import hdf5, paths
from pipeline.store.atomic import write_json
from stages import predict, refine_masks

SQUARES = ((8, 16), (40, 20))  # left, top px, of 16 px each in frames of 64x48
FRAMES = 4


class TwoSquares(nn.Module):
    """Two cells on each square, one far less sure; the surer square changes each frame."""

    grid, scale_min = 2, 0.1

    def __init__(self) -> None:
        super().__init__()
        self.frame = 0

    def forward(self, image: torch.Tensor) -> Proposals:
        boxes = [[(x + 8) / 64, (y + 8) / 48, 16 / 64, 16 / 48] for x, y in SQUARES]
        shifted = [[boxes[0][0] + 0.02, *boxes[0][1:]], [0.5, 0.05, 0.05, 0.05]]
        order = [2.0, 1.5, 1.9, -3.0]  # left, right, left again, nothing
        rows = []
        for _ in image:
            swapped = [order[1], order[0], order[1] - 0.1, order[3]]
            rows.append(swapped if self.frame % 2 else order)
            self.frame += 1
        here = image.device
        stacked = torch.tensor([boxes + shifted], device=here).expand(len(image), -1, -1)
        return Proposals(torch.tensor(rows, device=here), stacked)


class FullWindow(nn.Module):
    """The mask fills the window."""

    def mask_logits(self, window: torch.Tensor, _behind: torch.Tensor) -> torch.Tensor:
        return torch.full_like(window[:, :1], 6.0)


class Black(nn.Module):
    def forward(self, image: torch.Tensor, _hole: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(image)


@pytest.fixture
def scene(tmp_path, monkeypatch):
    monkeypatch.setenv("BACKDROP_WORKERS", "1")
    project = make_project(tmp_path, monkeypatch, ["test"], frames=FRAMES)
    project.set_params()
    scene = project.scenes["clip_0"]
    scene.frames[:] = 30
    for x, y in SQUARES:
        scene.frames[:, y : y + 16, x : x + 16] = (200, 60, 60)
    write_frames(scene)
    write_json(paths.CALIBRATION, CALIBRATION)
    size = Network(height=48, width=64)
    monkeypatch.setattr(
        model_predictions,
        "load_model",
        lambda _folder: (SegmentationModel(TwoSquares(), FullWindow(), 16, focal=False), size),
    )
    monkeypatch.setattr(model_predictions, "load_inpainter", lambda _folder: (Black(), size))
    return scene


def predict_with(**params):
    path = paths.video_file(paths.PREDICTIONS, "clip_0")
    settings = predict.Settings(Compute(), Predict(batch_size=3, **params))
    predict.work(Job("clip_0", FRAMES, "", settings), path, lambda _n: None)
    return path


def test_two_squares_are_two_subjects_whose_ids_stay(scene):
    path = predict_with(max_subjects=3)
    with hdf5.open_artifact(path, hdf5.PREDICTIONS) as file:
        assert file["subjects"][:].tolist() == [2] * FRAMES
        for slot, (x, y) in enumerate(SQUARES):
            expected = np.tile([x, y, 16, 16], (FRAMES, 1))
            np.testing.assert_allclose(file["instance_boxes"][:, slot], expected, atol=1e-3)
        assert np.isnan(file["instance_boxes"][:, 2]).all()
        assert np.isnan(file["instance_confidence"][:, 2]).all()
        # The first subject is the surest: left, right, left, right; its id is not always 0.
        np.testing.assert_allclose(file["boxes"][:, 0], [8, 40, 8, 40], atol=1e-3)
        sure = file["instance_confidence"][:, :2]
        np.testing.assert_allclose(sure.max(axis=1), file["confidence"][:])
        assert (sure.argmax(axis=1) == [0, 1, 0, 1]).all()
        np.testing.assert_array_equal(file["mask"][:], file["instance_mask"][:].max(axis=1))


def test_ids_begin_anew_after_a_cut(scene):
    """After it the surest of them, here the right one, has the first id again."""
    with h5py.File(paths.video_file(paths.FRAMES, "clip_0"), "r+") as file:
        file.attrs["cuts"] = np.array([1])
    with hdf5.open_artifact(predict_with(max_subjects=2), hdf5.PREDICTIONS) as file:
        assert file["instance_boxes"][:, 0, 0].round().tolist() == [8, 40, 40, 40]


def test_pixels_of_the_final_mask_carry_the_ids_and_are_drawn(scene):
    predict_with(max_subjects=2)
    refine_masks.main(paths.Source.MODEL)
    path = paths.video_file(paths.MASKS, "clip_0")
    with hdf5.open_artifact(path, hdf5.MASKS) as file:
        labels = file["instance"][:]
        np.testing.assert_array_equal(labels > 0, file["mask"][:] > 0)
        for slot, (x, y) in enumerate(SQUARES, start=1):
            assert (labels[:, y + 2 : y + 14, x + 2 : x + 14] == slot).all()
    picture = draw_frame(path, 0)
    scale = picture.shape[1] / 64
    left, right = (picture[int((y + 8) * scale), int((x + 8) * scale)] for x, y in SQUARES)
    assert np.abs(left.astype(int) - right).max() > 40  # two colours on two equal squares
    assert "instance" in describe(path)
    assert draw_frame(paths.video_file(paths.PREDICTIONS, "clip_0"), 0).shape[2] == 3


def test_a_high_share_leaves_one_and_one_alone_writes_nothing_new(scene):
    with hdf5.open_artifact(predict_with(max_subjects=2, min_share=0.9), hdf5.PREDICTIONS) as file:
        assert file["subjects"][:].tolist() == [1] * FRAMES
        alone = file["mask"][:]
    with hdf5.open_artifact(predict_with(), hdf5.PREDICTIONS) as file:
        np.testing.assert_array_equal(file["mask"][:], alone)
        assert set(file) == {"boxes", "cell", "cell_probability", "confidence", "mask"}
    refine_masks.main(paths.Source.MODEL)
    with hdf5.open_artifact(paths.video_file(paths.MASKS, "clip_0"), hdf5.MASKS) as file:
        assert set(file) == {"mask"}
